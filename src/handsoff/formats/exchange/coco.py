"""COCO's JSON (cocodataset.org, "data format"): instances and keypoints.

Any JSON with `images`, `annotations` and `categories` counts, wherever it lies; several are splits (instances_train2017.json,
train/_annotations.coco.json), or the two kinds of labels of the same images (instances_X.json, person_keypoints_X.json). Of the keypoints of
several people in one image, those of the largest count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE
from handsoff.core.views import Box
from handsoff.formats.drawn import dictionaries, dictionary, drawn_tasks, numbers, refuse_other_size
from handsoff.formats.photos import Source
from handsoff.formats.samples import Sample, Samples, find_image, images_by_name, loaded
from handsoff.formats.shapes import Palette, palette, polygon_mask, rle_mask
from handsoff.formats.stated import points_task, stated_classes, stated_licence, stated_points
from handsoff.tasks.keypoints import Keypoints

PREFIXES = ("instances", "person_keypoints", "keypoints", "panoptic", "annotations", "_annotations.coco", "coco")  # of a file's name, before its split
PLACES = frozenset({"annotations"})  # a folder's name that says nothing about the split
MANY = 30  # JSON files: with more of them, those of other tools are not looked into
NOT_OURS = frozenset({"manifest.json", "job.json", "report.json"})

Numbered = tuple[str, dict[str, Any]]  # where an annotation stands, for sentences, and the annotation


@dataclass(frozen=True)
class Sheet:
    """One JSON file.

    Attributes:
        images: where each stands, and what it says.
        annotations: image id → those of this image, in the file's order.
        categories: id → what it says of a category.
    """

    place: str
    split: str
    images: list[Numbered]
    annotations: Mapping[Any, list[Numbered]]
    categories: Mapping[Any, dict[str, Any]]

    def has(self, key: str) -> bool:
        return any(annotation.get(key) for found in self.annotations.values() for _, annotation in found)

    @property
    def draws(self) -> bool:
        """Whether it has regions, or nothing at all: then every image is background."""
        return self.has("segmentation") or not any(self.annotations.values())

    @property
    def classes(self) -> list[str]:
        """The names of the categories, without those that only have points."""
        used = {annotation["category_id"] for found in self.annotations.values() for _, annotation in found if annotation.get("segmentation")}
        return [entry["name"] for id_, entry in self.categories.items() if id_ in used or not entry.get("keypoints")]


@dataclass(frozen=True)
class Photo:
    """An image and, per sheet that names it, its entry there."""

    file: str
    entries: list[tuple[Sheet, Numbered]]

    def covers(self, *, regions: bool, points: bool) -> bool:
        """Whether sheets with these kinds of labels name it."""
        found = [sheet for sheet, _ in self.entries]
        return (not regions or any(sheet.draws for sheet in found)) and (not points or any(sheet.has("keypoints") for sheet in found))


def recognises(source: Source) -> bool:
    return bool(sheets_in(source, panoptic=False))


def sheets_in(source: Source, *, panoptic: bool) -> list[str]:
    """The JSON files that look like COCO's."""
    files = [file for file in source.sizes if file.lower().endswith(".json") and PurePosixPath(file).name not in NOT_OURS]
    if len(files) > MANY:
        files = [file for file in files if PurePosixPath(file).stem.startswith(PREFIXES) or PurePosixPath(file).parent.name in PLACES]
    found = []
    for file in files:
        try:
            data = source.read(file)
        except InputError:
            continue
        keys = all(f'"{key}"'.encode() in data for key in ("images", "annotations", "categories"))
        if data.lstrip()[:1] == b"{" and keys and (b'"segments_info"' in data) == panoptic:
            found.append(file)
    return found


