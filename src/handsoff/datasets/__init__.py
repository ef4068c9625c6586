"""Images and labels in HandsOff's own layout: sources, labelled folders, the way of a photo into a frame."""
