"""Surface normals: unit vectors (x right, y up, z towards the camera), their colours in files, and depth's normals."""

import numpy as np
from jaxtyping import Float, UInt8

from handsoff.core.errors import InputError

Colours = UInt8[np.ndarray, "*n h w 3"]  # (vector + 1) / 2 · 255, black = not known
Vectors = Float[np.ndarray, "*n h w 3"]
NO_DIRECTION = 0.1  # shorter vectors are the zero vector in 8 bits, mid-grey: tools write it where nothing is known


def coloured(colours: Colours, where: str) -> Colours:
    """The colours, black where they say the zero vector, unless all are grey: then the file is no map of normals.

    Raises:
        InputError: they are grey.
    """
    if colours.any() and (colours == colours[..., :1]).all():
        raise InputError(f"{where} is grey, and normals are colours, (vector + 1) / 2 · 255: export it again.")
    lengths = np.linalg.norm(colours / 127.5 - 1, axis=-1, keepdims=True)
    return np.where(lengths < NO_DIRECTION, np.uint8(0), colours)


def vectors(colours: Colours) -> Vectors:
    """Colours → unit vectors, 0 where not known."""
    raw = colours.astype(np.float64) / 255 * 2 - 1
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    return np.where((colours > 0).any(-1, keepdims=True), raw / np.maximum(length, 1e-6), 0.0)


def to_colours(unit: Vectors) -> Colours:
    """Unit vectors → colours; vectors of length 0 → black."""
    colours = np.clip(np.rint((unit + 1) / 2 * 255), 0, 255).astype(np.uint8)
    return np.where((np.abs(unit) > 0).any(-1, keepdims=True), colours, 0).astype(np.uint8)


def from_depth(depth: Float[np.ndarray, "h w"], focal: float) -> Float[np.ndarray, "h w 3"]:
    """Normals of a depth map seen by a pinhole camera: the cross product of the surface's two slopes.

    Args:
        depth: in any unit, 0 = not known.
        focal: focal length in image widths.

    Returns:
        Unit vectors; 0 where depth is not known, and beside it.
    """
    height, width = depth.shape
    f = focal * width
    z = np.where(depth > 0, depth, np.nan).astype(np.float64)
    y, x = np.mgrid[:height, :width]
    points = np.stack([(x - (width - 1) / 2) * z / f, -(y - (height - 1) / 2) * z / f, -z], -1)
    across, down = (
        np.gradient(points, axis=axis) if points.shape[axis] > 1 else np.full_like(points, np.nan) for axis in (1, 0)
    )
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    found = np.isfinite(length) & (length > 0) & (depth > 0)[..., None]
    return np.where(found, normal / np.where(length > 0, length, 1.0), 0.0)
