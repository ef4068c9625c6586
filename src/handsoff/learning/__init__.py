"""The models a user would train on the data, and their scores."""
