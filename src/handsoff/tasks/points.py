"""Points as datasets state them: read and checked."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame

LEAST_SIGMA = 0.5  # pixels: a narrower heat map falls between them


def read_points(data: Any, where: str, size: Frame, count: int) -> Float[np.ndarray, "k 3"]:
    """The points of an image of `size` as stored: [x, y] or [x, y, visibility] each.

    Without visibility, a point up to half an image outside counts as cut off; with it, a seen point must lie inside.

    Raises:
        InputError: they are not `count` such points.
    """
    points = stored_points(data, where)
    if len(points) != count:
        raise InputError(
            f"{where} has {len(points)} points, the others have {count}: give all of them, with visibility 0 "
            f"for what is not there."
        )
    stated = points.shape[1] == 3  # noqa: PLR2004  # as above
    points = points if stated else np.column_stack([points, np.full(len(points), 2.0)])
    seen = points[:, 2] > 0
    broken = ~np.isfinite(points).all(1) | ~np.isin(points[:, 2], (0, 1, 2))
    if broken.any():
        raise InputError(
            f"{where}: point {int(broken.argmax())} is {data[int(broken.argmax())]}: write finite pixels, and "
            f"visibility 0, 1 or 2."
        )
    far = seen & ~within(points, size, 0.0 if stated else 0.5)
    if far.any():
        index = int(far.argmax())
        remedy = "correct it, or give it visibility 0"
        raise InputError(
            f"{where}: point {index} at {points[index, 0]:g}, {points[index, 1]:g} lies outside the image of "
            f"{size[1]}x{size[0]} pixels: {remedy}."
        )
    points[~within(points, size), 2] = 0
    return points.astype(np.float32)


def stored_points(data: Any, where: str) -> Float[np.ndarray, "k _c"]:
    """The numbers of points, a row each, whatever they are.

    Raises:
        InputError: they are not written as [x, y] or [x, y, visibility].
    """
    points = numbers(data)
    if points.ndim == 2 and points.shape[1] in (2, 3):  # noqa: PLR2004  # x, y and perhaps visibility
        return points
    flat = points.ndim == 1 and len(points) > 0 and len(points) % 3 == 0
    remedy = "group its numbers by three, [[x, y, visibility], …]" if flat else "correct it"
    raise InputError(f"{where} is not a list of [x, y] or [x, y, visibility]: {remedy}.")


def numbers(data: object) -> Float[np.ndarray, "*_"]:
    """JSON lists as an array; empty where they are not lists of numbers."""
    try:
        found = np.array(data)
    except ValueError:  # lists of several lengths
        return np.empty(0)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return found.astype(np.float32) if found.dtype.kind in "iuf" else np.empty(0)


def within(points: Float[np.ndarray, "*n k 3"], frame: Frame, margin: float = 0.0) -> Shaped[np.ndarray, "*n k"]:
    """Which points lie on the image, or beside it by up to `margin` of its sides."""
    side = np.array([frame[1], frame[0]])
    places = points[..., :2] + 0.5
    return np.asarray(((places >= -margin * side) & (places <= (1 + margin) * side)).all(-1))


def refuse_indices(schema: dict[str, Any], count: int, places: Mapping[str, str]) -> None:
    """Check what `points.json` and the user say about single points; `places` says where each of it stands.

    Raises:
        InputError: mirror, scale or sigma has another form, or names a point that does not exist.
    """
    for name in ("mirror", "scale"):
        groups, where = schema.get(name), places[name]
        if groups is None:
            continue
        shaped = isinstance(groups, list) and all(isinstance(group, list) and group for group in groups)
        pairs = shaped and (all(len(group) == 2 for group in groups) if name == "mirror" else len(groups) == 2)  # noqa: PLR2004  # two change places; two ends
        listed = [index for group in groups for index in group] if pairs else []
        twice = name == "mirror" and len(set(map(str, listed))) < len(listed)
        if name == "scale" and pairs and {*map(str, groups[0])} == {*map(str, groups[1])}:
            raise InputError(f"{where}: scale has the same points twice, and no distance: name two different groups.")
        if not pairs or twice or not all(isinstance(index, int) and 0 <= index < count for index in listed):
            form = (
                "[[0, 1], …]: pairs of points that change places"
                if name == "mirror"
                else "[[0, …], [1, …]]: two groups of points"
            )
            raise InputError(f"{where}: {name} must be written {form}, counted from 0 to {count - 1}.")
    sigma = schema.get("sigma")
    if sigma is not None and not (isinstance(sigma, int | float) and LEAST_SIGMA <= sigma <= sys.float_info.max):
        raise InputError(f"{places['sigma']}: sigma = {sigma} must be a number of pixels, at least {LEAST_SIGMA}.")
