"""The parameters of a found generator: read one by one, checked against each other, and made ours."""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.bounds import RefusedError
from handsoff.generators.checkpoints.layouts import Found
from handsoff.generators.checkpoints.tensors import tensor_of
from handsoff.generators.stylegan2 import MAPPING_LR, StyleGAN2, StyleGAN2Config, fir_kernel

State = dict[str, Tensor]
RGB = 3
# The weights of a layer begin with a standard deviation of 1 / its learning rate; training makes them grow a little.
SURE_GROWTH = (0.62, 1.8)
SURE_COUNT = 64  # numbers whose deviation says something


@dataclass(frozen=True)
class Converted:
    """A generator with our parameter names."""

    config: StyleGAN2Config
    state: State
    has_mean: bool


class Values:
    """The values of a generator, read one by one as float32.

    Attributes:
        read: the names that were read.
        left: bytes that may still be read: parameters may share numbers in the file, but not without end.
    """

    def __init__(self, found: Found, where: str, file_size: int) -> None:
        self.found, self.where, self.left = found.values, where, 8 * file_size + 2**20
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __call__(self, name: str) -> Tensor:
        self.read.add(name)
        return self.tensor(self.found[name], name)

    def tensor(self, value: Any, name: str) -> Tensor:
        tensor = tensor_of(value, f"{self.where}: {name}")
        self.left -= 4 * tensor.numel()
        if self.left < 0:
            raise RefusedError(f"{self.where} unpacks to far more than its size: this is no checkpoint.")
        if tensor.ndim and not tensor.numel():
            raise InputError(f"{self.where}: {name} is empty: the file is damaged, get it again.")
        return tensor.float()

    def count(self, pattern: str) -> int:
        """How many different texts the pattern's group matches among the names."""
        return len({match.group(1) for name in self.found if (match := re.fullmatch(pattern, name))})

    def refuse_rest(self, roots: str) -> None:
        """Nothing of the generator may be left over.

        Raises:
            InputError: a value whose name matches `roots` was not read.
        """
        rest = sorted(name for name in self.found if name not in self.read and re.match(roots, name))
        if rest:
            raise InputError(
                f"{self.where}: the generator has {rest[0]}, which StyleGAN2 does not have: this form is not read."
            )


def config_of(
    get: Values, const: Tensor, channels: list[int], colours: int, z_dim: int, w_dim: int, **rest: Any
) -> StyleGAN2Config:
    """The shape of the generator.

    Raises:
        InputError: it does not draw RGB images, or is of no StyleGAN2 that can be.
    """
    if colours != RGB:
        kind = {1: "grey images", 2: "grey images with alpha", 4: "RGBA images"}.get(colours, f"{colours} channels")
        raise InputError(f"{get.where}: the generator draws {kind}, and only RGB is read: give another checkpoint.")
    if const.ndim < 2:  # noqa: PLR2004  # a height and a width
        raise InputError(f"{get.where}: the constant input is no map: this is no StyleGAN2 generator.")
    base = (const.shape[-2], const.shape[-1])
    if len(channels) == 1:
        raise InputError(f"{get.where}: the generator draws only {base[0]}x{base[1]} pixels: give one that draws more.")
    resolution = (base[0] << (len(channels) - 1), base[1] << (len(channels) - 1))
    try:
        return StyleGAN2Config(
            resolution=resolution, base=base, z_dim=z_dim, w_dim=w_dim, block_channels=tuple(channels), **rest
        )
    except ValueError as error:
        raise InputError(f"{get.where}: {error}: this is no StyleGAN2 generator that can be read.") from None


def mapping_rate(weights: list[Tensor], stated: float | None, where: str) -> float:
    """The learning-rate multiplier of a mapping network, by which its weights are scaled, where the file lacks it.

    Published models have 0.01. Whether the weights fit that is seen from their size.

    Raises:
        InputError: they do not fit, and no rate is stated.
    """
    if stated is not None:
        return stated
    numbers = torch.cat([weight.flatten() for weight in weights])
    growth = float(numbers.square().mean().sqrt()) * MAPPING_LR
    if numbers.numel() >= SURE_COUNT and math.isfinite(growth) and not SURE_GROWTH[0] < growth < SURE_GROWTH[1]:
        raise InputError(
            f"{where} does not say by which learning rate its mapping network is scaled, and its weights do not look "
            f"like the usual {MAPPING_LR} (rather {MAPPING_LR / max(growth, 1e-9):.2g}): state it with --set "
            "mapping_lr=NUMBER; it is `lr_mlp` or `lr_multiplier` in the code that trained it."
        )
    return MAPPING_LR


def refuse_rate(stated: float | None, where: str) -> None:
    """Refuse a learning-rate multiplier for a file that tells its own.

    Raises:
        InputError: one is stated.
    """
    if stated is not None:
        raise InputError(f"{where} says itself by what its mapping network is scaled: leave mapping_lr out.")


def complete(converted: Converted, where: str) -> State:
    """The state, checked against the network's shapes; constants that files may lack (filters, noise) are added.

    No memory is taken before all shapes fit.

    Raises:
        InputError: a parameter is missing, has another shape, or is not finite.
    """
    with torch.device("meta"):
        wanted = StyleGAN2(converted.config).state_dict()
    extra = sorted(converted.state.keys() - wanted.keys())
    if extra:
        raise InputError(f"{where}: the generator has {extra[0]} (in our names), which is not read: a form of its own.")
    full: State = {}
    for name, tensor in wanted.items():
        value = converted.state.get(name)
        if value is None:
            full[name] = constant(name, tensor, where)
            continue
        if value.shape != tensor.shape:
            shapes = "x".join(map(str, value.shape)), "x".join(map(str, tensor.shape))
            raise InputError(
                f"{where}: {name} is {shapes[0]}, but {shapes[1]} fits the rest: this StyleGAN2 is of a form that is "
                "not read."
            )
        if not torch.isfinite(value).all():
            raise InputError(f"{where}: {name} holds values that are not finite: the file is damaged, get it again.")
        full[name] = value.contiguous()
    return full


def constant(name: str, like: Tensor, where: str) -> Tensor:
    """The value of a constant that a file may lack.

    Raises:
        InputError: it is a parameter.
    """
    if name.endswith("resample_filter"):
        return fir_kernel()
    if name.endswith("noise_const"):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(len(name) + like.numel()))
    if name.endswith("w_avg"):
        return torch.zeros(like.shape)
    raise InputError(
        f"{where}: the generator lacks {name} (in our names): the file is not whole, or of a form that is not read."
    )
