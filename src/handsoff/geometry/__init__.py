"""Where things are in an image: affine maps, views of photos, peaks of heat maps."""
