"""What the training loop needs to know of a kind of generator: how a run begins, and what one step does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handsoff.core.frames import Frame
from handsoff.generators.contract import Conditions
from handsoff.training.data import TrainingData
from handsoff.training.settings import TrainSettings

Budget = dict[str, float | None]


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
        build: the state at step 0, begun with the weights of another generator where there is one, or made for
            conditions where the photos have any.
        step: updates the state with one batch, and returns its losses by name. Of the batch each process has its share:
            all draw the same random numbers, and take those of their samples (`core.seeds.per_sample`).
    """

    check: Callable[[TrainSettings, Path | None], Frame]
    build: Callable[[TrainSettings, Path | None, Conditions | None], Any]
    step: Callable[[Any, TrainingData, TrainSettings, Limits], dict[str, float]]
