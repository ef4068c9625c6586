"""Recipes carried out: one method, or several side by side."""
