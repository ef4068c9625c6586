"""Where the peaks of heat maps are, to a fraction of a pixel."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FLAT = 1e-4  # a parabola that bends less has no top


def located(heat: Float[Tensor, "n k h w"], sigma: float) -> Float[Tensor, "n k 2"]:
    """(x, y) of the peaks: of the blurred maps or, within two sigmas of the border, where blurring would move them, of the maps."""
    place = peak(heat)
    beyond = torch.tensor([heat.shape[3], heat.shape[2]], device=heat.device) - 1 - 2 * sigma
    inner = ((place >= 2 * sigma) & (place <= beyond)).all(-1, keepdim=True)
    return torch.where(inner, peak(blurred(heat, sigma)), place)


def blurred(heat: Float[Tensor, "n k h w"], sigma: float) -> Float[Tensor, "n k h w"]:
    """Under a Gaussian: a Gaussian stays one, and its top no longer hangs on single pixels."""
    radius = math.ceil(3 * sigma)
    taps = (-(torch.arange(-radius, radius + 1, device=heat.device) ** 2) / (2 * sigma**2)).exp()
    taps = taps / taps.sum()
    rows = F.conv2d(heat.flatten(0, 1)[:, None], taps.view(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(rows, taps.view(1, 1, -1, 1), padding=(radius, 0))[:, 0].unflatten(0, heat.shape[:2])


def peak(heat: Float[Tensor, "n k h w"]) -> Float[Tensor, "n k 2"]:
    """(x, y) of the highest pixel, moved to the top of the parabola through the logarithms beside it.

    The logarithm of a Gaussian is a parabola, so that a Gaussian's centre is found exactly (DARK, Zhang et al. 2020, by
    axes).
    """
    height, width = heat.shape[2:]
    index = heat.flatten(2).argmax(-1)
    row = (index // width).clamp(min(1, height - 1), max(height - 2, 0))
    column = (index % width).clamp(min(1, width - 1), max(width - 2, 0))
    logs = heat.clamp_min(1e-6).log().flatten(2)

    def at(down: int, across: int) -> Float[Tensor, "n k"]:
        place = (row + down).clamp(0, height - 1) * width + (column + across).clamp(0, width - 1)
        return logs.gather(2, place[..., None])[..., 0]

    def offset(before: Tensor, after: Tensor) -> Float[Tensor, "n k"]:
        bend = 2 * at(0, 0) - before - after
        return torch.where(bend > FLAT, 0.5 * (after - before) / bend.clamp_min(FLAT), torch.zeros_like(bend)).clamp(-1.5, 1.5)

    x, y = column + offset(at(0, -1), at(0, 1)), row + offset(at(-1, 0), at(1, 0))
    return torch.stack([x.clamp(-0.5, width - 0.5), y.clamp(-0.5, height - 0.5)], -1)
