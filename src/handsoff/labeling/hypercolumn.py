"""The hypercolumn without ever building it.

HandsOff (section 3.2) upsamples every feature map to the output size, concatenates, and applies an MLP to each pixel.
The first layer is linear and so is bilinear upsampling: W · upsample(concat f_i) = Σ upsample(W_i · f_i). So each block
is projected at its native size, blocks of one size are added there, and only the sums are upsampled.
"""

import itertools
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.images import Frame

Features = Sequence[Float[Tensor, "n _c _h _w"]]


def project(features: Features, weight: Float[Tensor, "o c"], size: Frame) -> Float[Tensor, "n o h w"]:
    """`weight` applied to the hypercolumn of `features` at `size` (H, W), exactly, in the features' precision."""
    total: Tensor | None = None
    start = sum(feature.shape[1] for feature in features)
    for native, group in reversed(list(by_size(features))):
        joined = group[0] if len(group) == 1 else torch.cat(group, 1)
        start -= joined.shape[1]
        projected = F.conv2d(joined, weight[:, start : start + joined.shape[1], None, None].to(joined.dtype))
        if native != size:
            projected = F.interpolate(projected, size=size, mode="bilinear", align_corners=False)
        total = projected if total is None else total + projected
    if total is None:
        raise ValueError("a hypercolumn needs at least one feature map")
    return total


def by_size(features: Features) -> Iterator[tuple[Frame, list[Tensor]]]:
    """Neighbouring maps of one native size (H, W)."""
    for size, group in itertools.groupby(features, key=lambda feature: (feature.shape[-2], feature.shape[-1])):
        yield size, list(group)


def sample(features: Features, places: Float[Tensor, "n p 2"]) -> Float[Tensor, "n p c"]:
    """The hypercolumn at a few places per image: bilinear reads of every native map, no upsampling.

    `places` are (x, y) in [-1, 1] with pixel centres inside (grid_sample's align_corners=False).
    """
    grid = places[:, :, None].float()  # in float32: grid_sample gives NaN in bfloat16 on CPUs
    columns = [F.grid_sample(feature.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)[..., 0] for feature in features]
    return torch.cat(columns, 1).transpose(1, 2)


def pixel_places(rows: Tensor, columns: Tensor, size: Frame) -> Float[Tensor, "n p 2"]:
    """Centres of pixels (row, column) of an image of `size` in `sample`'s coordinates."""
    x = (columns.float() + 0.5) / size[1] * 2 - 1
    y = (rows.float() + 0.5) / size[0] * 2 - 1
    return torch.stack([x, y], -1)


def materialised(features: Features, size: Frame) -> Float[Tensor, "n c h w"]:
    """The published form, for tests and benchmarks only: every map at full size, concatenated."""
    return torch.cat([F.interpolate(feature, size=size, mode="bilinear", align_corners=False) for feature in features], 1)
