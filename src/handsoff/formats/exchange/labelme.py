"""LabelMe: one JSON file per image with `shapes`, as wkentaro/labelme saves it; only read.

Coordinates put the edges of pixels at whole numbers. Shapes are painted in their order. Points are keypoints whose
names are their labels.
"""

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import decode_image
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import (
    check_stated_size,
    coordinates,
    drawn_tasks,
    json_object,
    paint_mask,
    point_label,
    point_names,
    region_palette,
)
from handsoff.formats.exchange.labelme_shapes import decoded, region, shape_type, shapes_of
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
from handsoff.formats.shapes import Palette
from handsoff.formats.trees import mentions
from handsoff.tasks.keypoints import Keypoints

JSON = ".json"
LOOKED_AT = 100  # files that are opened to recognise the format
MAX_LOOK = 2**25  # bytes of a file that is opened to recognise the format: images may be inside


@dataclass(frozen=True)
class LabelMeFiles:
    """LabelMe's files by sample name, the images, and what labels mean.

    Attributes:
        images: the image of each, None where it is inside its file.
        classes: None where there are only points.
        points: None where there are only regions.
    """

    source: Source
    files: Mapping[str, str]
    images: Mapping[str, str | None]
    classes: Palette | None
    points: Keypoints | None


def recognises(source: Source) -> bool:
    """Whether a JSON file mentions `shapes` and `imagePath`, be it whole or not; those named like images come first."""
    files = [file for file in json_files(source) if source.sizes[file] <= MAX_LOOK]
    images = {file.rpartition(".")[0] for file in source.sizes.keys() - set(files)}
    files.sort(key=lambda file: (file[: -len(JSON)] not in images, file))
    return any(is_ours(source, file) for file in files[:LOOKED_AT])


def json_files(source: Source) -> list[str]:
    return [file for file in source.sizes if file.lower().endswith(JSON)]


def is_ours(source: Source, file: str) -> bool:
    return mentions(source, file, b'"shapes"', b'"imagePath"')


def annotation(source: Source, file: str) -> dict[str, Any] | None:
    """The content of a file that LabelMe saved, None for any other file.

    Raises:
        InputError: it is no JSON, and mentions what LabelMe saves, is empty, or is called like an image.
    """
    try:
        entry = source.json(file)
    except InputError:
        stem = file[: -len(JSON)]
        if not source.sizes[file] or is_ours(source, file) or stem in map(without_suffix, source.sizes):
            raise
        return None
    return entry if isinstance(entry, dict) and "shapes" in entry and "imagePath" in entry else None


def read(source: Source) -> Dataset:
    """Reads all JSON files for their labels, and finds their images, which are not opened yet.

    Raises:
        InputError: there are none, one is damaged, or its image is missing.
    """
    regions: set[str] = set()
    points: dict[str, list[str]] = {}
    asked: dict[str, str] = {}
    inside: set[str] = set()
    empty = 0
    for file in json_files(source):
        entry = annotation(source, file)
        if entry is None:
            continue
        where = str(source.path / file)
        empty += not entry["shapes"]
        asked[file] = place_of(entry, file, where)
        if isinstance(entry.get("imageData"), str) and entry["imageData"]:
            inside.add(file)
        points[where] = []
        for shape, location in shapes_of(entry, where):
            if shape_type(shape, location) == "point":
                points[where].append(shape["label"])
            else:
                regions.add(shape["label"])
    if not asked:
        raise InputError(
            f"{source.path} has no JSON file of LabelMe, with shapes and imagePath: give the folder that LabelMe "
            "saves to."
        )
    named = point_names(points, regions=bool(regions))
    classes = region_palette(sorted(regions), str(source.path)) if regions or not named else None
    task = points_task(named, None, str(source.path)) if named else None
    above = posixpath.commonpath([posixpath.dirname(file) for file in asked])
    files = {posixpath.relpath(file[: -len(JSON)], above or "."): file for file in asked}
    found = images_of(source, asked, inside)
    dataset = LabelMeFiles(source, files, {name: found[file] for name, file in files.items()}, classes, task)
    return Dataset(
        tuple(sorted(files)),
        drawn_tasks(classes, task),
        lambda name: read_image(dataset, name),
        notes=notes_of(dataset, sum(map(len, points.values())), empty),
    )


def images_of(source: Source, asked: Mapping[str, str], inside: Collection[str]) -> dict[str, str | None]:
    """The image of every file: where the file says, else inside it (None), else one elsewhere that is no other file's.

    Args:
        source: the dataset.
        asked: file → where it says that its image lies.
        inside: the files that hold their image.

    Raises:
        InputError: there is no such image, or two files have none but one and the same.
    """
    images = images_by_name(source, set(asked.values()))
    found: dict[str, str | None] = {}
    owners: dict[str, str] = {}
    for file, place in asked.items():
        if place in source.sizes or file in inside:
            found[file] = place if place in source.sizes else None
            continue
        where = f"{source.path / file}: imagePath"
        image = find_image(source, images, place, where)
        if image in owners:
            raise InputError(
                f"{where} refers to the image {place!r}, for which only {image} is there, and that is "
                f"{owners[image]}'s already: put the missing image beside it."
            )
        found[file], owners[image] = image, file
    return found


def notes_of(dataset: LabelMeFiles, points: int, empty: int) -> tuple[str, ...]:
    """What of the files is left out, or read in a way that is not certain, with numbers.

    Args:
        dataset: the files.
        points: how many there are in all.
        empty: files without any shape.
    """
    source, files = dataset.source, set(dataset.files.values())
    others = [file for file in json_files(source) if file not in files]
    used = [image for image in dataset.images.values() if image is not None]
    held = {file[: -len(JSON)] for name, file in dataset.files.items() if dataset.images[name] is None}
    copies = [file for file in source.sizes if without_suffix(file) in held]  # of images that are inside their files
    nothing = "none of the points is there" if dataset.classes is None else "all of it is background"
    return (
        *counted(source.path, 0 if dataset.points else points, "{is} left out: labels come twice in an image", "point"),
        *counted(source.path, empty, f"{{has}} no shape: {nothing}", "file"),
        *counted(source.path, len(used) - len(set(used)), "{says} imagePath like another: check the names", "file"),
        *counted(source.path, len(others), f"{{is}} not LabelMe's, and left alone ({', '.join(others[:1])})", "file"),
        *unused_images(source, (*used, *copies)),
    )


def read_image(dataset: LabelMeFiles, name: str) -> LabelledImage:
    file = dataset.files[name]
    where = str(dataset.source.path / file)
    entry = json_object(dataset.source.json(file), where)
    photo = photo_of(dataset, entry, name, where)
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


def photo_of(dataset: LabelMeFiles, entry: Mapping[str, Any], name: str, where: str) -> LabelledImage:
    """The image of a file, or the one inside it."""
    image = dataset.images[name]
    if image is not None:
        return load_image(dataset.source, image, name)
    inside = f"{where}: imageData"
    return LabelledImage(name, decode_image(decoded(entry["imageData"], inside), inside), {})


def place_of(entry: Mapping[str, Any], file: str, where: str) -> str:
    """Where in the dataset a file says that its image lies.

    Raises:
        InputError: `imagePath` is no path.
    """
    asked = entry["imagePath"]
    if not isinstance(asked, str) or not asked:
        raise InputError(f"{where}: imagePath does not name an image: correct it.")
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), asked.replace("\\", "/")))
