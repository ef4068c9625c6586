"""From the generator's features to labels: hypercolumn, ensemble, fit."""
