"""Training a GAN from a folder of images."""
