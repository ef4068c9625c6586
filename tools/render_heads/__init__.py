"""The renderer of synthetic heads: scripts, run with this folder on the path. Nothing in `handsoff` imports them."""
