"""A training run in one safetensors file: modules, optimisers and numbers, replaced atomically."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from handsoff.core.errors import InputError
from handsoff.core.tensors import read_tensors, write_tensors

NUMBERS = "numbers"


def save_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    numbers: Mapping[str, float],
) -> None:
    """Write everything; the names of modules and optimisers must differ and hold no dot."""
    tensors: dict[str, Tensor] = {
        f"{NUMBERS}.{name}": torch.tensor(float(number), dtype=torch.float64) for name, number in numbers.items()
    }
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
    for prefix, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"{prefix}.{index}.{name}": tensor for name, tensor in slots.items()}
    write_tensors(path, tensors, sealed=True)


def is_whole(path: Path) -> bool:
    """Whether a file of tensors is there and not damaged: what is not is made again."""
    try:
        read_tensors(path)
    except InputError:
        return False
    return True


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, float]:
    """Put modules and optimisers back where they were; returns the numbers.

    Raises:
        InputError: the file is missing or damaged.
    """
    tensors = read_tensors(path)
    for prefix, module in modules.items():
        module.load_state_dict(below(tensors, prefix))
    for prefix, optimizer in optimizers.items():
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in below(tensors, prefix).items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = tensor
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
        lay_out_alike(optimizer)
    return numbers_in(tensors)


def lay_out_alike(optimizer: torch.optim.Optimizer) -> None:
    """Give what an optimiser knows of a weight the weight's own memory layout.

    A file has lost it, and fused optimisers take it for granted: with weights that are channels last, they would go on
    with the moments of other weights, without a word.
    """
    for weight, slots in optimizer.state.items():
        for name, slot in slots.items():
            if slot.shape == weight.shape:
                slots[name] = torch.empty_like(weight, dtype=slot.dtype).copy_(slot)


def read_numbers(path: Path) -> dict[str, float]:
    """The numbers of a checkpoint; its weights are not read.

    Raises:
        InputError: the file is missing or damaged.
    """
    return numbers_in(read_tensors(path, prefix=f"{NUMBERS}."))


def numbers_in(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in below(tensors, NUMBERS).items()}


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, called by what follows it."""
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }
