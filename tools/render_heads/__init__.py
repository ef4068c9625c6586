"""The renderer of synthetic heads. `render.py` is run as a script, with this folder on the path; nothing in `handsoff` imports it."""
