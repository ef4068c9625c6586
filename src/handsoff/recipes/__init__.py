"""What a recipe may say, and one readable sentence where it says something else."""
