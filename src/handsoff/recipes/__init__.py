"""What a recipe may say, how it is read, and the steps that a method makes of it."""
