"""How a dataset is read that a person has reviewed: without torch, for the settings of every verb."""

from typing import Literal

Use = Literal["ignore", "only"]
CORRECTIONS = (
    "of handsoff review are applied unless this says ignore (read the data as it was made), or only (leave out what "
    "nobody accepted or corrected)"
)
