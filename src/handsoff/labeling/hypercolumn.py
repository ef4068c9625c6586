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

from handsoff.core.frames import Frame

BAND = 2**25  # numbers worked on at once: 64 MB in bfloat16

Features = Sequence[Float[Tensor, "n _c _h _w"]]


def project_bands(features: Features, weight: Float[Tensor, "o c"], size: Frame) -> Iterator[Float[Tensor, "n o _h w"]]:
    """`weight` applied to the hypercolumn of `features` at `size` (H, W), exactly, in the features' precision.

    It comes in bands of rows from top to bottom, each small enough to be worked on in little memory. Maps that are small themselves
    are projected once, the others band by band with one row more on each side.
    """
    if not features:
        raise ValueError("a hypercolumn needs at least one feature map")
    outputs, count = weight.shape[0], features[0].shape[0]
    maps: list[tuple[Tensor, Tensor | None]] = []  # map, and the weight that is still to be applied
    start = 0
    for native, group in by_size(features):
        joined = group[0] if len(group) == 1 else torch.cat(group, 1)
        part = weight[:, start : start + joined.shape[1], None, None].to(joined.dtype)
        start += joined.shape[1]
        if size[0] % native[0] or size[1] % native[1]:  # pretrained features of odd frames: no band of theirs falls on whole rows
            maps.append((F.interpolate(F.conv2d(joined, part), size=size, mode="bilinear", align_corners=False), None))
        elif count * outputs * native[0] * native[1] <= BAND:
            maps.append((F.conv2d(joined, part), None))
        else:
            maps.append((joined, part))
    rows = max(1, BAND // (count * outputs * size[1]))
    for top in range(0, size[0], rows):
        yield sum_of(upsampled(values, part, size, top, min(top + rows, size[0])) for values, part in reversed(maps))


def sum_of(parts: Iterator[Tensor]) -> Tensor:
    total = next(parts)
    for part in parts:
        total = total + part
    return total


def upsampled(values: Float[Tensor, "n _c _h _w"], weight: Float[Tensor, "o _c 1 1"] | None, size: Frame, top: int, bottom: int) -> Float[Tensor, "n _o _r w"]:
    """Rows `top` to `bottom` of the map, projected by `weight` and upsampled to `size`."""
    scale = size[0] // values.shape[2]
    first = max(top // scale - 1, 0) if scale > 1 else top
    last = min(-(-bottom // scale) + 1, values.shape[2]) if scale > 1 else bottom
    band = values[:, :, first:last]
    if weight is not None:
        band = F.conv2d(band, weight)
    if band.shape[3] != size[1] or scale > 1:
        band = F.interpolate(band, size=((last - first) * scale, size[1]), mode="bilinear", align_corners=False)
        band = band[:, :, top - first * scale : bottom - first * scale]
    return band


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
