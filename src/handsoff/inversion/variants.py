"""Slightly different views of a labelled photo, so that a few photos give more codes."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.images import IGNORE
from handsoff.downstream.augment import mirrored_ids


def moved(
    images: Float[Tensor, "n 3 h w"], masks: UInt8[np.ndarray, "n h w"], classes: Sequence[str], seed: int
) -> tuple[Float[Tensor, "n 3 h w"], UInt8[np.ndarray, "n h w"]]:
    """Turn by up to 6°, zoom by up to 8 %, shift by up to 4 %; every second one mirrored; masks move along (255 outside).

    In the mirror, classes whose names differ in left and right change places.
    """
    count = len(images)
    uniform = torch.rand(4, count, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    angle, zoom = uniform[0] * 0.105, (uniform[1] * 0.08).exp()
    flip = torch.where(torch.arange(count) % 2 == seed % 2, -1.0, 1.0)
    cos, sin, shift = zoom * angle.cos(), zoom * angle.sin(), uniform[2:] * 0.08
    rows = [torch.stack([flip * cos, -sin, shift[0]], 1), torch.stack([flip * sin, cos, shift[1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid.to(images), mode="bilinear", padding_mode="reflection", align_corners=False)
    swapped = np.where((flip < 0).numpy()[:, None, None], mirrored_ids(list(classes)).numpy()[masks], masks)
    labels: Int64[Tensor, "n 1 h w"] = torch.from_numpy(swapped.astype(np.int64))[:, None]
    shifted = F.grid_sample((IGNORE - labels).float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return turned, (IGNORE - shifted[:, 0].round()).to(torch.uint8).numpy()
