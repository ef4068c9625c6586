"""What an affine map of the image does to what lies on it: maps of values, and points."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.images import Frame

Maps = Shaped[np.ndarray, "n h w *c"]


def moved_maps(maps: Maps, theta: Float[Tensor, "n 2 3"], outside: float) -> Maps:
    """Every map under its map of `theta` (as `affine_grid` wants it: output → input place), nearest neighbour."""
    rows, columns, inside = nearest(theta, (maps.shape[1], maps.shape[2]))
    found = maps[np.arange(len(maps))[:, None, None], rows, columns]
    found[~inside] = outside
    return found


def nearest(theta: Float[Tensor, "n 2 3"], frame: Frame) -> tuple[Int64[np.ndarray, "n h w"], Int64[np.ndarray, "n h w"], Bool[np.ndarray, "n h w"]]:
    """For every output pixel the row and column of the input pixel it shows, and whether there is one."""
    height, width = frame
    grid = F.affine_grid(theta.float(), [len(theta), 1, height, width], align_corners=False).cpu()
    columns = torch.round(((grid[..., 0] + 1) * width - 1) / 2).long()
    rows = torch.round(((grid[..., 1] + 1) * height - 1) / 2).long()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return rows.clamp(0, height - 1).numpy(), columns.clamp(0, width - 1).numpy(), inside.numpy()


def moved_points(points: Float[np.ndarray, "n k 2"], theta: Float[Tensor, "n 2 3"], frame: Frame) -> Float[np.ndarray, "n k 2"]:
    """Points (x, y) in pixels, the first pixel's centre at 0, where the map of `theta` takes them."""
    size = np.array([frame[1], frame[0]], np.float64)
    places = (points + 0.5) / size * 2 - 1
    matrix = theta.double().cpu().numpy()
    back = np.linalg.inv(matrix[:, :, :2])
    moved = np.einsum("nij,nkj->nki", back, places - matrix[:, None, :, 2])
    return ((moved + 1) / 2 * size - 0.5).astype(points.dtype)
