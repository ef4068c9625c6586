"""Which latents: what is drawn of a generator, and how it is drawn again from its record."""
