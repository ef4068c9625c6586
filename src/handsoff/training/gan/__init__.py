"""Generative adversarial training: loop, discriminators, augmentation, snapshots, and the state of a run."""
