"""Inversion: from photos to the latents that a generator makes them from."""
