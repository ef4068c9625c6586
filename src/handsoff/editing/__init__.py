"""Edits of images by their labels: a person paints a mask, or a class is pasted, and the latents follow."""
