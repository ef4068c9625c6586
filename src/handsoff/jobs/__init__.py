"""Work that survives: run folders with DONE written last, progress, resume."""
