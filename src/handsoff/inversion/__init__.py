"""From a photo to the generator's code for it."""
