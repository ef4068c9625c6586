"""What everything else is made of: errors, files, images, seeds, devices. Knows nobody."""
