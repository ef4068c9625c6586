"""`handsoff review`: a person and the label generator, together, in the browser."""
