"""The shapes in CVAT's XML: labels, pixels and points of one element."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Bool, Float

from handsoff.core.errors import InputError
from handsoff.core.frames import MAX_PIXELS, Frame
from handsoff.formats.drawn import ellipse_mask, rotated
from handsoff.formats.shapes import box_mask, polygon_mask

REGIONS = ("polygon", "mask", "ellipse")
BOX, POINTS, SKELETON, TAG = "box", "points", "skeleton", "tag"
NO_AREA = frozenset({"polyline", "cuboid"})
TRUE = frozenset({"1", "true", "True"})
Point = tuple[float, float, int]  # x, y, visibility; edges of pixels at whole numbers


def label_of(shape: Element, where: str) -> str:
    """The label of a shape.

    Raises:
        InputError: it has none.
    """
    label = shape.get("label", "").strip()
    if not label:
        raise InputError(f"{where} ({shape.tag}) has no label: export it again.")
    return label


def number(shape: Element, key: str, where: str, otherwise: str | None = None) -> float:
    """A number among the attributes of a shape.

    Raises:
        InputError: it is missing or not finite.
    """
    text = shape.get(key, otherwise)
    value = parsed(text or "")
    if not abs(value) <= MAX_PIXELS:  # which NaN fails too
        raise InputError(f"{where} ({shape.tag}): {key} is {str(text)[:40]!r} instead of a number: export it again.")
    return value


def parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def stack_order(placed: tuple[Element, str]) -> float:
    """Where a shape lies: greater ones cover smaller ones."""
    return number(placed[0], "z_order", placed[1], "0")


def locations(shape: Element, where: str, least: int) -> Float[np.ndarray, "_n 2"]:
    """The attribute `points`, "x,y;x,y;…".

    Raises:
        InputError: these are not at least so many pairs of finite numbers.
    """
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair.strip()]
    values = np.array([[parsed(value) for value in pair] for pair in pairs if len(pair) == 2])  # noqa: PLR2004  # x and y
    if len(values) < max(least, len(pairs)) or not (np.abs(values) <= MAX_PIXELS).all():
        raise InputError(f"{where} ({shape.tag}): points are not at least {least} pairs x,y;x,y: export it again.")
    return values


def region(shape: Element, where: str, size: Frame) -> Bool[np.ndarray, "h w"]:
    """The pixels of a polygon, a mask or an ellipse.

    Raises:
        InputError: the shape is damaged.
    """
    if shape.tag == "mask":
        return run_mask(shape, where, size)
    if shape.tag == "polygon":
        return polygon_mask([locations(shape, where, 3)], size, where)
    x, y, wide, high = (number(shape, key, where) for key in ("cx", "cy", "rx", "ry"))
    return ellipse_mask((x, y), (abs(wide), abs(high)), number(shape, "rotation", where, "0"), size)


def run_mask(shape: Element, where: str, size: Frame) -> Bool[np.ndarray, "h w"]:
    """A mask from run lengths of a part of the image, along its rows, the first of them not covered.

    Raises:
        InputError: the runs do not fill the part, or it leads out of the image.
    """
    left, top, width, height = (round(number(shape, key, where)) for key in ("left", "top", "width", "height"))
    texts = [text.strip() for text in shape.get("rle", "").split(",")]
    runs = [int(text) for text in texts if text.isdecimal() and len(text) <= len(str(MAX_PIXELS))]
    if min(left, top, width, height) < 0 or left + width > size[1] or top + height > size[0]:
        raise InputError(
            f"{where} (mask) is {width}x{height} pixels at {left}, {top}, beyond the image of {size[1]}x{size[0]}: "
            "export it again."
        )
    if len(runs) < len(texts) or sum(runs) != width * height:
        raise InputError(f"{where} (mask) has run lengths that do not fill {width}x{height} pixels: export it again.")
    found = np.zeros(size, bool)
    found[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
        height, width
    )
    return found


def box_region(shape: Element, where: str, size: Frame) -> Bool[np.ndarray, "h w"]:
    """The pixels that a box touches; turned boxes turn clockwise around their middle."""
    left, top, right, bottom = (number(shape, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
    angle = number(shape, "rotation", where, "0")
    if not angle % 360:
        return box_mask((left, top, right, bottom), size)
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) - middle
    return polygon_mask([rotated(corners, angle) + middle], size, where)


def points_of(shape: Element, where: str) -> list[tuple[str, Point]]:
    """Name and place of every point: named by the label, and numbered from 1 where the shape has several."""
    found, label, seen = locations(shape, where, 1), label_of(shape, where), visibility(shape)
    names = [label] if len(found) == 1 else [f"{label} {index}" for index in range(1, len(found) + 1)]
    return [(name, (float(x), float(y), seen)) for name, (x, y) in zip(names, found, strict=True)]


def visibility(shape: Element) -> int:
    """0 where a point is outside, 1 where it is hidden, else 2."""
    return 0 if shape.get("outside") in TRUE else 1 if shape.get("occluded") in TRUE else 2


def skeleton_points(skeleton: Element, where: str) -> Mapping[str, Point]:
    """Name → place of a skeleton's points; those outside are left out.

    Raises:
        InputError: a point comes twice.
    """
    found: dict[str, Point] = {}
    for point in skeleton.iter(POINTS):
        label = label_of(point, where)
        if label in found:
            raise InputError(f"{where} (skeleton) has the point {label!r} twice: remove one.")
        if visibility(point):
            x, y = locations(point, where, 1)[0].tolist()
            found[label] = x, y, visibility(point)
    return found


def largest_skeleton(skeletons: Sequence[tuple[Element, str]]) -> tuple[Element, str] | None:
    """The skeleton with the largest box around its points, None without any."""

    def extent(placed: tuple[Element, str]) -> float:
        points = np.array([point[:2] for point in skeleton_points(*placed).values()]).reshape(-1, 2)
        return float(np.prod(np.ptp(points, 0))) if len(points) else -1.0

    return max(skeletons, key=extent, default=None)
