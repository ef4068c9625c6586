"""Labelled datasets in the formats of other tools: read, reframed, written.

`convert` reads labelled images (`samples`) in any format of `exchange`, may reframe them (`reframing`), and writes them
in any other. The other modules hold what several formats share.
"""