def sheet_of(source: Source, file: str) -> Sheet:
    """Read and check one JSON file.

    Raises:
        InputError: it lacks something, says it twice, or refers to what is not there.
    """
    place = str(source.path / file)
    content = dictionary(source.json(file), place)
    images, annotations, categories = (list(numbered(content.get(key), f"{place}: {key}")) for key in ("images", "annotations", "categories"))
    known: dict[Any, dict[str, Any]] = unique(categories, "id")
    for where, entry in categories:
        if not isinstance(entry.get("name"), str):
            raise InputError(f"{where} has no name: give every category a name.")
    pictures = unique(images, "id")
    found: dict[Any, list[Numbered]] = {id_: [] for id_ in pictures}
    for where, annotation in annotations:
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not hashable(image) or image not in found:
            raise InputError(f"{where} belongs to the image {image!r}, which is not among the images: correct or remove it.")
        if "segments_info" not in annotation and (not hashable(category) or category not in known):
            raise InputError(f"{where} has the category {category!r}, which is not among the categories: correct or remove it.")
        found[image].append((where, annotation))
    return Sheet(place, split_of(file), images, found, known)


def numbered(value: Any, where: str) -> Iterator[Numbered]:
    for index, entry in enumerate(dictionaries(value, where)):
        yield f"{where}[{index}]", entry


def hashable(value: Any) -> bool:
    return isinstance(value, int | str)


def unique(entries: Sequence[Numbered], key: str) -> dict[Any, dict[str, Any]]:
    """The entries by what they say under a key.

    Raises:
        InputError: nothing, or the same twice.
    """
    found: dict[Any, dict[str, Any]] = {}
    for where, entry in entries:
        value = entry.get(key)
        if not hashable(value) or value in found:
            raise InputError(f"{where} has the {key} {value!r}, {'which another has too' if hashable(value) else 'no number or text'}: correct it.")
        found[value] = entry
    return found


def split_of(file: str) -> str:
    """What the name of a JSON file, or else its folder, says about the split."""
    place = PurePosixPath(file)
    stem = place.stem
    for prefix in sorted(PREFIXES, key=len, reverse=True):
        if stem == prefix:
            return "" if place.parent.name in PLACES else place.parent.name
        if stem.startswith(f"{prefix}_"):
            return stem.removeprefix(f"{prefix}_")
    return stem


def read(source: Source) -> Samples:
    sheets = [sheet_of(source, file) for file in sheets_in(source, panoptic=False)]
    photos = photos_of(source, sheets)
    where = sheets[0].place
    regions, points = any(sheet.draws for sheet in sheets), any(sheet.has("keypoints") for sheet in sheets)
    if not regions and not points:
        raise InputError(f"{where} draws boxes only: masks (polygons, run lengths) or keypoints are needed.")
    names = list(dict.fromkeys(name for sheet in sheets if sheet.draws for name in sheet.classes))
    classes = palette(names, where, stated_classes(source)) if regions else None
    task = points_of(source, sheets) if points else None
    whole = sorted(name for name, photo in photos.items() if photo.covers(regions=regions, points=points))
    if not whole:
        raise InputError(f"{where} and the files beside it label different images: give one of them.")
    return Samples(tuple(whole), drawn_tasks(classes, task), lambda name: one(source, name, photos[name], classes, task), stated_licence(source))


def photos_of(source: Source, sheets: Sequence[Sheet]) -> dict[str, Photo]:
    """Sample name → image; where there are several splits, names begin with theirs.

    Raises:
        InputError: an image is missing, or two have the same name.
    """
    images = images_by_name(source)
    splits = {sheet.split for sheet in sheets}
    photos: dict[str, Photo] = {}
    for sheet in sheets:
        seen: set[str] = set()
        for where, entry in sheet.images:
            asked = entry.get("file_name")
            if not isinstance(asked, str) or not asked:
                raise InputError(f"{where} has no file_name: give every image one.")
            file = find_image(source, images, f"{sheet.split}/{asked}", where)
            name = PurePosixPath(asked.replace("\\", "/").removeprefix("images/")).with_suffix("").as_posix().lstrip("/")
            if len(splits) > 1 and not name.startswith(f"{sheet.split}/"):
                name = f"{sheet.split}/{name}"
            photo = photos.setdefault(name, Photo(file, []))
            if name in seen or photo.file != file:
                raise InputError(f"{where} has the file_name {asked!r}, which another image has too: rename one of them.")
            seen.add(name)
            photo.entries.append((sheet, (where, entry)))
    return photos


