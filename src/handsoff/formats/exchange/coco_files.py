"""COCO's JSON files (cocodataset.org, "data format"): found, checked, and matched with their images."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import json_object, json_objects
from handsoff.formats.manifest import manifest_licence
from handsoff.formats.samples import splits_named
from handsoff.formats.trees import folders_apart

PREFIXES = (  # of a file's name; the name of the split follows
    "instances",
    "person_keypoints",
    "keypoints",
    "panoptic",
    "annotations",
    "_annotations.coco",
    "coco",
)
NO_SPLIT = "default"  # the split of files that have none, in CVAT and datumaro
PLAIN_FOLDERS = frozenset({"annotations"})  # folders whose names say nothing about the split
NOT_OURS = frozenset({"manifest.json", "job.json", "report.json"})
KEYS = ("images", "annotations", "categories")
IDS = ("id", "image_id", "category_id")
WHOLE = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
OURS = "written by HandsOff"  # the description in `info`
CROWD, NO_CROWD = (1, "1"), (0, "0", None)  # values of iscrowd
PARTS = frozenset({"images", "file_name", "id"})  # of a file that is cut off or lacks a key: it is refused for that
BLANK = b"\xef\xbb\xbf\xff\xfe \t\r\n"  # bytes that may precede JSON, byte order marks among them

Numbered = tuple[str, dict[str, Any]]  # where an entry stands, for error messages, and the entry


@dataclass(frozen=True)
class CocoFile:
    """One JSON file of COCO's form.

    Attributes:
        where: the file's path, for error messages.
        images: where each entry stands, and the entry.
        annotations: image id → the annotations of this image, in the file's order.
        categories: id → the entry of the category.
        licences: the names of the licences that the file lists.
        ours: whether HandsOff wrote the file, whose crowds are pixels to ignore.
    """

    file: str
    where: str
    split: str
    images: list[Numbered]
    annotations: Mapping[Any, list[Numbered]]
    categories: Mapping[Any, dict[str, Any]]
    licences: tuple[str, ...]
    ours: bool = False

    def every(self) -> Iterator[dict[str, Any]]:
        return (annotation for found in self.annotations.values() for _, annotation in found)

    def has_points(self, annotation: dict[str, Any]) -> bool:
        """Whether the category of an annotation has points."""
        return bool(self.categories[annotation["category_id"]].get("keypoints"))

    @cached_property
    def annotated(self) -> bool:
        return any(self.annotations.values())

    @cached_property
    def regions(self) -> bool:
        """Whether any annotation has a region."""
        return any(map(has_region, self.every()))

    @cached_property
    def groups(self) -> bool:
        """Whether a crowd means several objects: only where other regions are none, or where HandsOff says so."""
        marks = {is_crowd(region) for region in self.region_entries()}
        return self.ours or len(marks) > 1

    def region_entries(self) -> Iterator[dict[str, Any]]:
        """Everything that may be a crowd: annotations with a region, or a panoptic annotation's segments."""
        for annotation in self.every():
            if has_region(annotation):
                yield annotation
            segments = annotation.get("segments_info")
            if isinstance(segments, list):
                yield from (segment for segment in segments if isinstance(segment, dict))

    @cached_property
    def draws(self) -> bool:
        """Whether uncovered pixels are background: the file has regions, or has classes but no object of any."""
        plain = not self.categories or any(not entry.get("keypoints") for entry in self.categories.values())
        return self.regions or (plain and all(self.has_points(annotation) for annotation in self.every()))

    @cached_property
    def points(self) -> bool:
        """Whether the file labels keypoints, so that a point it lacks is not in the image."""
        named = any(entry.get("keypoints") for entry in self.categories.values())
        return any(annotation.get("keypoints") for annotation in self.every()) or (named and not self.annotated)

    @cached_property
    def classes(self) -> list[str]:
        """The names of the categories, without those that only have keypoints."""
        used = {annotation["category_id"] for annotation in self.every() if has_region(annotation)}
        return [entry["name"] for id_, entry in self.categories.items() if id_ in used or not entry.get("keypoints")]


def find_coco_files(source: Source, *, panoptic: bool) -> list[str]:
    """The paths of the JSON files that look like COCO's; where none has all keys, of those that look like parts."""
    files = [
        file for file in source.sizes if file.lower().endswith(".json") and PurePosixPath(file).name not in NOT_OURS
    ]
    found = {file: words for file in files if (words := words_in(source, file))}
    whole = [file for file in found if found[file] >= set(KEYS)] or [file for file in found if found[file] >= PARTS]
    return [file for file in whole if ("segments_info" in found[file]) == panoptic]


def words_in(source: Source, file: str) -> set[str]:
    """Which of COCO's keys a JSON object mentions; none where the file is anything else."""
    try:
        data = source.read(file)
    except InputError:
        return set()
    data = data.replace(b"\0", b"") if b"\0" in data[:64] else data  # UTF-16
    if data[:64].lstrip(BLANK)[:1] != b"{":
        return set()
    return {key for key in (*KEYS, *PARTS, "segments_info") if f'"{key}"'.encode() in data}


