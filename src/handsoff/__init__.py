"""HandsOff: a folder of images and a few labels in; a labelled dataset and an honest report out."""
