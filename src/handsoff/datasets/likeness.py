"""Which photos are copies of others, by what they show: also after another encoder, size or quality.

A photo is known by its thumbnail: 16×16 grey means. Copies of a photo that were encoded anew differ by a few grey
levels in every cell, other photos of the same kind by far more in some.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.tensors import read_tensors, write_tensors

SEEN = "seen.safetensors"  # thumbnails of the photos that somebody learnt from, was chosen by, or was tested on
# Tensors in such a file: of photos whose labels were learnt from or chosen by, of tested ones, and of those that were
# learnt from with labels that a machine made.
NAME, TESTED, UNLABELLED = "thumbnails", "tested", "unlabelled"
SIDE = 16  # cells per side of a thumbnail
TOLERANCE = 8  # grey levels, in every cell: copies stay within 6, half of all other faces are 65 apart, docs/label.md
ROWS = 4096  # photos that are compared at once
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)

Thumbnails = UInt8[np.ndarray, "_n 16 16"]


def thumbnails(images: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n 16 16"]:
    """The mean grey of every cell of a 16×16 grid.

    Args:
        images: photos in the frame in which they are compared; all photos of one comparison must be framed alike.
    """
    rows, columns = (cells(side) for side in images.shape[1:3])
    small = [rows @ (image @ LUMA) @ columns.T for image in images]  # one by one: floats take four times the room
    return np.rint(np.reshape(small, (-1, SIDE, SIDE))).astype(np.uint8)


def cells(side: int) -> Float[np.ndarray, "16 side"]:
    """How the means of 16 equal stretches of a side are mixed of its pixels; a pixel may lie in two of them."""
    edges = np.linspace(0, side, SIDE + 1)[:, None]
    covered = np.clip(edges - np.arange(side), 0, 1)  # share of every pixel that lies before an edge
    return (np.diff(covered, axis=0) * (SIDE / side)).astype(np.float32)


def known(found: UInt8[np.ndarray, "n 16 16"], seen: Thumbnails) -> Bool[np.ndarray, " n"]:
    """Which photos are copies of seen ones, by their thumbnails: no cell differs by more than `TOLERANCE`.

    Pairs are sorted out by their Euclidean distance first, which is one matrix product.
    """
    one, other = (values.reshape(-1, SIDE**2).astype(np.float32) for values in (found, seen))
    furthest = (TOLERANCE + 1) ** 2 * SIDE**2  # 1 more than can be, for sums in float32 are not exact
    result = np.zeros(len(one), bool)
    lengths = np.square(other).sum(1)
    for start in range(0, len(one), ROWS):
        part = one[start : start + ROWS]
        squares = np.square(part).sum(1)[:, None] + lengths - 2 * part @ other.T
        near, pairs = np.nonzero(squares <= furthest)
        for first in range(0, len(near), ROWS):
            rows, columns = near[first : first + ROWS], pairs[first : first + ROWS]
            alike = np.abs(part[rows] - other[columns]).max(1) <= TOLERANCE
            result[start + rows[alike]] = True
    return result


def same_picture(image: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "_h _w 3"]) -> bool:
    """Whether two images show the same, whatever their size and encoder."""
    return bool(known(thumbnails(image[None]), thumbnails(other[None]))[0])


def save_seen(
    folder: Path,
    images: UInt8[np.ndarray, "n h w 3"],
    tested: UInt8[np.ndarray, "_m h w 3"] | None = None,
    unlabelled: UInt8[np.ndarray, "_k h w 3"] | None = None,
) -> None:
    """Write `seen.safetensors`: the thumbnails of photos, framed as whatever lies in the folder sees them.

    Args:
        folder: of a labeler or a model.
        images: photos whose labels it learnt from or was chosen by.
        tested: photos that it was tested on.
        unlabelled: photos that it learnt from with labels that a machine made.
    """
    found = {NAME: images, TESTED: tested, UNLABELLED: unlabelled}
    tensors = {name: torch.from_numpy(thumbnails(photos)) for name, photos in found.items() if photos is not None}
    write_tensors(folder / SEEN, tensors, sealed=True)


def add_seen(folder: Path, other: Path) -> None:
    """Add the thumbnails of another folder: whatever lies in the folder was made by what lies there, too.

    Raises:
        InputError: one of both files is missing or damaged.
    """
    both = [read_file(place / SEEN) for place in (folder, other)]
    names = [name for name in (NAME, TESTED, UNLABELLED) if any(name in found for found in both)]
    joined = {name: torch.cat([found[name] for found in both if name in found]) for name in names}
    write_tensors(folder / SEEN, joined, sealed=True)


def read_seen(folder: Path) -> Thumbnails:
    """The thumbnails of photos whose true labels served: to learn, to choose or to test.

    Raises:
        InputError: the file is missing or damaged.
    """
    return thumbnails_in(folder, NAME, TESTED)


def read_learnt(folder: Path) -> Thumbnails:
    """Those of photos that were learnt from, whoever labelled them, or chosen by.

    Raises:
        InputError: the file is missing or damaged.
    """
    return thumbnails_in(folder, NAME, UNLABELLED)


def thumbnails_in(folder: Path, *names: str) -> Thumbnails:
    found = read_file(folder / SEEN)
    return np.concatenate([found[name].numpy() for name in names if name in found])


def write_thumbnails(file: Path, found: Thumbnails) -> None:
    write_tensors(file, {NAME: torch.from_numpy(found)}, sealed=True)


def read_thumbnails(file: Path) -> Thumbnails:
    """What `write_thumbnails` wrote.

    Raises:
        InputError: it is missing or damaged.
    """
    return read_file(file)[NAME].numpy()


def read_file(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of such a file, each of thumbnails."""
    tensors = read_tensors(file)
    if NAME not in tensors or any(
        found.dtype != torch.uint8 or found.shape[1:] != (SIDE, SIDE) for found in tensors.values()
    ):
        raise InputError(f"{file} holds no thumbnails of photos: make the folder again.")
    return tensors
