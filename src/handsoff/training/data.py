"""What the players of a step are given: photos and, where the generator has conditions, what they show."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from handsoff.core.device import best_device
from handsoff.core.images import to_float
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
        """Photos and their conditions."""
        picked = torch.randint(len(self.photos), (count,), generator=stream)
        reals = to_float(self.photos[picked.numpy()]).to(best_device())
        flipped = self.flips(count)
        reals = torch.where(flipped[:, None, None, None], reals.flip(3), reals) if self.mirror else reals
        return reals, self.conditions_of(picked, flipped)

    def draw_conditions(self, count: int, stream: torch.Generator) -> Tensor | None:
        """Conditions to ask the generator for, as frequent as in the photos."""
        if self.told is None:
            return None
        return self.conditions_of(torch.randint(len(self.photos), (count,), generator=stream), self.flips(count))

    def flips(self, count: int) -> Bool[Tensor, " n"]:
        device = best_device()
        if not self.mirror:
            return torch.zeros(count, dtype=torch.bool, device=device)
        return torch.rand(count, device=device) < HALF

    def conditions_of(self, picked: Int64[Tensor, " n"], flipped: Bool[Tensor, " n"]) -> Tensor | None:
        if self.told is None:
            return None
        return self.told.of(picked, flipped, torch.rand(len(picked), device=flipped.device) < DROPPED)
