"""What a folder or zip holds and what is wrong with it."""
