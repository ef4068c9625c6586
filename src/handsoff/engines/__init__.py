"""Where the shards of a work are computed; nothing above knows which engine does it."""
