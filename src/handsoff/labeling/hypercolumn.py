"""The hypercolumn without ever building it.

HandsOff (section 3.2) upsamples every feature map to the output size, concatenates, and applies an MLP to each pixel.
The first layer is linear and so is bilinear upsampling: W · upsample(concat f_i) = Σ upsample(W_i · f_i). So each map
is projected at its native size, and only what a tile of the output needs of it is upsampled, for all maps by one matrix
product.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.frames import Frame

TILE = 64  # side of a tile in pixels, times the bytes of a number: what is worked on at once stays in a CPU's caches
KEPT = 2**24  # numbers: smaller projected maps are made at once, of larger ones the rows that the current tiles need

Features = Sequence[Float[Tensor, "n _c _h _w"]]
Map = Float[Tensor, "_c _h _w"]
Tile = tuple[slice, slice]  # rows and columns of the output


@dataclass(frozen=True)
class Axis:
    """How one side of the output is upsampled from that of a map, tile by tile.

    Attributes:
        starts: tile → the first row (or column) of the map that it needs.
        needed: how many.
        kinds: tile → which of the mixtures is its.
        mixtures: how a tile's own rows are mixed of those; most tiles share one.
    """

    starts: list[int]
    needed: int
    kinds: list[int]
    mixtures: Float[Tensor, "t side k"]


def axis_of(native: int, size: int, side: int, device: torch.device) -> Axis:
    """Bilinear upsampling (align_corners=False) from `native` to `size`, in tiles of `side`."""
    column = F.interpolate(torch.eye(native, device=device)[None], size=size, mode="linear", align_corners=False)[0].T
    tiles = column.unflatten(0, (-1, side))
    used = tiles.any(1).int()
    first, last = used.argmax(1), native - used.flip(1).argmax(1)
    needed = int((last - first).max())
    starts = first.clamp(max=native - needed)
    places = starts[:, None] + torch.arange(needed, device=device)
    mixtures, kinds = tiles.gather(2, places[:, None].expand(-1, side, -1)).unique(dim=0, return_inverse=True)
    return Axis(starts.tolist(), needed, kinds.tolist(), mixtures)


@dataclass(frozen=True)
class Grid:
    """How the tiles of the output are upsampled from a map: the same for every image."""

    rows: Axis
    columns: Axis
    made: dict[tuple[int, int, torch.dtype], Tensor]

    def mixture(self, row: int, column: int, dtype: torch.dtype) -> Float[Tensor, "p k"]:
        """How the pixels of a tile, row by row, are mixed of those of the map that it needs."""
        kind = self.rows.kinds[row], self.columns.kinds[column], dtype
        if kind not in self.made:
            down, across = self.rows.mixtures[kind[0]], self.columns.mixtures[kind[1]]
            self.made[kind] = (down[:, None, :, None] * across[None, :, None, :]).flatten(2).flatten(0, 1).to(dtype)
        return self.made[kind]


@functools.lru_cache(maxsize=64)
def grid_of(native: Frame, size: Frame, sides: Frame, device: torch.device) -> Grid:
    rows, columns = (axis_of(native[axis], size[axis], sides[axis], device) for axis in (0, 1))
    return Grid(rows, columns, {})


class Level:
    """One map, projected: all at once if that is small, else the rows of a line of tiles when they are needed."""

    def __init__(self, values: Map, weight: Float[Tensor, "o _c"], size: Frame, sides: Frame) -> None:
        self.pixels = values.permute(1, 2, 0)  # a view where channels come last in memory, as the generator leaves them
        self.weight = weight.T
        self.grid = grid_of((values.shape[1], values.shape[2]), size, sides, values.device)
        self.kept = self.pixels @ self.weight if len(weight) * values[0].numel() <= KEPT else None
        self.line = self.pixels[:0] @ self.weight

    def enter(self, row: int) -> None:
        """Make what the tiles of this line need."""
        part = slice(self.grid.rows.starts[row], self.grid.rows.starts[row] + self.grid.rows.needed)
        self.line = self.pixels[part] @ self.weight if self.kept is None else self.kept[part]

    def tile(self, row: int, column: int) -> tuple[Float[Tensor, "p k"], list[Float[Tensor, "_n o"]]]:
        """How the pixels of a tile of the entered line mix pixels of the map, and those, row by row."""
        start = self.grid.columns.starts[column]
        return self.grid.mixture(row, column, self.line.dtype), [
            pixels[start : start + self.grid.columns.needed] for pixels in self.line
        ]


def project_tiles(
    features: Sequence[Map], weight: Float[Tensor, "o c"], bias: Float[Tensor, " o"], size: Frame
) -> Iterator[tuple[Tile, Float[Tensor, "p o"]]]:
    """`weight` and `bias` applied to the hypercolumn of one image at every pixel of `size` (H, W), exactly.

    Computed in the precision of the `features`. The pixels come in tiles, row by row within each. Maps of the output's
    size are projected there, all others mixed from their own pixels.
    """
    if not features:
        raise ValueError("a hypercolumn needs at least one feature map")
    longest = TILE // features[0].element_size()
    sides = side_of(size[0], longest), side_of(size[1], longest)
    weight, bias = weight.to(features[0].dtype), bias[None].to(features[0].dtype)
    ones = features[0].new_ones(sides[0] * sides[1], 1)
    fine: list[tuple[Tensor, Tensor]] = []
    coarse: list[Level] = []
    start = 0
    for native, group in by_size(features):
        joined = group[0] if len(group) == 1 else torch.cat(group)
        part = weight[:, start : start + len(joined)]
        start += len(joined)
        if native == size:
            fine.append((joined.permute(1, 2, 0), part.T))
        else:
            coarse.append(Level(joined, part, size, sides))
    for row, top in enumerate(range(0, size[0], sides[0])):
        for level in coarse:
            level.enter(row)
        for column, left in enumerate(range(0, size[1], sides[1])):
            tile = slice(top, top + sides[0]), slice(left, left + sides[1])
            mixtures, pixels = zip((ones, [bias]), *(level.tile(row, column) for level in coarse), strict=True)
            total = torch.cat(mixtures, 1) @ torch.cat(list(itertools.chain.from_iterable(pixels)))
            for values, part in fine:
                total.addmm_(values[tile].flatten(0, 1), part)
            yield tile, total


def side_of(size: int, longest: int) -> int:
    """The largest side of a tile that divides a side of the output."""
    return max(side for side in range(1, longest + 1) if size % side == 0)


def by_size(features: Sequence[Map]) -> Iterator[tuple[Frame, list[Tensor]]]:
    """Neighbouring maps of one native size (H, W)."""
    for size, group in itertools.groupby(features, key=lambda feature: (feature.shape[-2], feature.shape[-1])):
        yield size, list(group)


def sample(features: Features, places: Float[Tensor, "n p 2"]) -> Float[Tensor, "n p c"]:
    """The hypercolumn at a few places per image: bilinear reads of every native map, no upsampling.

    `places` are (x, y) in [-1, 1] with pixel centres inside (grid_sample's align_corners=False).
    """
    grid = places[:, :, None].float()  # in float32: grid_sample gives NaN in bfloat16 on CPUs
    parts = [
        F.grid_sample(feature.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)[..., 0]
        for feature in features
    ]
    return torch.cat(parts, 1).transpose(1, 2)


def pixel_places(rows: Tensor, columns: Tensor, size: Frame) -> Float[Tensor, "n p 2"]:
    """Centres of pixels (row, column) of an image of `size` in `sample`'s coordinates."""
    x = (columns.float() + 0.5) / size[1] * 2 - 1
    y = (rows.float() + 0.5) / size[0] * 2 - 1
    return torch.stack([x, y], -1)


def materialised(features: Features, size: Frame) -> Float[Tensor, "n c h w"]:
    """The published form, for tests and benchmarks only: every map at full size, concatenated."""
    return torch.cat(
        [F.interpolate(feature, size=size, mode="bilinear", align_corners=False) for feature in features], 1
    )
