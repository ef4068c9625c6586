"""Everything a training run is, in memory and in one safetensors file that is replaced atomically."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from handsoff.core.files import read_tensors, write_tensors
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.training.gan.discriminators import Discriminator

CHECKPOINT = "checkpoint.safetensors"
NUMBERS = ("step", "images", "seconds", "best_fd")


@dataclass
class State:
    """Both players, their optimisers, the averaged generator and how far the run is.

    Attributes:
        step: optimisation steps done; images: real images shown; seconds: time spent, earlier parts included.
        best_fd: the lowest FD-lite0 so far; the generator that reached it is the one on disk.
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
    tensors: dict[str, Tensor] = {
        "numbers": torch.tensor([float(getattr(state, name)) for name in NUMBERS], dtype=torch.float64)
    }
    for prefix, module in state.modules().items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
    for prefix, optimizer in state.optimizers().items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"{prefix}.{index}.{name}": tensor for name, tensor in slots.items()}
    write_tensors(folder / CHECKPOINT, tensors)


def spent(folder: Path) -> tuple[int, float]:
    """Images shown and seconds spent so far, by the checkpoint in `folder`."""
    numbers = dict(zip(NUMBERS, read_tensors(folder / CHECKPOINT)["numbers"].tolist(), strict=True))
    return int(numbers["images"]), numbers["seconds"]


def load_state(state: State, folder: Path) -> None:
    """Continue from `folder` if it holds a checkpoint; else leave the new state as it is."""
    if not (folder / CHECKPOINT).is_file():
        return
    tensors = read_tensors(folder / CHECKPOINT)
    for name, number in zip(NUMBERS, tensors.pop("numbers").tolist(), strict=True):
        setattr(state, name, type(getattr(state, name))(number))
    for prefix, module in state.modules().items():
        module.load_state_dict(
            {
                name.removeprefix(f"{prefix}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{prefix}.")
            }
        )
    for prefix, optimizer in state.optimizers().items():
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"{prefix}."):
                _, index, slot = name.split(".")
                slots.setdefault(int(index), {})[slot] = tensor
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