def points_of(source: Source, sheets: Sequence[Sheet]) -> Keypoints:
    """The task of the points that the categories name.

    Raises:
        InputError: they name none, or not the same.
    """
    named = [(sheet.place, entry["keypoints"]) for sheet in sheets for entry in sheet.categories.values() if entry.get("keypoints")]
    if not named:
        raise InputError(f"{sheets[0].place} has keypoints, but no category says which: add keypoints: [name, …] to it.")
    place, names = named[0]
    if any(other != names for _, other in named):
        raise InputError(f"{place} has categories with different keypoints: keep one of them.")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{place}: keypoints of a category are no list of names: correct them.")
    return points_task(names, stated_points(source), place)


def one(source: Source, name: str, photo: Photo, classes: Palette | None, task: Keypoints | None) -> Sample:
    sample = loaded(source, photo.file, name)
    labels = {}
    found: list[Numbered] = []
    for sheet, (where, entry) in photo.entries:
        refuse_other_size(entry.get("height"), entry.get("width"), sample.size, where)
        found += sheet.annotations[entry["id"]]
        if classes is not None and sheet.draws:
            labels["segmentation"] = mask_of(sheet, entry["id"], classes, sample.size)
    if task is not None:
        labels["keypoints"] = points_in(found, task, sample.size)
    return replace(sample, labels=labels, box=box_of(found))


def mask_of(sheet: Sheet, image: Any, classes: Palette, size: Frame) -> UInt8[np.ndarray, "h w"]:
    """Later regions over earlier ones, and crowds, which are a mixture, ignored."""
    mask = classes.blank(size)
    regions = [(where, annotation) for where, annotation in sheet.annotations[image] if annotation.get("segmentation")]
    for where, annotation in regions:
        if not annotation.get("iscrowd"):
            name = sheet.categories[annotation["category_id"]]["name"]
            mask[region(annotation["segmentation"], size, where)] = classes.id(name, where)
    for where, annotation in regions:
        if annotation.get("iscrowd"):
            mask[region(annotation["segmentation"], size, where)] = IGNORE
    return mask


def region(segmentation: Any, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    return polygon_mask(segmentation, size, where) if isinstance(segmentation, list) else rle_mask(segmentation, size, where)


def points_in(annotations: Sequence[Numbered], task: Keypoints, size: Frame) -> Float[np.ndarray, "k 3"]:
    """Those of the largest object; all unseen where there is none."""
    found = [(where, annotation) for where, annotation in annotations if annotation.get("keypoints")]
    if not found:
        return np.zeros((task.channels, 3), np.float32)
    where, annotation = max(found, key=lambda entry: area_of(*entry))
    flat = annotation["keypoints"]
    if not isinstance(flat, list) or len(flat) % 3:
        raise InputError(f"{where}: keypoints is not a list of x, y, visibility of every point: correct it.")
    return task.parse([flat[start : start + 3] for start in range(0, len(flat), 3)], f"{where}: keypoints", size)


def area_of(where: str, annotation: dict[str, Any]) -> float:
    if annotation.get("area") is not None:
        return numbers(annotation, ("area",), where)[0]
    return 0.0 if annotation.get("bbox") is None else box_in(where, annotation)[2] * box_in(where, annotation)[3]


def box_in(where: str, annotation: dict[str, Any]) -> list[float]:
    """(left, top, width, height).

    Raises:
        InputError: the bbox is not made of four numbers.
    """
    box = annotation["bbox"]
    if not isinstance(box, list) or len(box) != 4:  # noqa: PLR2004  # left, top, width, height
        raise InputError(f"{where}: bbox is not [left, top, width, height]: correct it.")
    return numbers({str(index): value for index, value in enumerate(box)}, "0123", f"{where}: bbox")


def box_of(annotations: Sequence[Numbered]) -> Box | None:
    """The box around all boxes."""
    boxes = np.array([box_in(where, annotation) for where, annotation in annotations if annotation.get("bbox")]).reshape(-1, 4)
    if not len(boxes):
        return None
    (left, top), (right, bottom) = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return float(left), float(top), float(right), float(bottom)
