"""Writing COCO's JSON, under the names by which other tools (CVAT, datumaro) look for it.

Regions lie in `annotations/instances_SPLIT.json`, keypoints in `annotations/person_keypoints_SPLIT.json`, images in
`images/SPLIT/`; SPLIT is `default`, and the images are in `images/`, where not all samples lie in splits. Regions are
run lengths and therefore exact: one per class and image, or one per connected part with `instances`. Ignored pixels are
one crowd of the first category. Keypoints are a category of their own with one object per image.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from handsoff.core.files import write_json
from handsoff.core.images import IGNORE
from handsoff.formats.exchange.coco_files import NO_SPLIT, OURS
from handsoff.formats.manifest import write_image
from handsoff.formats.outlines import components
from handsoff.formats.samples import Entry, LabelledImage, Writing
from handsoff.formats.shapes import background_of, listed_classes, polygon_mask, rle_of

POINTS = "points"  # the category of keypoints
KINDS = {"segmentation": "instances", "keypoints": "person_keypoints"}  # how COCO calls files of a task


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has a file of its own
    return list(write_samples(out, samples, writing))


def write_samples(out: Path, samples: Iterable[LabelledImage], writing: Writing) -> Iterator[Entry]:
    for sample in samples:
        entry: Entry = {
            "name": sample.name,
            "file": write_image(out, sample).removeprefix("images/"),
            "size": list(sample.size),
        }
        if "segmentation" in sample.labels:
            mask, classes = sample.labels["segmentation"], writing.tasks["segmentation"].parts
            rest = background_of(classes)
            drawn = [index for index in np.unique(mask).tolist() if index != IGNORE and classes[index] != rest]
            entry["regions"] = [
                [classes[index], rle_of(part)]
                for index in drawn
                for part in objects(mask == index, instances=writing.instances)
            ]
            entry["crowd"] = rle_of(mask == IGNORE) if (mask == IGNORE).any() else None
        if "keypoints" in sample.labels:
            entry["points"] = writing.tasks["keypoints"].storage.serialise(sample.labels["keypoints"])
        yield entry


def objects(mask: Bool[np.ndarray, "h w"], *, instances: bool) -> Iterator[Bool[np.ndarray, "h w"]]:
    """The mask, or each connected part of it (by sides, not corners); what lies in a hole is a part of its own."""
    if not instances:
        yield mask
        return
    size = (mask.shape[0], mask.shape[1])
    for outer, *holes in components(mask):
        yield polygon_mask([outer.ravel()], size, "") & ~polygon_mask([hole.ravel() for hole in holes], size, "")


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    for split, chosen in by_split(entries, writing).items():
        for task, kind in KINDS.items():
            if task in writing.tasks:
                write_json(out / f"annotations/{kind}_{split}.json", annotation_file(chosen, writing, task))


def in_splits(writing: Writing) -> bool:
    """Whether every sample lies in a split; one called `default` would be taken for none."""
    return all("/" in name and name.partition("/")[0] != NO_SPLIT for name in writing.names)


def split_and_rest(name: str, *, apart: bool) -> tuple[str, str]:
    """The split that a sample is written to, and its name there; `apart` is what `in_splits` says."""
    split, _, rest = name.partition("/")
    return (split, rest) if apart else (NO_SPLIT, name)


def by_split(entries: Sequence[Entry], writing: Writing) -> dict[str, list[Entry]]:
    """Split → its entries, whose files are relative to the split's images."""
    found: dict[str, list[Entry]] = {}
    apart = in_splits(writing)
    for entry in entries:
        split, file = split_and_rest(entry["file"], apart=apart)
        found.setdefault(split, []).append({**entry, "file": file})
    return found


def annotation_file(entries: Sequence[Entry], writing: Writing, task: str) -> dict[str, Any]:
    """The content of one JSON file, about one of `KINDS`."""
    categories = categories_of(writing, task)
    ids = {category["name"]: category["id"] for category in categories}
    found = [
        annotation
        for number, entry in enumerate(entries, start=1)
        for annotation in (regions(entry, number, ids) if task == "segmentation" else points(entry, number))
    ]
    numbered = [{"id": number, **annotation} for number, annotation in enumerate(found, start=1)]
    return {**head(entries, writing), "categories": categories, "annotations": numbered}


def head(entries: Sequence[Entry], writing: Writing) -> dict[str, Any]:
    """The entries `info`, `licenses` and `images` (numbered from 1) of any file of COCO's."""
    licences = [{"id": 1, "name": writing.licence, "url": ""}] if writing.licence else []
    licensed = {"license": 1} if licences else {}
    images = [
        {"id": number, "file_name": entry["file"], "height": entry["size"][0], "width": entry["size"][1], **licensed}
        for number, entry in enumerate(entries, start=1)
    ]
    return {"info": {"description": OURS}, "licenses": licences, "images": images}


def categories_of(writing: Writing, task: str) -> list[dict[str, Any]]:
    """Numbered from 1: all classes but the background (unless it is the only one), or the one category of keypoints."""
    names = writing.tasks[task].parts
    if task == "keypoints":
        return [{"id": 1, "name": POINTS, "supercategory": POINTS, "keypoints": list(names), "skeleton": []}]
    classes = listed_classes(names) or names
    return [{"id": number, "name": name, "supercategory": name} for number, name in enumerate(classes, start=1)]


def regions(entry: Entry, image: int, ids: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    found = [(ids[name], rle, 0) for name, rle in entry["regions"]]
    found += [(min(ids.values()), entry["crowd"], 1)] if entry["crowd"] else []
    for category, rle, crowd in found:
        yield {
            "image_id": image,
            "category_id": category,
            "segmentation": rle,
            **measured(rle),
            "iscrowd": crowd,
        }


def points(entry: Entry, image: int) -> Iterator[dict[str, Any]]:
    flat = [number for point in entry["points"] for number in point]
    seen = np.array([point[:2] for point in entry["points"] if point[2]]).reshape(-1, 2)
    low, high = (seen.min(0), seen.max(0)) if len(seen) else (np.zeros(2), np.array(entry["size"][::-1]) - 1.0)
    box = [round(float(value), 3) for value in (*low, *(high - low))]
    found = {"image_id": image, "category_id": 1, "keypoints": flat, "num_keypoints": len(seen)}
    yield {**found, "bbox": box, "area": round(box[2] * box[3], 3), "iscrowd": 0}


def measured(rle: dict[str, Any]) -> dict[str, Any]:
    """Area and box of a region."""
    compressed = {"size": rle["size"], "counts": rle["counts"].encode()}
    return {"area": int(coco_mask.area(compressed)), "bbox": [float(value) for value in coco_mask.toBbox(compressed)]}
