"""Labelled images in memory: what every training loop and every score here takes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from handsoff.tasks.base import Labels


@dataclass(frozen=True)
class LabelledArrays:
    """Images of one size and their labels for one task; `names` of the samples where they are known."""

    images: UInt8[np.ndarray, "n h w 3"]
    labels: Labels
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)
