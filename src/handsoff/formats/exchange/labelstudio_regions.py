"""The results of a Label Studio annotation as labelled regions and points.

A result with the type `polygonlabels` has a geometry and its label. With separate tools, two results of one `id` belong
together: a `polygon`, and `labels`. Coordinates are percentages of the image's sides, from its edges.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import UNDECODABLE, open_image, reason
from handsoff.formats.drawn import (
    check_stated_size,
    coordinates,
    ellipse_mask,
    json_object,
    json_objects,
    numbers,
    rotated,
)
from handsoff.formats.exchange.brush import brush_mask
from handsoff.formats.shapes import polygon_mask

POINT = "keypoint"
SHAPES = {  # kind of geometry → what its value holds; the first that fits is what a value without a type is
    "brush": ("rle",),
    "bitmask": ("imageDataURL",),
    "vector": ("vertices",),
    "polygon": ("points",),
    "ellipse": ("x", "y", "radiusX", "radiusY"),
    "rectangle": ("x", "y", "width", "height"),
    POINT: ("x", "y"),
}
SAME = {"magicwand": "brush"}  # other names of kinds
PLACED = frozenset({"x", "y", "points", "vertices", "rle", "imageDataURL", "maskDataURL", "sequence"})  # a geometry
# About the image, the region of the same id, or a text: no regions.
REMARKS = frozenset(
    {"choices", "textarea", "rating", "number", "datetime", "taxonomy", "pairwise", "ranker", "relation"}
)
TEXTS = frozenset({"hypertextlabels", "paragraphlabels", "timeserieslabels", "timelinelabels"})
HIDDEN = "hidden"  # the text in `meta` of a point of visibility 1
PERCENT = 100

Found = tuple[dict[str, Any], str]  # a result and where it stands


@dataclass(frozen=True)
class Region:
    """A labelled geometry: `kind` is a key of `SHAPES`, `result` what Label Studio exported."""

    label: str
    kind: str
    result: Mapping[str, Any]
    where: str

    @property
    def value(self) -> Mapping[str, Any]:
        return self.result["value"]


def regions_of(results: Iterable[Found], ignored: Counter[str]) -> list[Region]:
    """The labelled regions and points in their order; results without a geometry are counted in `ignored` by type.

    Raises:
        InputError: a geometry is of an unknown type, has no label or several, or two have the same id.
    """
    parts: dict[Any, list[Found]] = {}
    for index, (result, where) in enumerate(results):
        name = result.get("id")
        parts.setdefault(name if isinstance(name, str) else index, []).append((result, where))
    regions = []
    for group in parts.values():
        shapes = [(result, where) for result, where in group if kind_of(result, where) is not None]
        if shapes:
            regions.append(joined(shapes, group))
        ignored.update(
            str(result.get("type")) for result, there in group if not shapes or kind_of(result, there) is None
        )
    return regions


def kind_of(result: Mapping[str, Any], where: str) -> str | None:
    """The kind of geometry of a result; None if it has none.

    Raises:
        InputError: it has one of an unknown type.
    """
    kind = str(result.get("type"))
    if kind in REMARKS:
        return None  # of remarks on a region, the value repeats its geometry
    name = kind.removesuffix("labels")
    if name in SHAPES or name in SAME:
        json_object(result.get("value"), f"{where}.value")
        return SAME.get(name, name)
    value = result.get("value")
    keys = value.keys() if isinstance(value, dict) else set()
    if kind == "labels":
        found = next((shape for shape, needed in SHAPES.items() if keys >= set(needed)), None)
        if found is not None or keys.isdisjoint(PLACED):
            return found
    if not keys.isdisjoint(PLACED) or (kind.endswith("labels") and kind not in (*TEXTS, "labels")):
        raise InputError(
            f"{where} (region {result.get('id')}) is of the type {kind!r}, which HandsOff cannot read: draw it with "
            "brush, bitmask, polygon, closed vector, rectangle, ellipse or key point, or remove it."
        )
    return None


def joined(shapes: Sequence[Found], group: Sequence[Found]) -> Region:
    """The region of results with the same id.

    Raises:
        InputError: they have no label, several, or different geometries.
    """
    result, where = shapes[0]
    kind = kind_of(result, where)
    assert kind is not None  # noqa: S101  # shapes are those that have one
    for other, there in shapes[1:]:
        if kind_of(other, there) != kind or any(
            other["value"].get(key) != result["value"].get(key) for key in SHAPES[kind]
        ):
            raise InputError(
                f"{where} and {there} are different regions of the id {result.get('id')!r}: give each an id of its own."
            )
    stated = [(found["value"].get(found["type"]), there) for found, there in group if has_labels(found)]
    if not stated:
        raise InputError(f"{where} is a {kind} without a label (region {result.get('id')}): label it or remove it.")
    labels = {json.dumps(value): (value, there) for value, there in stated}
    for value, there in labels.values():
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str) or not value[0].strip():
            raise InputError(f"{there} has {str(value)[:40]} instead of one label: give it one or remove it.")
    if len(labels) > 1:
        both = " and ".join(value[0] for value, _ in labels.values())
        raise InputError(f"{where} has the labels {both} (region {result.get('id')}): give it one.")
    return Region(stated[0][0][0], kind, compact(result), where)


def has_labels(result: Mapping[str, Any]) -> bool:
    kind = result.get("type")
    return (
        isinstance(kind, str)
        and kind.endswith("labels")
        and kind not in TEXTS
        and isinstance(result.get("value"), dict)
    )


def compact(result: dict[str, Any]) -> dict[str, Any]:
    """The result with its run lengths as bytes, an eighth of the memory; unchanged if they are no list of bytes."""
    runs = result["value"].get("rle")
    try:
        return {**result, "value": {**result["value"], "rle": bytes(runs)}} if isinstance(runs, list) else result
    except (TypeError, ValueError):
        return result


def check_region(region: Region, size: Frame) -> None:
    """Check what a region says of its image.

    Raises:
        InputError: it was made on an image of another size, or on one that was turned.
    """
    result = region.result
    check_stated_size(result.get("original_height"), result.get("original_width"), size, region.where)
    if result.get("image_rotation"):
        raise InputError(f"{region.where} was made on a turned image: turn the image itself, and label it again.")


def region_mask(region: Region, size: Frame) -> Bool[np.ndarray, "h w"]:
    """The pixels that a region covers.

    Raises:
        InputError: its values are missing or damaged.
    """
    value, kind, where = region.value, region.kind, region.where
    side = np.array([size[1], size[0]]) / PERCENT
    if kind == "brush":
        if not isinstance(value.get("rle"), bytes):
            raise InputError(f"{where} has no run lengths (a list of bytes called rle): export it again.")
        return brush_mask(value["rle"], size, where)
    if kind == "bitmask":
        return picture_mask(value.get("imageDataURL"), size, f"{where}.value.imageDataURL")
    if kind in ("polygon", "vector"):
        key, points = ("points", value.get("points")) if kind == "polygon" else ("vertices", corners_of(value, where))
        if value.get("closed", kind == "polygon") is not True:
            raise InputError(f"{where} is a {kind} that is not closed, a line: close it or remove it.")
        return polygon_mask([coordinates(points, f"{where}.value.{key}", 3) * side], size, where)
    lengths = ("width", "height") if kind == "rectangle" else ("radiusX", "radiusY")
    x, y, across, down, angle = numbers({"rotation": 0, **value}, ("x", "y", *lengths, "rotation"), where)
    centre, (across, down) = np.array([x, y]) * side, np.array([across, down]) * side
    if kind == "ellipse":
        return ellipse_mask((float(centre[0]), float(centre[1])), (float(across), float(down)), angle, size)
    corners = np.array([[0, 0], [across, 0], [across, down], [0, down]])  # turned around its first corner
    return polygon_mask([centre + rotated(corners, angle)], size, where)


def corners_of(value: Mapping[str, Any], where: str) -> list[list[float]]:
    """The corners of a vector in percent.

    Raises:
        InputError: it has curves or branches, or is damaged.
    """
    vertices = json_objects(value.get("vertices"), f"{where}.value.vertices")
    before = [None, *(vertex.get("id") for vertex in vertices)]
    for vertex, previous in zip(vertices, before, strict=False):
        if vertex.get("isBezier") or vertex.get("isBranching") or vertex.get("disconnected"):
            raise InputError(f"{where} is a vector with curves or branches: use straight lines around the region.")
        if previous is not None and vertex.get("prevPointId", previous) != previous:
            raise InputError(f"{where} is a vector whose points do not follow each other: draw it again.")
    return [numbers(vertex, ("x", "y"), f"{where}.value.vertices[{index}]") for index, vertex in enumerate(vertices)]


def picture_mask(text: Any, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """What a picture as a data URL covers: where it is not transparent.

    Raises:
        InputError: it is no picture in base64, not of the image's size, or without transparency.
    """
    head, _, encoded = text.partition(",") if isinstance(text, str) else ("", "", "")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise InputError(f"{where} is no picture (data:image/png;base64,…): export it again.")
    try:
        with open_image(base64.b64decode(encoded, validate=True)) as picture:
            if (picture.height, picture.width) != size:
                raise InputError(
                    f"{where} is a picture of {picture.width}x{picture.height} pixels, its image has "
                    f"{size[1]}x{size[0]}: give the image as it was labelled."
                )
            if not picture.has_transparency_data:
                raise InputError(f"{where} is a picture without transparency, so it covers all: export it again.")
            return np.asarray(picture.convert("RGBA"))[..., 3] > 0
    except UNDECODABLE as error:
        raise InputError(f"{where} is not a readable picture ({reason(error)}): export it again.") from None


def point_location(region: Region, size: Frame) -> tuple[float, float, int]:
    """x, y in pixels (edges of pixels at whole numbers) and visibility."""
    x, y = numbers(region.value, ("x", "y"), region.where)
    meta = region.result.get("meta")
    note = meta.get("text") if isinstance(meta, dict) else None
    seen = 1 if HIDDEN in (note if isinstance(note, list) else [note]) else 2
    return x * size[1] / PERCENT, y * size[0] / PERCENT, seen
