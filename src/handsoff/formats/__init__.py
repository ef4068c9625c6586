"""Readers and writers of images and labelled data."""
