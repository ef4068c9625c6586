"""Published checkpoints → our generators. They are strangers' files: read as data, and nothing in them is run."""
