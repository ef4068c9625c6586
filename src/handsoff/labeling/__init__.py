"""From latents or images to labels: feature maps, hypercolumn, pixel classifiers, image networks, fit."""
