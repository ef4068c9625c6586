"""How near a generator's samples come to the photos it was trained on: whether it repeats photos.

It is measured while the photos are at hand (`training/nearest.py`) and travels in `generator.json`, for whoever draws
samples later does not have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

ALARMING = 0.02  # share of copies from which on somebody should look; of unseen photos 0.8 % are copies, docs/train.md


@dataclass(frozen=True)
class Nearness:
    """Samples compared with training photos.

    Attributes:
        samples: how many were drawn.
        photos: how many they were compared with, each also mirrored.
        ratio: how far a sample usually is from its nearest photo, as a share of how far a photo usually is from the
            nearest other one (medians).
        copies: samples that are less than half as far from a photo as photos usually are from each other.
    """

    samples: int
    photos: int
    ratio: float
    copies: int

    @property
    def share(self) -> float:
        """Of samples that are copies, in [0, 1]."""
        return self.copies / self.samples

    @property
    def alarming(self) -> bool:
        return self.share >= ALARMING

    def sentence(self) -> str:
        """What was found, for people.

        >>> Nearness(2000, 512, 0.4, 1310).sentence()
        '1,310 of 2,000 samples (65.5 %) look like copies of the 512 images that the generator was trained on.'
        """
        return (
            f"{self.copies:,} of {self.samples:,} samples ({100 * self.share:.1f} %) look like copies of the "
            f"{self.photos:,} images that the generator was trained on."
        )


def nearness_in(manifest: Mapping[str, Any]) -> Nearness | None:
    """What the manifest of a generated dataset says; None where it says nothing, or nothing that can be read."""
    try:
        return TypeAdapter(Nearness).validate_python(manifest["nearness"])
    except (KeyError, ValidationError):
        return None
