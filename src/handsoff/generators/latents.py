"""What images were made from, for any generator: a StyleGAN's ws, a diffusion model's starting noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from handsoff.core.tensors import read_tensors, write_tensors

RESIDUAL = "residual"  # what is added to one feature map of a StyleGAN2, [N, C, H, W], beside its ws
GUIDANCE = "guidance"  # how strongly each sample follows its condition, [N], beside a diffusion model's noise
CONDITION = "condition"  # what the condition is called in a file, beside the tensors' own names
UNKNOWN = -1  # the class of a sample of which nobody knows it


@dataclass(frozen=True)
class Latents:
    """Named tensors of N samples, the sample axis first.

    Attributes:
        tensors: such as {"ws": [N, L, D]} (StyleGAN2) or {"noise": [N, 3, H, W]} (diffusion).
        condition: class ids [N] or attributes [N, A], where the generator has conditions; `UNKNOWN` or NaN in the rows
            of samples of which nothing is known.

    >>> latents = Latents({"ws": torch.arange(6.0).view(3, 2, 1)}, torch.tensor([0, 1, 0]))
    >>> len(latents), latents[1:].condition.tolist()
    (3, [1, 0])
    """

    tensors: Mapping[str, Tensor]
    condition: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"Latents({shapes}{'' if self.condition is None else ', with conditions'})"

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "Latents":
        """Some of the samples, as slices, lists of numbers or masks choose them."""
        picked = {name: tensor[index] for name, tensor in self.tensors.items()}
        return Latents(picked, None if self.condition is None else self.condition[index])

    def to(self, device: torch.device) -> "Latents":
        moved = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return Latents(moved, None if self.condition is None else self.condition.to(device))


def join_latents(parts: Sequence[Latents]) -> Latents:
    """Latents of several batches on one device, one after the other.

    Where only some have a residual, that of the others is zero; where only some have a condition, that of the others is
    not known.
    """
    counts, conditions = [len(part) for part in parts], [part.condition for part in parts]
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors if name != RESIDUAL}
    residual = filled_up([part.tensors.get(RESIDUAL) for part in parts], counts, 0.0)
    are_classes = not any(found.is_floating_point() for found in conditions if found is not None)
    condition = filled_up(conditions, counts, UNKNOWN if are_classes else torch.nan)
    return Latents(tensors if residual is None else {**tensors, RESIDUAL: residual}, condition)


def filled_up(found: Sequence[Tensor | None], counts: Sequence[int], missing: float) -> Tensor | None:
    """Tensors one after the other, so many rows of `missing` in the place of each None; None where all are None."""
    like = next((tensor for tensor in found if tensor is not None), None)
    if like is None:
        return None
    rows = zip(found, counts, strict=True)
    return torch.cat([like.new_full((n, *like.shape[1:]), missing) if part is None else part for part, n in rows])


def save_latents(path: Path, latents: Latents) -> None:
    """Write them as safetensors, atomically."""
    condition = {} if latents.condition is None else {CONDITION: latents.condition}
    write_tensors(path, {**latents.tensors, **condition}, gaps=[CONDITION])


def load_latents(path: Path) -> Latents:
    """Read what `save_latents` wrote, on the CPU.

    Raises:
        InputError: the file is missing or damaged.
    """
    tensors = read_tensors(path, gaps=[CONDITION])
    condition = tensors.pop(CONDITION, None)
    return Latents(tensors, condition)
