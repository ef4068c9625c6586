"""Generators behind one door: latents in, images and block features out. Nothing above asks which one it has."""