def read_coco_files(source: Source, *, panoptic: bool) -> list[CocoFile]:
    """All files of COCO's form, read and checked.

    Raises:
        InputError: there are none, or one of them is damaged.
    """
    files = find_coco_files(source, panoptic=panoptic)
    if not files:
        kind = " with segments_info" if panoptic else " without segments_info"
        raise InputError(
            f"{source.path} has no JSON file of {', '.join(KEYS)}{kind}: give the folder that has it, or another "
            "source."
        )
    return [read_coco_file(source, file, split, panoptic=panoptic) for file, split in splits_of(files).items()]


def read_coco_file(source: Source, file: str, split: str, *, panoptic: bool) -> CocoFile:
    """Read and check one JSON file.

    Raises:
        InputError: it lacks one of `KEYS`, an id comes twice, or an annotation refers to an unknown image or category.
    """
    path = str(source.path / file)
    content = json_object(source.json(file), path)
    images, annotations, categories = (list(numbered(content.get(key), f"{path}: {key}")) for key in KEYS)
    known = unique(categories, "id")
    for where, entry in categories:
        if not isinstance(entry.get("name"), str) or not entry["name"].strip():
            raise InputError(f"{where} has no name: give every category a name.")
    found: dict[Any, list[Numbered]] = {id_: [] for id_ in unique(images, "id")}
    for where, annotation in annotations:
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not hashable(image) or image not in found:
            raise InputError(
                f"{where} belongs to the image {image!r}, which is not among the images: correct or remove it."
            )
        if not panoptic and (not hashable(category) or category not in known):
            raise InputError(
                f"{where} has the category {category!r}, which is not among the categories: correct or remove it."
            )
        check_crowd(annotation, where)
        found[image].append((where, annotation))
    info = content.get("info")
    ours = isinstance(info, dict) and info.get("description") == OURS
    return CocoFile(file, path, split, images, found, known, licences_in(content.get("licenses")), ours)


def has_region(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation has an outline: tools write [] and [[]] where there is none."""
    found = annotation.get("segmentation")
    return any(found) if isinstance(found, list) else bool(found)


def is_crowd(entry: Mapping[str, Any]) -> bool:
    return entry.get("iscrowd") in CROWD


def check_crowd(entry: Mapping[str, Any], where: str) -> None:
    """Check the mark of a crowd.

    Raises:
        InputError: `iscrowd` is neither 0 nor 1.
    """
    if entry.get("iscrowd") not in (*CROWD, *NO_CROWD):
        raise InputError(f"{where} has the iscrowd {str(entry['iscrowd'])[:40]!r} instead of 0 or 1: correct it.")


def licences_in(value: Any) -> tuple[str, ...]:
    """The names of the licences that a file lists; entries without a name are skipped, as many tools leave it out."""
    names = [entry.get("name") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and name)


def licence_of(source: Source, coco_files: Sequence[CocoFile]) -> str:
    """The licence of the images: from HandsOff's manifest if there is one, else all that the files list."""
    return manifest_licence(source) or ", ".join(
        dict.fromkeys(name for coco_file in coco_files for name in coco_file.licences)
    )


def numbered(value: Any, where: str) -> Iterator[Numbered]:
    for index, entry in enumerate(json_objects(value, where)):
        for key in IDS:
            if key in entry:
                entry[key] = whole(entry[key])
        yield f"{where}[{index}]", entry


def whole(value: Any) -> Any:
    """An id, which some tools (VIA 2) write as a number in one place and as a text in another."""
    return int(value) if isinstance(value, str) and WHOLE.fullmatch(value) else value


def hashable(value: Any) -> bool:
    return isinstance(value, int | str)


def unique(entries: Sequence[Numbered], key: str) -> dict[Any, dict[str, Any]]:
    """Value under the key → entry.

    Raises:
        InputError: an entry lacks the key, its value is neither a whole number nor a text, or two have the same value.
    """
    found: dict[Any, dict[str, Any]] = {}
    for where, entry in entries:
        value = entry.get(key)
        if not hashable(value) or value in found:
            wrong = "which another has too" if hashable(value) else "neither a whole number nor a text"
            raise InputError(f"{where} has the {key} {value!r}, {wrong}: correct it.")
        found[value] = entry
    return found


def splits_of(files: Sequence[str]) -> dict[str, str]:
    """JSON file → its split, see `split_of`.

    Where files of one name lie in several folders (batch1/labels.json, batch2/labels.json), and the name is none of the
    usual splits, the folders tell the splits.
    """
    splits = {file: split_of(file) for file in files}
    for split in set(splits.values()):
        alike = [file for file in files if splits[file] == split]
        if len({PurePosixPath(file).name for file in alike}) < len(alike) and not splits_named([split]):
            splits |= folders_apart(alike, PLAIN_FOLDERS)
    return splits


def split_of(file: str) -> str:
    """The split from the name of a JSON file, or else from its folder; "" where neither names one.

    Any name is a split (cats.json), unless it is one of `PREFIXES` or the folder is called after a usual split.
    """
    path = PurePosixPath(file)
    stem, home = path.stem, path.parent.name
    if home in PLAIN_FOLDERS:
        above = path.parent.parent.name
        home = above if splits_named([above]) else ""
    for prefix in sorted(PREFIXES, key=len, reverse=True):
        if stem == prefix:
            return home
        if stem.startswith(f"{prefix}_"):
            return stem.removeprefix(f"{prefix}_")
    return home if splits_named([home]) and not splits_named([stem]) else stem
