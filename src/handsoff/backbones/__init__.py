"""Frozen pretrained image features: what the discriminator, the inversion and the distances see with."""
