"""What the training loop needs to know of a kind of generator: how a run begins, and what one step does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.device import best_device
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.core.seeds import per_sample
from handsoff.training.settings import TrainSettings

Budget = dict[str, float | None]
Photos = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True)
class Limits:
    """How long to go on and this process's place among the others."""

    budget: Budget
    rank: int
    world: int


@dataclass(frozen=True)
class Kind:
    """One kind of generator, as it is trained.

    Attributes:
        check: the image size that is asked for; raises a HandsOffError where no such generator can be trained.
        build: the state at step 0, begun with the weights of another generator where there is one.
        step: updates the state with one batch, and returns its losses by name. Of the batch each process has its share:
            all draw the same random numbers, and take those of their samples (`core.seeds.per_sample`).
    """

    check: Callable[[TrainSettings, Path | None], Frame]
    build: Callable[[TrainSettings, Path | None], Any]
    step: Callable[[Any, Photos, TrainSettings, Limits], dict[str, float]]


def batch_of(photos: Photos, count: int, stream: torch.Generator, *, mirror: bool) -> Float[Tensor, "b 3 h w"]:
    """Some of the photos in [-1, 1], chosen by `stream`; with `mirror` half of them flipped left to right."""
    places = per_sample(lambda n: torch.randint(len(photos), (n,), generator=stream), count)
    chosen = to_float(photos[places.numpy()]).to(best_device())
    if not mirror:
        return chosen
    flipped = per_sample(lambda n: torch.rand(n, 1, 1, 1, device=chosen.device), count) < 0.5  # noqa: PLR2004  # half of them
    return torch.where(flipped, chosen.flip(3), chosen)
