"""Frozen pretrained image features: for the discriminator, the inversion, the labels and the distances."""
