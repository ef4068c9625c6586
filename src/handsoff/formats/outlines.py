"""Masks as outlines: polygons along the borders between pixels.

The reverse of `shapes.polygon_mask`: a polygon made here covers exactly the pixels that it was made from.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

Path = Int64[np.ndarray, "_n 2"]  # (x, y) of successive corners; the last is joined to the first
Polygon = Float64[np.ndarray, "_n 2"]
INSET = 0.01  # pixels; see `polygons`

# Right, down, left, up: from one to the next is a turn to the right.
STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
RIGHT = 0
# Turns where borders meet, the preferred first: right, around the same pixel, so that parts do not touch at corners.
TURNS = np.array([1, 0, 3])


@dataclass(frozen=True)
class Borders:
    """All borders of a mask, directed so that the mask lies on their right.

    Attributes:
        paths: all points with whole coordinates on each border; a hole's path begins at the left end of a topmost edge.
        above: for a hole, the border straight above the path's beginning and the index in that border's path; None for
            an outer border.
    """

    paths: list[Path]
    above: list[tuple[int, int] | None]


def components(mask: Bool[np.ndarray, "h w"]) -> list[list[Path]]:
    """Per connected part (by sides, not corners): the corners of its outer border, then those of its holes.

    Parts come in the order of their first pixels, row by row.
    """
    borders = borders_of(mask)
    outer = [index for index, above in enumerate(borders.above) if above is None]
    parts = {index: [corners(borders.paths[index])] for index in outer}
    for index in range(len(borders.paths)):
        owner = index
        while (above := borders.above[owner]) is not None:
            owner = above[0]
        if owner != index:
            parts[owner].append(corners(borders.paths[index]))
    return list(parts.values())


def polygons(mask: Bool[np.ndarray, "h w"]) -> list[Polygon]:
    """One polygon per part of `components`; an edge followed forth and back joins a hole to the border above it.

    Every side lies `INSET` inside the part. Tools that drop the decimals of corners and then paint the sides too
    (Ultralytics, supervision) thus paint exactly the part's pixels. Tools that fill areas do so as well: they count
    fifths of a pixel (pycocotools) or the pixels' middles.
    """
    borders = borders_of(mask)
    # Per path: index in it → the way to the hole that is joined there, around it and back.
    joins: list[dict[int, Polygon]] = [{} for _ in borders.paths]
    whole = [inside(path) for path in borders.paths]
    # From below: a hole is complete before it is joined to the border above.
    for index in sorted(range(len(whole)), key=lambda index: -int(borders.paths[index][:, 1].min())):
        whole[index] = joined(whole[index], joins[index])
        if (above := borders.above[index]) is not None:
            start, end = borders.paths[above[0]][above[1]] + INSET, borders.paths[index][0] + [INSET, -INSET]
            joins[above[0]][above[1]] = np.concatenate([[start, end], whole[index], [end, start]])
    return [corners(path) for path, above in zip(whole, borders.above, strict=True) if above is None]


def inside(path: Path) -> Polygon:
    """The path moved `INSET` to its right, where the mask lies; its points must be one pixel apart."""
    ways = np.roll(path, -1, 0) - path
    right = ways[:, ::-1] * [-1, 1]
    return path + INSET * np.clip(right + np.roll(right, 1, 0), -1, 1)


def joined(path: Polygon, joins: dict[int, Polygon]) -> Polygon:
    """The path with the ways to its holes inserted."""
    pieces, done = [], 0
    for index, way in sorted(joins.items(), key=lambda join: join[0]):
        pieces += [path[done : index + 1], way]
        done = index + 1
    return np.concatenate([*pieces, path[done:]])


def corners(path: Shaped[np.ndarray, "_n 2"]) -> Shaped[np.ndarray, "_m 2"]:
    """The points of the path where it changes direction."""
    ways = np.sign(np.roll(path, -1, 0) - path)
    return path[(ways != np.roll(ways, 1, 0)).any(1)]


def borders_of(mask: Bool[np.ndarray, "h w"]) -> Borders:
    """All borders, the outer ones in the order of their parts' first pixels."""
    columns = mask.shape[1] + 1
    edges, onward = edges_of(mask)
    ways, starts = np.divmod(edges, (mask.shape[0] + 1) * columns)
    xy = np.column_stack([starts % columns, starts // columns])
    paths: list[Path] = []
    owner, position = np.full(len(edges), -1), np.zeros(len(edges), np.int64)
    begins: list[tuple[int, int] | None] = []
    for loop in loops_of(onward, int((ways == RIGHT).sum())):
        highest = int(np.flatnonzero((xy[loop, 1] == xy[loop, 1].min()) & (ways[loop] % 2 == 0))[0])
        hole = ways[loop[highest]] != RIGHT
        walked = np.roll(loop, -highest - 1) if hole else loop
        owner[walked], position[walked] = len(paths), np.arange(len(walked))
        paths.append(xy[walked])
        begins.append((int(paths[-1][0, 0]), int(paths[-1][0, 1])) if hole else None)
    above: list[tuple[int, int] | None] = []
    for begin in begins:
        if begin is None:
            above.append(None)
            continue
        gaps = np.flatnonzero(~mask[: begin[1], begin[0]])
        top = int(gaps[-1]) + 1 if len(gaps) else 0
        edge = np.searchsorted(edges, top * columns + begin[0])
        above.append((int(owner[edge]), int(position[edge])))
    return Borders(paths, above)


def edges_of(mask: Bool[np.ndarray, "h w"]) -> tuple[Int64[np.ndarray, " e"], Int64[np.ndarray, " e"]]:
    """The unit edges between mask and rest, sorted, and for each the index of the edge that follows it.

    An edge is coded as direction · (number of grid points) + the grid point it starts from.
    """
    padded = np.pad(mask, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    leaving = np.stack([se & ~ne, sw & ~se, nw & ~sw, ne & ~nw]).ravel()
    count = nw.size
    edges = np.flatnonzero(leaving)
    ways, starts = np.divmod(edges, count)
    ends = starts + (STEPS @ [1, nw.shape[1]])[ways]
    choices = (ways[:, None] + TURNS) % len(STEPS) * count + ends[:, None]
    chosen = np.take_along_axis(choices, leaving[choices].argmax(1)[:, None], 1)[:, 0]
    return edges, np.searchsorted(edges, chosen)


def loops_of(onward: Int64[np.ndarray, " e"], starts: int) -> list[Int64[np.ndarray, " _n"]]:
    """The cycles of a permutation, each from its first element; every one has an element below `starts`."""
    after = onward.tolist()
    seen = bytearray(len(after))
    loops = []
    for start in range(starts):
        loop, edge = [], start
        while not seen[edge]:
            seen[edge] = 1
            loop.append(edge)
            edge = after[edge]
        if loop:
            loops.append(np.array(loop))
    return loops
