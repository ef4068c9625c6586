"""Published checkpoints made into HandsOff's generators.

A checkpoint may come from anybody: it is read as data, and no code in it is run.
"""
