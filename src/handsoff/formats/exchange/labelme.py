"""LabelMe: one JSON file per image with `shapes`, as wkentaro/labelme saves it; only read.

Coordinates put the edges of pixels at whole numbers. Shapes are painted in their order. Points are keypoints whose
names are their labels.
"""

import base64
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image, decode_mask
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import (
    check_stated_size,
    coordinates,
    drawn_tasks,
    ellipse_mask,
    json_object,
    json_objects,
    paint_mask,
    point_label,
    point_names,
    region_palette,
)
from handsoff.formats.manifest import points_task
from handsoff.formats.notes import counted, unused_images
from handsoff.formats.samples import (
    Dataset,
    LabelledImage,
    find_image,
    images_by_name,
    load_image,
    without_suffix,
)
from handsoff.formats.shapes import Palette, polygon_mask
from handsoff.formats.trees import mentions
from handsoff.tasks.keypoints import Keypoints

LOOKED_AT = 100  # files that are opened to recognise the format
MAX_LOOK = 2**25  # bytes of a file that is opened to recognise the format: images may be inside
REGIONS = ("polygon", "rectangle", "oriented_rectangle", "circle", "mask")


@dataclass(frozen=True)
class LabelMeFiles:
    """LabelMe's files by sample name, the images, and what labels mean.

    Attributes:
        images: those that may lie elsewhere than their files say: `images_by_name` of what no file names by its place.
        classes: None where there are only points.
        points: None where there are only regions.
    """

    source: Source
    files: Mapping[str, str]
    images: Mapping[str, list[str]]
    classes: Palette | None
    points: Keypoints | None


def recognises(source: Source) -> bool:
    """Whether a JSON file mentions `shapes` and `imagePath`, be it whole or not; those named like images come first."""
    images = {file.rpartition(".")[0] for file in source.sizes if not file.endswith(".json")}
    files = [file for file in source.sizes if file.endswith(".json") and source.sizes[file] <= MAX_LOOK]
    files.sort(key=lambda file: (file.removesuffix(".json") not in images, file))
    return any(mentions(source, file, b'"shapes"', b'"imagePath"') for file in files[:LOOKED_AT])


def annotation(source: Source, file: str) -> dict[str, Any] | None:
    """The content of a file that LabelMe saved, None for any other file."""
    entry = source.json(file) if file.endswith(".json") else None
    return entry if isinstance(entry, dict) and "shapes" in entry and "imagePath" in entry else None


def read(source: Source) -> Dataset:
    """Reads all JSON files for their labels; images are not opened yet."""
    regions: set[str] = set()
    points: dict[str, list[str]] = {}
    files, asked, empty = [], [], 0
    for file in source.sizes:
        entry = annotation(source, file)
        if entry is None:
            continue
        where = str(source.path / file)
        files.append(file)
        empty += not entry["shapes"]
        asked.append(place_of(file, str(entry["imagePath"])))
        points[where] = []
        for shape, location in shapes_of(entry, where):
            if shape_type(shape, location) == "point":
                points[where].append(shape["label"])
            else:
                regions.add(shape["label"])
    if not files:
        raise InputError(
            f"{source.path} has no JSON file of LabelMe, with shapes and imagePath: give the folder that LabelMe "
            "saves to."
        )
    named = point_names(points, regions=bool(regions))
    classes = region_palette(sorted(regions), str(source.path)) if regions or not named else None
    task = points_task(named, None, str(source.path)) if named else None
    above = posixpath.commonpath([posixpath.dirname(file) for file in files])
    names = {posixpath.relpath(file.removesuffix(".json"), above or "."): file for file in files}
    taken = set(asked)
    free = replace(source, sizes={file: size for file, size in source.sizes.items() if file not in taken})
    dataset = LabelMeFiles(source, names, images_by_name(free), classes, task)
    return Dataset(
        tuple(sorted(names)),
        drawn_tasks(classes, task),
        lambda name: read_image(dataset, name),
        notes=notes_of(dataset, sum(map(len, points.values())), empty, asked),
    )


def notes_of(dataset: LabelMeFiles, points: int, empty: int, asked: Sequence[str]) -> tuple[str, ...]:
    """What of the files is left out, or read in a way that is not certain, with numbers.

    Args:
        dataset: the files.
        points: how many there are in all.
        empty: files without any shape.
        asked: the image that each file names, as a path in the dataset.
    """
    source, files = dataset.source, set(dataset.files.values())
    others = [file for file in source.sizes if file.endswith(".json") and file not in files]
    stems = {without_suffix(file) for file in [*asked, *(file.removesuffix(".json") for file in files)]}
    images = [file for file in source.sizes if without_suffix(file) in stems]
    nothing = "none of the points is there" if dataset.classes is None else "all of it is background"
    return (
        *counted(source.path, 0 if dataset.points else points, "{is} left out: labels come twice in an image", "point"),
        *counted(source.path, empty, f"{{has}} no shape: {nothing}", "file"),
        *counted(source.path, len(asked) - len(set(asked)), "{says} imagePath like another: check the names", "file"),
        *counted(source.path, len(others), f"{{is}} not LabelMe's, and left alone ({', '.join(others[:1])})", "file"),
        *unused_images(source, images),
    )


def read_image(dataset: LabelMeFiles, name: str) -> LabelledImage:
    file = dataset.files[name]
    where = str(dataset.source.path / file)
    entry = json_object(dataset.source.json(file), where)
    photo = photo_of(dataset, entry, file, name)
    check_stated_size(entry.get("imageHeight"), entry.get("imageWidth"), photo.size, where)
    shapes = list(shapes_of(entry, where))
    if dataset.classes is not None:
        regions = (
            (shape["label"], region(shape, photo.size, location))
            for shape, location in shapes
            if shape_type(shape, location) != "point"
        )
        photo = replace(photo, labels={"segmentation": paint_mask(regions, dataset.classes, photo.size, where)})
    if dataset.points is not None:
        points = {
            shape["label"]: coordinates(shape.get("points"), f"{location}.points", 1)[0]
            for shape, location in shapes
            if shape_type(shape, location) == "point"
        }
        found = {label: (float(point[0]), float(point[1]), 2) for label, point in points.items()}
        photo = replace(
            photo, labels={**photo.labels, "keypoints": point_label(dataset.points, found, where, photo.size)}
        )
    return photo


def photo_of(dataset: LabelMeFiles, entry: Mapping[str, Any], file: str, name: str) -> LabelledImage:
    """The image at `imagePath`, else the one inside the JSON, else an image of that name which no other JSON has there.

    Raises:
        InputError: `imagePath` is missing, or there is no such image.
    """
    where, asked, inside = str(dataset.source.path / file), entry.get("imagePath"), entry.get("imageData")
    if not isinstance(asked, str) or not asked:
        raise InputError(f"{where}: imagePath does not name an image: correct it.")
    place = place_of(file, asked)
    if place in dataset.source.sizes:
        return load_image(dataset.source, place, name)
    if isinstance(inside, str) and inside:
        return LabelledImage(name, decode_image(decoded(inside, f"{where}: imageData"), f"{where}: imageData"), {})
    return load_image(
        dataset.source,
        find_image(
            dataset.source, dataset.images, posixpath.join(posixpath.dirname(file), asked), f"{where}: imagePath"
        ),
        name,
    )


def place_of(file: str, asked: str) -> str:
    """Where in the dataset a file says that its image lies."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), asked.replace("\\", "/")))


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
