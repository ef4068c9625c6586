"""Everything a training run is, in memory and in one safetensors file that is replaced atomically."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_record
from handsoff.generators.latents import Latents
from handsoff.generators.stored import WEIGHTS, read_card
from handsoff.jobs.checkpoints import is_whole, load_checkpoint, read_numbers, save_checkpoint
from handsoff.jobs.folder import REPORT

CHECKPOINT = "checkpoint.safetensors"
NUMBERS = ("step", "images", "seconds", "best_fd", "summed")
LOSS = "loss_"  # before the name of a loss, in the checkpoint and in the log


@dataclass(kw_only=True)
class State(ABC):
    """What is trained, and how far the run is.

    Attributes:
        average: the generator with the moving average of the trained weights: what is measured and stored.
        step: optimisation steps done; images: real images shown; seconds: time spent, earlier parts included.
        best_fd: the lowest FD-lite0 so far; the generator that reached it is the one on disk.
        losses: sums over the `summed` steps since the last snapshot, by name.
        measured: samples that a snapshot draws at the most.
        chance: the loss of a discriminator that cannot tell real from made; 0 where there is none.
    """

    average: Any
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best_fd: float = float("inf")
    losses: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    measured: int = 2_000
    chance: float = 0.0

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """All networks, by the name that they have in the checkpoint."""

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Adam]: ...

    def settled(self) -> Any:
        """The averaged generator, ready to be measured and stored."""
        return self.average

    def draw(self, latents: Latents) -> Float[Tensor, "n 3 h w"]:
        """Images of the averaged generator, as a snapshot looks at them."""
        return self.average.synthesize(latents)

    def count(self, losses: Mapping[str, float], images: int) -> None:
        """One more step, with its losses and the images that it showed."""
        self.step += 1
        self.images += images
        self.summed += 1
        for name, loss in losses.items():
            self.losses[name] += loss

    def mean_losses(self) -> dict[str, float | None]:
        """Of the steps since this was last asked for; None where there were none."""
        means = {LOSS + name: loss / self.summed if self.summed else None for name, loss in self.losses.items()}
        self.losses, self.summed = dict.fromkeys(self.losses, 0.0), 0
        return means


def save_state(state: State, folder: Path) -> None:
    """Write the whole run."""
    numbers = {name: float(getattr(state, name)) for name in NUMBERS}
    numbers |= {LOSS + name: loss for name, loss in state.losses.items()}
    save_checkpoint(folder / CHECKPOINT, state.modules(), state.optimizers(), numbers)


@dataclass(frozen=True)
class Reported:
    """How long a finished run trained, as its report says: to 0.1 thousand images, and to a second."""

    kimg: float
    training_seconds: float


def spent(folder: Path) -> tuple[int, float]:
    """Images shown and seconds spent by the finished run in `folder`.

    Where its checkpoint is gone or damaged, the most that the rounded numbers of its report can mean.

    Raises:
        InputError: neither can be read.
    """
    try:
        numbers = read_numbers(folder / CHECKPOINT)
    except InputError:
        report = read_record(folder / REPORT, Reported)
        return round(report.kimg * 1000) + 50, report.training_seconds + 0.5
    return int(numbers["images"]), numbers["seconds"]


def load_state(state: State, folder: Path) -> bool:
    """Continue from `folder` if it holds a checkpoint; else leave the new state as it is.

    Returns:
        False where training begins again: the checkpoint is damaged, or missing beside a stored generator.
    """
    if not (folder / CHECKPOINT).is_file():
        return not (folder / WEIGHTS).is_file()
    if not is_whole(folder / CHECKPOINT):
        return False
    numbers = load_checkpoint(folder / CHECKPOINT, state.modules(), state.optimizers())
    for name in NUMBERS:
        setattr(state, name, type(getattr(state, name))(numbers[name]))
    state.losses = {name: numbers[LOSS + name] for name in state.losses}
    if not (
        is_whole(folder / WEIGHTS) and has_card(folder)
    ):  # the best generator is lost: the next one to be measured takes its place
        state.best_fd = float("inf")
    return True


def has_card(folder: Path) -> bool:
    """Whether the stored generator's card is there and can be read."""
    try:
        read_card(folder)
    except HandsOffError:
        return False
    return True


@torch.no_grad()
def update_ema(average: nn.Module, newest: nn.Module, images: int, count: int, half_life: float) -> None:
    """Exponential moving average of weights.

    Args:
        average: is moved.
        newest: where to.
        images: shown before this step.
        count: shown by this step.
        half_life: in images; at the beginning of a run a twentieth of it, if that is less.
    """
    half_life = min(half_life, max(images * 0.05, 1.0))
    beta = 0.5 ** (count / half_life)
    averaged: list[Tensor] = list(average.parameters())
    trained: list[Tensor] = list(newest.parameters())
    torch._foreach_lerp_(averaged, trained, 1 - beta)  # the fused loop of torch.optim
    for mine, theirs in zip(average.buffers(), newest.buffers(), strict=True):
        mine.copy_(theirs)
