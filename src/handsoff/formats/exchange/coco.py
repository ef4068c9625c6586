"""COCO's JSON (cocodataset.org, "data format"): instances and keypoints.

Every JSON file with `images`, `annotations` and `categories` is read, wherever it lies. Several files are splits
(instances_train2017.json, train/_annotations.coco.json), or two kinds of labels of the same images (instances_X.json,
person_keypoints_X.json). Of several people with keypoints in one image, the largest one's are read.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import check_stated_size, drawn_tasks, numbers
from handsoff.formats.exchange.coco_files import (
    CocoFile,
    Numbered,
    find_coco_files,
    licence_of,
    read_coco_files,
)
from handsoff.formats.exchange.coco_objects import box_in, mask_of, notes_of
from handsoff.formats.exchange.coco_photos import Photo, photos_of
from handsoff.formats.manifest import manifest_classes, manifest_points, points_task
from handsoff.formats.samples import Dataset, LabelledImage, load_image
from handsoff.formats.shapes import Palette, palette
from handsoff.geometry.views import Box
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.points import read_points


def recognises(source: Source) -> bool:
    return bool(find_coco_files(source, panoptic=False))


def read(source: Source) -> Dataset:
    coco_files = read_coco_files(source, panoptic=False)
    photos = photos_of(source, coco_files)
    where, stated = coco_files[0].where, manifest_classes(source)
    nothing = not any(coco_file.annotated for coco_file in coco_files)  # then every image is background
    regions = stated is not None or nothing or any(coco_file.regions for coco_file in coco_files)
    points = any(coco_file.points and coco_file.annotated for coco_file in coco_files)
    if not regions and not points:
        raise InputError(f"{where} draws boxes only: masks (polygons, run lengths) or keypoints are needed.")
    names = list(dict.fromkeys(name for coco_file in coco_files if coco_file.draws for name in coco_file.classes))
    classes = palette(names, where, stated) if regions else None
    task = points_of(source, coco_files) if points else None
    whole = sorted(name for name, photo in photos.items() if photo.covers(regions=regions, points=points))
    if not whole:
        wanted = " and ".join(["masks"] * regions + ["keypoints"] * points)
        raise InputError(
            f"{where} and the files beside it have no image with {wanted}: give the files that label the same images."
        )
    return Dataset(
        tuple(whole),
        drawn_tasks(classes, task),
        lambda name: read_image(source, name, photos[name], classes, task),
        licence_of(source, coco_files),
        notes_of(source, photos, whole, regions=regions, points=points),
    )


def points_of(source: Source, coco_files: Sequence[CocoFile]) -> Keypoints:
    """The task of the points that the categories name.

    Raises:
        InputError: no category names keypoints, they are not a list of names, or two categories name different ones.
    """
    named = [
        (coco_file.where, entry["keypoints"])
        for coco_file in coco_files
        for entry in coco_file.categories.values()
        if entry.get("keypoints")
    ]
    if not named:
        raise InputError(
            f"{coco_files[0].where} has keypoints, but no category says which: add keypoints: [name, …] to it."
        )
    where, names = named[0]
    if any(other != names for _, other in named):
        raise InputError(f"{where} has categories with different keypoints: keep one of them.")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}: keypoints of a category are no list of names: correct them.")
    return points_task(names, manifest_points(source), where)


def read_image(
    source: Source, name: str, photo: Photo, classes: Palette | None, task: Keypoints | None
) -> LabelledImage:
    sample = load_image(source, photo.file, name)
    for _, (where, entry) in photo.entries:
        check_stated_size(entry.get("height"), entry.get("width"), sample.size, where)
    found = [annotation for coco_file, (_, entry) in photo.entries for annotation in coco_file.annotations[entry["id"]]]
    labels = {}
    if classes is not None:
        labels["segmentation"] = mask_of(photo, classes, sample.size)
    if task is not None:
        labels["keypoints"] = points_in(found, task, sample.size)
    return replace(sample, labels=labels, box=box_of(found))


def points_in(annotations: Sequence[Numbered], task: Keypoints, size: Frame) -> Float[np.ndarray, "k 3"]:
    """The keypoints of the largest object that has any; all of visibility 0 where no object has."""
    found = [
        (where, triples(where, said), area_of(where, said)) for where, said in annotations if said.get("keypoints")
    ]
    if not found:
        return np.zeros((task.channels, 3), np.float32)
    where, points, _ = max(found, key=lambda entry: (any(point[2] for point in entry[1]), entry[2]))
    return read_points([on_image(point, size) for point in points], f"{where}: keypoints", size, task.channels)


def on_image(point: Sequence[Any], size: Frame) -> list[Any]:
    """A point whose x or y is up to the image's width or height moved to the edge: some tools count from edges."""
    sides = (size[1], size[0])
    places = zip(point, sides, strict=False)
    moved = [min(at, side - 0.5) if isinstance(at, int | float) and at <= side else at for at, side in places]
    return [*moved, *point[2:]]


def triples(where: str, annotation: dict[str, Any]) -> list[list[Any]]:
    """(x, y, visibility) of every point.

    Raises:
        InputError: `keypoints` is not a list of numbers, three per point.
    """
    flat = annotation["keypoints"]
    if not isinstance(flat, list) or len(flat) % 3:
        raise InputError(f"{where}: keypoints is not a list of x, y, visibility of every point: correct it.")
    return [flat[start : start + 3] for start in range(0, len(flat), 3)]


def area_of(where: str, annotation: dict[str, Any]) -> float:
    """The annotation's `area`; without it, the area of its box; without a box, 0."""
    if annotation.get("area") is not None:
        return numbers(annotation, ("area",), where)[0]
    width, height = box_in(where, annotation)[2:] if annotation.get("bbox") else (0.0, 0.0)
    return width * height


def box_of(annotations: Sequence[Numbered]) -> Box | None:
    """The box around all boxes."""
    boxes = np.array(
        [box_in(where, annotation) for where, annotation in annotations if annotation.get("bbox")]
    ).reshape(-1, 4)
    if not len(boxes):
        return None
    (left, top), (right, bottom) = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return float(left), float(top), float(right), float(bottom)
