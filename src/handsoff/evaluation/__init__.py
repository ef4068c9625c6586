"""What a dataset is worth: arms, each a model trained on another mixture, scored on real test photos."""
