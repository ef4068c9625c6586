"""What the players of a step are given: photos and, where the generator has conditions, what they show."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from handsoff.core.device import best_device
from handsoff.core.images import to_float
from handsoff.core.seeds import per_sample
from handsoff.training.conditions import DROPPED, PhotoConditions

HALF = 0.5
Photos = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True)
class TrainingData:
    """Photos, and their conditions where there are any; what is drawn also depends on torch's own random numbers.

    Attributes:
        mirror: whether half of the photos are mirrored.
    """

    photos: Photos
    told: PhotoConditions | None
    mirror: bool

    def draw(self, count: int, stream: torch.Generator) -> tuple[Float[Tensor, "n 3 h w"], Tensor | None]:
        """Photos and their conditions: this process's share of a batch."""
        picked = per_sample(lambda n: torch.randint(len(self.photos), (n,), generator=stream), count)
        reals = to_float(self.photos[picked.numpy()]).to(best_device())
        flipped = per_sample(self.flips, count)
        reals = torch.where(flipped[:, None, None, None], reals.flip(3), reals) if self.mirror else reals
        shown = None if self.told is None else self.told.of(picked, flipped, per_sample(dropped, count))
        return reals, shown

    def draw_conditions(self, count: int, stream: torch.Generator) -> Tensor | None:
        """Conditions to ask the generator for, as frequent as in the photos: of a whole batch."""
        if self.told is None:
            return None
        picked = torch.randint(len(self.photos), (count,), generator=stream)
        return self.told.of(picked, self.flips(count), dropped(count))

    def flips(self, count: int) -> Bool[Tensor, " n"]:
        """Which photos are mirrored."""
        if not self.mirror:
            return torch.zeros(count, dtype=torch.bool, device=best_device())
        return torch.rand(count, device=best_device()) < HALF


def dropped(count: int) -> Bool[Tensor, " n"]:
    """Of which samples nothing is said."""
    return torch.rand(count, device=best_device()) < DROPPED
