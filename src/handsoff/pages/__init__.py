"""HTML pages for people: single files that need nothing else."""
