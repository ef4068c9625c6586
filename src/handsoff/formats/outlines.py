"""Masks as outlines: polygons along the borders between pixels, with corners at whole numbers.

The reverse of `shapes.polygon_mask`: a polygon made here covers exactly the pixels that it was made from.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

Path = Int64[np.ndarray, "_n 2"]  # (x, y) of successive corners; the last is joined to the first

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


def polygons(mask: Bool[np.ndarray, "h w"]) -> list[Path]:
    """One polygon per part of `components`; an edge followed forth and back joins a hole to the border above it."""
    borders = borders_of(mask)
    # Per path: index in it → the path of the hole that is joined there.
    joins: list[dict[int, Path]] = [{} for _ in borders.paths]
    whole = list(borders.paths)
    # From below: a hole is complete before it is joined to the border above.
    for index in sorted(range(len(whole)), key=lambda index: -int(borders.paths[index][:, 1].min())):
        whole[index] = joined(borders.paths[index], joins[index])
        if (above := borders.above[index]) is not None:
            joins[above[0]][above[1]] = whole[index]
    return [corners(path) for path, above in zip(whole, borders.above, strict=True) if above is None]


def joined(path: Path, joins: dict[int, Path]) -> Path:
    """The path with the paths of its holes inserted."""
    pieces, done = [], 0
    for index, hole in sorted(joins.items(), key=lambda join: join[0]):
        pieces += [path[done : index + 1], hole, hole[:1]]
        done = index
    return np.concatenate([*pieces, path[done:]])


def corners(path: Path) -> Path:
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
