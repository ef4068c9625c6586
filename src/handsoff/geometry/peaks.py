"""Where the peaks of heat maps are, to a fraction of a pixel."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

FLAT = 1e-4  # a parabola that bends less has no top


def located(
    heat: Float[Tensor, "*n k h w"], smooth: Float[Tensor, "*n k h w"], sigma: float
) -> Float[Tensor, "*n k 2"]:
    """(x, y) of the peaks of `smooth`, the blurred maps.

    Within two sigmas of the border, where blurring would move them, of the maps themselves.
    """
    place = peak(heat)
    beyond = torch.tensor([heat.shape[-1], heat.shape[-2]], device=heat.device) - 1 - 2 * sigma
    inner = ((place >= 2 * sigma) & (place <= beyond)).all(-1, keepdim=True)
    return torch.where(inner, peak(smooth), place)


def blurred(heat: Float[Tensor, "*n k h w"], sigma: float) -> Float[Tensor, "*n k h w"]:
    """Under a Gaussian: a Gaussian stays one, and its top no longer hangs on single pixels.

    As products of matrices: on a CPU many times faster than convolutions of one channel.
    """
    down, across = (gaussian(size, sigma).to(heat.device) for size in heat.shape[-2:])
    return down @ heat @ across


def gaussian(size: int, sigma: float) -> Float[Tensor, "n n"]:
    """Row i is a Gaussian around i, cut at three sigmas, of sum 1 but for what of it lies outside."""
    apart = torch.arange(1 - size, size)
    taps = torch.where(
        apart.abs() <= math.ceil(3 * sigma), (-(apart**2) / (2 * sigma**2)).exp(), 0.0
    )  # denormal numbers would be slow
    return (taps / taps.sum()).unfold(0, size, 1).flip(0)


def peak(heat: Float[Tensor, "*n k h w"]) -> Float[Tensor, "*n k 2"]:
    """(x, y) of the highest pixel, moved to the top of the parabola through the logarithms beside it.

    The logarithm of a Gaussian is a parabola, so that a Gaussian's centre is found exactly (DARK, Zhang et al. 2020, by
    axes).
    """
    height, width = heat.shape[-2:]
    flat = heat.flatten(-2)
    index = flat.argmax(-1)
    row = (index // width).clamp(min(1, height - 1), max(height - 2, 0))
    column = (index % width).clamp(min(1, width - 1), max(width - 2, 0))

    def at(down: int, across: int) -> Float[Tensor, "*n k"]:
        place = (row + down).clamp(0, height - 1) * width + (column + across).clamp(0, width - 1)
        return flat.gather(-1, place[..., None])[..., 0].clamp_min(1e-6).log()

    def offset(before: Tensor, after: Tensor) -> Float[Tensor, "*n k"]:
        bend = 2 * at(0, 0) - before - after
        return torch.where(bend > FLAT, 0.5 * (after - before) / bend.clamp_min(FLAT), torch.zeros_like(bend)).clamp(
            -1.5, 1.5
        )

    x, y = column + offset(at(0, -1), at(0, 1)), row + offset(at(-1, 0), at(1, 0))
    return torch.stack([x.clamp(-0.5, width - 0.5), y.clamp(-0.5, height - 0.5)], -1)
