"""Writing COCO's JSON: `images/` and `annotations.json`, or `annotations/SPLIT.json` where all samples lie in splits.

Regions are run lengths and therefore exact: one per class and image, or one per connected part with `instances`.
Ignored pixels are one crowd of the first category. Keypoints are a category of their own with one object per image.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from handsoff.core.files import write_json
from handsoff.core.images import IGNORE
from handsoff.formats.exchange.coco_files import OURS
from handsoff.formats.manifest import write_image
from handsoff.formats.outlines import components
from handsoff.formats.samples import Entry, LabelledImage, Writing
from handsoff.formats.shapes import background_of, listed_classes, polygon_mask, rle_of

POINTS = "points"  # the category of keypoints


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
    splits = {entry["name"].partition("/")[0] if "/" in entry["name"] else "" for entry in entries}
    for split in splits if "" not in splits else {""}:
        chosen = [entry for entry in entries if split in {"", entry["name"].partition("/")[0]}]
        write_json(
            out / (f"annotations/{split}.json" if split else "annotations.json"), annotation_file(chosen, writing)
        )


def annotation_file(entries: list[Entry], writing: Writing) -> dict[str, Any]:
    """The content of one JSON file."""
    categories = categories_of(writing)
    ids = {category["name"]: category["id"] for category in categories if "keypoints" not in category}
    points = categories[-1]["id"] if "keypoints" in writing.tasks else 0
    found = [
        annotation
        for number, entry in enumerate(entries, start=1)
        for annotation in annotations(entry, number, ids, points)
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


def categories_of(writing: Writing) -> list[dict[str, Any]]:
    """All classes but the background (unless it is the only one), numbered from 1; then that of the keypoints."""
    named = writing.tasks["segmentation"].parts if "segmentation" in writing.tasks else ()
    classes = listed_classes(named) or named
    found: list[dict[str, Any]] = [
        {"id": number, "name": name, "supercategory": name} for number, name in enumerate(classes, start=1)
    ]
    if "keypoints" in writing.tasks:
        names = writing.tasks["keypoints"].parts
        found.append(
            {"id": len(found) + 1, "name": POINTS, "supercategory": POINTS, "keypoints": names, "skeleton": []}
        )
    return found


def annotations(entry: Entry, image: int, ids: Mapping[str, int], points: int) -> Iterator[dict[str, Any]]:
    for name, rle in entry.get("regions", ()):
        yield {"image_id": image, "category_id": ids[name], "segmentation": rle, **measured(rle), "iscrowd": 0}
    if entry.get("crowd"):
        yield {
            "image_id": image,
            "category_id": min(ids.values()),
            "segmentation": entry["crowd"],
            **measured(entry["crowd"]),
            "iscrowd": 1,
        }
    if entry.get("points"):
        flat = [number for point in entry["points"] for number in point]
        seen = np.array([point[:2] for point in entry["points"] if point[2]]).reshape(-1, 2)
        low, high = (seen.min(0), seen.max(0)) if len(seen) else (np.zeros(2), np.array(entry["size"][::-1]) - 1.0)
        box = [round(float(value), 3) for value in (*low, *(high - low))]
        found = {"image_id": image, "category_id": points, "keypoints": flat, "num_keypoints": len(seen)}
        yield {**found, "bbox": box, "area": round(box[2] * box[3], 3), "iscrowd": 0}


def measured(rle: dict[str, Any]) -> dict[str, Any]:
    """Area and box of a region."""
    compressed = {"size": rle["size"], "counts": rle["counts"].encode()}
    return {"area": int(coco_mask.area(compressed)), "bbox": [float(value) for value in coco_mask.toBbox(compressed)]}
