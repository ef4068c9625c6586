"""The shapes in LabelMe's files: labels, types and pixels of one entry."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import decode_mask
from handsoff.formats.drawn import coordinates, ellipse_mask, json_objects
from handsoff.formats.shapes import polygon_mask

REGIONS = ("polygon", "rectangle", "oriented_rectangle", "circle", "mask")


def shapes_of(entry: Mapping[str, Any], where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every shape and where it stands; each has a label.

    Raises:
        InputError: `shapes` is not a list of objects, or a shape has no label.
    """
    for index, shape in enumerate(json_objects(entry.get("shapes"), f"{where}: shapes")):
        location = f"{where}: shapes[{index}]"
        if not isinstance(shape.get("label"), str) or not shape["label"].strip():
            raise InputError(f"{location} has no label: give it one or remove it.")
        yield shape, location


def shape_type(shape: Mapping[str, Any], where: str) -> str:
    """The type of a shape; old files leave out that of polygons.

    Raises:
        InputError: the type is neither a region nor a point, as a line is not.
    """
    kind = shape.get("shape_type") or "polygon"
    if kind not in (*REGIONS, "point"):
        raise InputError(
            f"{where} is of the type {kind!r}, which neither covers pixels nor is a point: draw a polygon instead, "
            "or remove it."
        )
    return str(kind)


def region(shape: Mapping[str, Any], size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """The pixels that a shape covers.

    Raises:
        InputError: the points do not fit the type: too few, or not finite.
    """
    kind = shape_type(shape, where)
    corners = coordinates(shape.get("points"), f"{where}.points", 2 if kind in {"rectangle", "circle", "mask"} else 3)
    if kind == "mask":
        return boxed_mask(shape.get("mask"), corners, size, where)
    if kind == "circle":
        radius = float(np.hypot(*(corners[1] - corners[0])))
        return ellipse_mask((float(corners[0, 0]), float(corners[0, 1])), (radius, radius), 0, size)
    if kind == "rectangle":
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return polygon_mask([corners], size, where)


def boxed_mask(text: Any, corners: np.ndarray, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """A mask that is a PNG in base64; its two points are its pixels at the upper left and the lower right.

    Raises:
        InputError: the mask is not a PNG in base64, does not fit its points, or lies outside of the image.
    """
    if not isinstance(text, str):
        raise InputError(f"{where} is of the type 'mask' and has none: draw it again or remove it.")
    mask = decode_mask(decoded(text, f"{where}.mask"), f"{where}.mask", 1) > 0
    left, top = (int(side) for side in np.floor(corners.min(0)))
    height, width = mask.shape
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise InputError(
            f"{where} has a mask of {width}x{height} pixels at {left}, {top}, beyond the image of "
            f"{size[1]}x{size[0]}: draw it again."
        )
    if np.abs(np.floor(corners.max(0)) - [left + width - 1, top + height - 1]).max() > 1:
        raise InputError(
            f"{where} has a mask of {width}x{height} pixels that does not fit its two points: draw it again."
        )
    found = np.zeros(size, bool)
    found[top : top + height, left : left + width] = mask
    return found


def decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InputError(f"{where} is not base64: save the file again.") from None
