"""What an affine map of the image does to what lies on it: maps of values, and points.

A map is either `theta`, as torch's `affine_grid` wants it (output → input position, both from -1 to 1), or a matrix
(2, 3) of input → output position in pixels, the edges of pixels at whole numbers.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from handsoff.core.frames import Frame

Maps = Shaped[np.ndarray, "n h w *c"]
Matrix = Float[np.ndarray, "2 3"]
TIE = 1e-6  # of a pixel: places on the border of two belong to the second, whatever was rounded on the way


def moved_maps(
    maps: Maps, theta: Float[Tensor, "n 2 3"], outside: float, frame: Frame | None = None
) -> Shaped[np.ndarray, "n fh fw *c"]:
    """Every map under its map of `theta`, nearest neighbour; as large as before unless `frame` says otherwise."""
    size = (maps.shape[1], maps.shape[2])
    rows, columns, inside = nearest(theta, size, frame or size)
    found = maps[np.arange(len(maps))[:, None, None], rows, columns]
    found[~inside] = outside
    return found


def nearest(
    theta: Float[Tensor, "n 2 3"], size: Frame, frame: Frame
) -> tuple[Int64[np.ndarray, "n h w"], Int64[np.ndarray, "n h w"], Bool[np.ndarray, "n h w"]]:
    """Row and column of the input pixel (of `size`) that each output pixel (of `frame`) shows; whether there is one."""
    matrix = theta.double().cpu().numpy()
    x, y = ((np.arange(side) + 0.5) / side * 2 - 1 for side in (frame[1], frame[0]))
    places = matrix[:, :, :1, None] * x + matrix[:, :, 1:2, None] * y[:, None] + matrix[:, :, 2:, None]
    columns, rows = (np.floor((places[:, axis] + 1) / 2 * size[1 - axis] + TIE).astype(np.int64) for axis in (0, 1))
    inside = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])
    return rows.clip(0, size[0] - 1), columns.clip(0, size[1] - 1), inside


def moved_points(
    points: Float[np.ndarray, "n k 2"], theta: Float[Tensor, "n 2 3"], frame: Frame, size: Frame | None = None
) -> Float[np.ndarray, "n k 2"]:
    """Where the map of `theta` takes points (x, y) of an image of `size` (without: of `frame`).

    In pixels, the first pixel's centre at (0, 0).
    """
    before, after = (np.array([side[1], side[0]], np.float64) for side in (size or frame, frame))
    places = (points + 0.5) / before * 2 - 1
    matrix = theta.double().cpu().numpy()
    back = np.linalg.inv(matrix[:, :, :2])
    moved = np.einsum("nij,nkj->nki", back, places - matrix[:, None, :, 2])
    return ((moved + 1) / 2 * after - 0.5).astype(points.dtype)


def theta_of(matrix: Matrix, size: Frame, frame: Frame) -> Float[Tensor, "1 2 3"]:
    """The `theta` of a matrix that takes an image of `size` to `frame`."""
    normal = [np.array([[2 / side[1], 0, -1], [0, 2 / side[0], -1], [0, 0, 1]]) for side in (size, frame)]
    whole = np.vstack([matrix, [0, 0, 1]])
    return torch.from_numpy((normal[0] @ np.linalg.inv(whole) @ np.linalg.inv(normal[1]))[None, :2])


def box_matrix(box: tuple[float, float, float, float], frame: Frame) -> Matrix:
    """The matrix that takes a box (left, top, right, bottom) to the whole frame."""
    left, top, right, bottom = box
    across, down = frame[1] / (right - left), frame[0] / (bottom - top)
    return np.array([[across, 0, -left * across], [0, down, -top * down]])
