"""Labelled images from seeds: generate, select, write."""
