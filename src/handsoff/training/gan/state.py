"""Everything a training run is, in memory and in one safetensors file that is replaced atomically."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from handsoff.core.errors import HandsOffError
from handsoff.generators.stored import WEIGHTS, read_card
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.jobs.checkpoints import is_whole, load_checkpoint, read_numbers, save_checkpoint
from handsoff.training.gan.discriminators import Discriminator

CHECKPOINT = "checkpoint.safetensors"
NUMBERS = ("step", "images", "seconds", "best_fd", "loss_d", "loss_g", "summed")


@dataclass
class State:
    """Both players, their optimisers, the averaged generator and how far the run is.

    Attributes:
        step: optimisation steps done; images: real images shown; seconds: time spent, earlier parts included.
        best_fd: the lowest FD-lite0 so far; the generator that reached it is the one on disk.
        loss_d, loss_g: sums over the `summed` steps since the last snapshot.
    """

    generator: StyleGAN2
    average: StyleGAN2
    discriminator: Discriminator
    g_optimizer: torch.optim.Adam
    d_optimizer: torch.optim.Adam
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    best_fd: float = float("inf")
    loss_d: float = 0.0
    loss_g: float = 0.0
    summed: int = 0

    def count(self, losses: Mapping[str, float], images: int) -> None:
        """One more step, with its losses and the images that it showed."""
        self.step += 1
        self.images += images
        self.summed += 1
        self.loss_d += losses["d"]
        self.loss_g += losses["g"]

    def mean_losses(self) -> dict[str, float | None]:
        """Of the steps since this was last asked for; None where there were none."""
        means = {name: getattr(self, name) / self.summed if self.summed else None for name in ("loss_d", "loss_g")}
        self.loss_d, self.loss_g, self.summed = 0.0, 0.0, 0
        return means

    def modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "average": self.average, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}


def new_state(generator: StyleGAN2, discriminator: Discriminator, g_lr: float, d_lr: float) -> State:
    """A run at step 0. Adam with beta1 = 0, as GAN papers since StyleGAN use it."""
    average = copy.deepcopy(generator).eval().requires_grad_(requires_grad=False)
    g_optimizer = torch.optim.Adam(generator.parameters(), g_lr, betas=(0.0, 0.99), eps=1e-8)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), d_lr, betas=(0.0, 0.99), eps=1e-8)
    return State(generator, average, discriminator, g_optimizer, d_optimizer)


def save_state(state: State, folder: Path) -> None:
    """Write the whole run."""
    numbers = {name: float(getattr(state, name)) for name in NUMBERS}
    save_checkpoint(folder / CHECKPOINT, state.modules(), state.optimizers(), numbers)


def spent(folder: Path) -> tuple[int, float]:
    """Images shown and seconds spent so far, by the checkpoint in `folder`."""
    numbers = read_numbers(folder / CHECKPOINT)
    return int(numbers["images"]), numbers["seconds"]


def load_state(state: State, folder: Path) -> bool:
    """Continue from `folder` if it holds a checkpoint; else leave the new state as it is.

    Returns:
        False where there is a checkpoint, and it is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        return True
    if not is_whole(folder / CHECKPOINT):
        return False
    for name, number in load_checkpoint(folder / CHECKPOINT, state.modules(), state.optimizers()).items():
        setattr(state, name, type(getattr(state, name))(number))
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
