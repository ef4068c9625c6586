"""What an edit did, by what the labeler sees before and after: the mask that was wanted is never believed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from handsoff.editing.paint import widened
from handsoff.sampling.targets import LEAST

STRAYED = 0.05  # share of the other pixels whose class may change

Mask = UInt8[np.ndarray, "h w"]


@dataclass(frozen=True)
class Change:
    """One class before and after an edit.

    Attributes:
        gained: by how much its share of the pixels rose.
        strayed: of the pixels that are not near it, before or after, the share whose class changed.
    """

    gained: float
    strayed: float

    @property
    def confirmed(self) -> bool:
        """Whether the class appeared or grew, and the rest stayed."""
        return self.gained >= LEAST and self.strayed <= STRAYED

    def record(self) -> dict[str, float | bool]:
        """As JSON."""
        return {"gained": round(self.gained, 6), "strayed": round(self.strayed, 6), "confirmed": self.confirmed}


def change(before: Mask, after: Mask, part: int) -> Change:
    """What an edit did to the class `part`.

    >>> before, after = np.zeros((2, 16, 16), np.uint8)
    >>> after[4:8, 4:8] = 1
    >>> change(before, after, 1).record()
    {'gained': 0.0625, 'strayed': 0.0, 'confirmed': True}
    """
    own, now = before == part, after == part
    away = ~widened((own | now)[None]).numpy()[0]
    strayed = float((before != after)[away].mean()) if away.any() else 0.0
    return Change(float(now.mean() - own.mean()), strayed)
