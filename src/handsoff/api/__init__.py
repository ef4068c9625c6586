"""HandsOff in Python: the verbs as plain functions, and datasets for PyTorch. `import handsoff` has all of it."""
