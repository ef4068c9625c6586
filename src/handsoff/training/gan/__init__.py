"""Generative adversarial training: the loop, its two discriminators, what they see, and what survives a kill."""
