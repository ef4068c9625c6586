"""Training of diffusion models: the denoising loss, and the state of a run."""
