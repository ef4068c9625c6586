"""The dense predictor that a user would train on the data, and its score."""
