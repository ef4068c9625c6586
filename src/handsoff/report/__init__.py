"""What a dataset is worth: scores of models trained on it, and the page that shows them."""
