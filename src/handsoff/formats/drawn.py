"""What the formats of drawing tools share: regions painted over each other, and points with names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import MAX_PIXELS, Frame
from handsoff.core.images import IGNORE
from handsoff.formats.shapes import Palette, palette
from handsoff.tasks.base import Task
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.points import read_points

IGNORED = frozenset({"ignore", "__ignore__"})  # labels of regions whose pixels are ignored

Coordinates = Float[np.ndarray, "_n 2"]  # (x, y) in pixels, edges of pixels at whole numbers


def json_object(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is a JSON object.

    Raises:
        InputError: the value is not a JSON object.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a JSON object: export it again.")
    return value


def json_objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Check that a value is a list of JSON objects.

    Raises:
        InputError: the value is not a list, or an entry is not a JSON object.
    """
    if not isinstance(value, list):
        raise InputError(f"{where} is not a list: export it again.")
    return [json_object(entry, f"{where}[{index}]") for index, entry in enumerate(value)]


def coordinates(value: Any, where: str, least: int) -> Coordinates:
    """Pairs of numbers as an array.

    Raises:
        InputError: the value is not a list of finite pairs, or has fewer than `least`.
    """
    try:
        found = np.array(value, np.float64) if isinstance(value, list) else np.empty(0)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    fits = found.ndim == 2 and found.shape[1] == 2 and len(found) >= least  # noqa: PLR2004  # pairs
    if not fits or not (np.abs(found) <= MAX_PIXELS).all():  # which NaN fails too
        raise InputError(f"{where} is not a list of at least {least} finite [x, y]: correct or remove it.")
    return found


def numbers(value: Mapping[str, Any], keys: Sequence[str], where: str) -> list[float]:
    """The numbers of a JSON object under these keys.

    Raises:
        InputError: a number is missing or not finite.
    """
    found = [value.get(key) for key in keys]
    for key, number in zip(keys, found, strict=True):
        if not isinstance(number, int | float) or isinstance(number, bool) or not abs(number) <= MAX_PIXELS:
            raise InputError(f"{where}: {key} is {str(number)[:40]} instead of a number: correct or remove it.")
    return [float(number) for number in found if number is not None]


def rotated(offsets: Coordinates, degrees: float) -> Coordinates:
    """Offsets rotated clockwise around (0, 0), as seen on the screen."""
    angle = np.deg2rad(degrees)
    return offsets @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def ellipse_mask(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float, size: Frame
) -> Bool[np.ndarray, "h w"]:
    """The pixels whose centres lie in an ellipse that is rotated clockwise; one without an area covers none."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    offsets = rotated(np.stack([x - centre[0], y - centre[1]], -1).reshape(-1, 2), -degrees)
    edge = (radii[0] * radii[1]) ** 2
    inside = (offsets[:, 0] * radii[1]) ** 2 + (offsets[:, 1] * radii[0]) ** 2 <= edge
    return (inside & (edge > 0)).reshape(size)


def check_stated_size(height: Any, width: Any, size: Frame, where: str) -> None:
    """Check the size that annotations give for their image, if they give one.

    Raises:
        InputError: the image has another size.
    """
    if (size[0] if height is None else height, size[1] if width is None else width) != size:
        stated = f"height {str(height)[:20]} and width {str(width)[:20]}"
        raise InputError(
            f"{where} states {stated}, its image has {size[0]} and {size[1]} (upright): correct one of them."
        )


def region_palette(names: Iterable[str], where: str, stated: Sequence[str] | None = None) -> Palette:
    """The classes of regions with these labels; labels of ignored regions are no classes."""
    return palette([name for name in names if name.lower() not in IGNORED or name in (stated or ())], where, stated)


def paint_mask(
    regions: Iterable[tuple[str, Bool[np.ndarray, "h w"]]],
    classes: Palette,
    size: Frame,
    where: str,
    boxes: Iterable[Bool[np.ndarray, "h w"]] = (),
) -> UInt8[np.ndarray, "h w"]:
    """The mask of labelled regions; later regions cover earlier ones.

    Args:
        regions: label and pixels of each.
        classes: what the labels mean.
        size: of the mask.
        where: the image's annotations, for error messages.
        boxes: of objects without an outline. What no region covers there is ignored: object and background in one.

    Raises:
        InputError: a region's label is no class.
    """
    mask = classes.blank(size)
    for box in boxes:
        mask[box] = IGNORE
    for label, region in regions:
        ignored = label.lower() in IGNORED and label not in classes.classes
        mask[region] = IGNORE if ignored else classes.id(label, where)
    return mask


def drawn_tasks(classes: Palette | None, points: Keypoints | None) -> dict[str, Task]:
    """The tasks of a dataset with regions, points, or both."""
    regions = {} if classes is None else {"segmentation": classes.task()}
    return regions if points is None else {**regions, points.name: points}


def point_names(labels: Mapping[str, Sequence[str]], *, regions: bool) -> list[str]:
    """The names of the points of a dataset, sorted.

    Empty where a name comes twice in an image and there are regions: the points are then no keypoints.

    Args:
        labels: where an image's annotations stand → the labels of its points.
        regions: whether the dataset has labelled regions.

    Raises:
        InputError: a name comes twice in an image, and there are no regions.
    """
    for where, names in labels.items():
        twice = next((name for name in names if list(names).count(name) > 1), None)
        if twice is not None and regions:
            return []
        if twice is not None:
            raise InputError(f"{where} has the point {twice!r} twice: keypoints need names that occur once per image.")
    return sorted({name for names in labels.values() for name in names})


def point_label(
    task: Keypoints, found: Mapping[str, tuple[float, float, int]], where: str, size: Frame
) -> Float[np.ndarray, "k 3"]:
    """The label of an image from name → (x, y, visibility), edges of pixels at whole numbers.

    A point that is missing gets visibility 0: it is not in the image.

    Raises:
        InputError: a point of visibility 1 or 2 lies outside of the image.
    """
    listed = [found.get(name, (0.5, 0.5, 0)) for name in task.parts]
    return read_points([[x - 0.5, y - 0.5, seen] for x, y, seen in listed], where, size, task.channels)
