"""Published checkpoints → generators of ours. A checkpoint is a stranger's file: it is read as data, nothing in it is run."""
