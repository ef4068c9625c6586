"""Differentiable augmentation of what the discriminators are shown, fixed or adaptive."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.seeds import per_sample

Images = Float[Tensor, "n 3 h w"]


def uniform(x: Images, low: float, high: float) -> Float[Tensor, "n 1 1 1"]:
    return per_sample(lambda n: torch.empty(n, 1, 1, 1, device=x.device).uniform_(low, high), x.shape[0])


def diff_augment(x: Images) -> Images:
    """DiffAugment (Zhao et al. 2020, arXiv 2006.10738): colour, translation by up to 1/8, cutout of half the size.

    Brightness moves by up to 0.3, where the paper's code has 0.5.
    """
    x = x + uniform(x, -0.5, 0.5) * 0.6
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * uniform(x, 0, 2)
    middle = x.mean((1, 2, 3), keepdim=True)
    x = middle + (x - middle) * uniform(x, 0.5, 1.5)
    return cutout(translate(x))


def translate(x: Images) -> Images:
    """Shift by whole pixels, up to an eighth of each side, zeros coming in."""
    count, _, height, width = x.shape
    shift_y = per_sample(lambda n: torch.randint(-(height // 8), height // 8 + 1, (n, 1), device=x.device), count)
    shift_x = per_sample(lambda n: torch.randint(-(width // 8), width // 8 + 1, (n, 1), device=x.device), count)
    rows = (torch.arange(height, device=x.device) + shift_y + 1).clamp(0, height + 1)
    columns = (torch.arange(width, device=x.device) + shift_x + 1).clamp(0, width + 1)
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    index = torch.arange(count, device=x.device)[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Images) -> Images:
    """Blank a square of half the image's sides in half of the images."""
    count, _, height, width = x.shape

    def inside(size: int) -> Tensor:
        centre = per_sample(lambda n: torch.rand(n, 1, device=x.device), count) * size
        return (torch.arange(size, device=x.device) - centre).abs() < size / 4

    square = inside(height)[:, :, None] & inside(width)[:, None, :]
    hole = square & (per_sample(lambda n: torch.rand(n, 1, 1, device=x.device), count) < 0.5)  # noqa: PLR2004  # half of them
    return x * ~hole[:, None]


def adaptive_augment(x: Images, p: float) -> Images:
    """Geometry and colour of ADA (Karras et al. 2020, arXiv 2006.06676, section 3), each change with probability p."""
    count = x.shape[0]

    def often(*values: Tensor) -> list[Tensor]:
        chosen = per_sample(lambda n: torch.rand(n, device=x.device), count) < p
        return [torch.where(chosen, value, torch.zeros_like(value)) for value in values]

    normal = per_sample(lambda n: torch.randn(5, n, device=x.device).T, count).T
    (log_scale,) = often(normal[0] * 0.2 * math.log(2))
    (angle,) = often((per_sample(lambda n: torch.rand(n, device=x.device), count) * 2 - 1) * math.pi / 8)
    shift_x, shift_y = often(normal[1] * 0.125 * 2, normal[2] * 0.125 * 2)
    scale, cos, sin = log_scale.exp(), angle.cos(), angle.sin()
    aspect = x.shape[3] / x.shape[2]  # both sides of the grid are 2 long, whatever the image's are
    rows = torch.stack(
        [
            torch.stack([scale * cos, -scale * sin / aspect, shift_x], 1),
            torch.stack([scale * sin * aspect, scale * cos, shift_y], 1),
        ],
        1,
    )
    x = F.grid_sample(
        x, F.affine_grid(rows, list(x.shape), align_corners=False), padding_mode="reflection", align_corners=False
    )
    brightness, contrast, saturation = (
        value[:, None, None, None]
        for value in (
            *often(normal[3] * 0.2),
            *often(normal[4] * 0.5 * math.log(2)),
            *often(per_sample(lambda n: torch.randn(n, device=x.device), count) * math.log(2)),
        )
    )
    x = x * contrast.exp() + brightness
    grey = x.mean(1, keepdim=True)
    return grey + (x - grey) * saturation.exp()
