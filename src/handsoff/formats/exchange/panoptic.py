"""COCO's panoptic format (cocodataset.org, "panoptic segmentation"): a PNG per image whose colours are segment ids, and a JSON that says their categories.

An id is R + 256 G + 256² B; 0 belongs to no segment and is ignored, and so are crowds. Every class is a category, background too.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.files import png, write_bytes, write_json
from handsoff.core.frames import MAX_PIXELS
from handsoff.core.images import IGNORE, reason
from handsoff.formats.drawn import dictionaries, refuse_other_size
from handsoff.formats.exchange.coco import Photo, Sheet, photos_of, sheet_of, sheets_in
from handsoff.formats.exchange.coco_write import measured, objects
from handsoff.formats.photos import Source
from handsoff.formats.samples import Entry, Sample, Samples, Writing, find_image, images_by_name, loaded
from handsoff.formats.shapes import Palette, palette, rle_of
from handsoff.formats.stated import stated_classes, stated_licence, write_image

FOLDER = "panoptic"
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def recognises(source: Source) -> bool:
    return bool(sheets_in(source, panoptic=True))


def read(source: Source) -> Samples:
    sheets = [sheet_of(source, file) for file in sheets_in(source, panoptic=True)]
    names = list(dict.fromkeys(entry["name"] for sheet in sheets for entry in sheet.categories.values()))
    classes = palette(names, sheets[0].place, stated_classes(source) or names)
    pictures = replace(source, sizes={file: size for file, size in source.sizes.items() if not is_drawing(file)})
    photos = {name: photo for name, photo in photos_of(pictures, sheets).items() if photo.entries[0][0].annotations[photo.entries[0][1][1]["id"]]}
    if not photos:
        raise InputError(f"{sheets[0].place} has no annotations: give the file that has them.")
    return Samples(tuple(sorted(photos)), {"segmentation": classes.task()}, lambda name: one(source, name, photos[name], classes), stated_licence(source))


def one(source: Source, name: str, photo: Photo, classes: Palette) -> Sample:
    sample = loaded(source, photo.file, name)
    sheet, (where, entry) = photo.entries[0]
    refuse_other_size(entry.get("height"), entry.get("width"), sample.size, where)
    place, annotation = sheet.annotations[entry["id"]][0]
    ids = segment_ids(source, place, annotation.get("file_name"))
    if ids.shape != sample.size:
        raise InputError(f"{place}: its PNG is {ids.shape[0]}x{ids.shape[1]} pixels, its image {sample.size[0]}x{sample.size[1]} (upright): export it again.")
    return replace(sample, labels={"segmentation": mask_of(ids, sheet, place, annotation, classes)})


def is_drawing(file: str) -> bool:
    """Whether a file lies where the PNGs of segment ids do: in a folder panoptic or panoptic_SPLIT."""
    return any(part.startswith(FOLDER) for part in PurePosixPath(file).parts[:-1])


def mask_of(ids: Int64[np.ndarray, "h w"], sheet: Sheet, where: str, annotation: dict[str, Any], classes: Palette) -> UInt8[np.ndarray, "h w"]:
    """Segment ids → class ids.

    Raises:
        InputError: a segment is not in the JSON, or has no known category.
    """
    known = {0: IGNORE}
    for index, segment in enumerate(dictionaries(annotation.get("segments_info"), f"{where}: segments_info")):
        category = sheet.categories.get(segment.get("category_id")) if isinstance(segment.get("category_id"), int | str) else None
        if category is None or not isinstance(segment.get("id"), int):
            raise InputError(f"{where}: segments_info[{index}] has no id or a category that is not among the categories: export it again.")
        known[segment["id"]] = IGNORE if segment.get("iscrowd") else classes.id(category["name"], where)
    found, places = np.unique(ids, return_inverse=True)
    strange = [value for value in found.tolist() if value not in known]
    if strange:
        raise InputError(f"{where}: its PNG has the segment {strange[0]}, which segments_info lacks: export it again.")
    return np.array([known[value] for value in found.tolist()], np.uint8)[places].reshape(ids.shape)


def segment_ids(source: Source, where: str, asked: Any) -> Int64[np.ndarray, "h w"]:
    """The segment of every pixel.

    Raises:
        InputError: the PNG is missing or not readable.
    """
    if not isinstance(asked, str) or not asked:
        raise InputError(f"{where} has no file_name of its PNG: export it again.")
    drawings = replace(source, sizes={file: size for file, size in source.sizes.items() if is_drawing(file)})
    file = find_image(drawings, images_by_name(drawings), asked, where)
    try:
        with Image.open(io.BytesIO(source.read(file))) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{source.path / file} declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: shrink it first.")
            return np.asarray(image.convert("RGB")).astype(np.int64) @ [1, 256, 256**2]
    except UNREADABLE as error:
        raise InputError(f"{source.path / file} is not a readable image ({reason(error)}): export it again.") from None


def write(out: Path, part: int, samples: Iterable[Sample], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has files of its own
    return list(entries(out, samples, writing))


def entries(out: Path, samples: Iterable[Sample], writing: Writing) -> Iterator[Entry]:
    for sample in samples:
        file = write_image(out, sample).removeprefix("images/")
        mask = sample.labels["segmentation"]
        ids = np.zeros(sample.size, np.int64)
        segments: list[dict[str, Any]] = []
        for index in np.unique(mask[mask != IGNORE]).tolist():
            for part in objects(mask == index, instances=writing.instances):
                ids[part] = len(segments) + 1
                segments.append({"id": len(segments) + 1, "category_id": index + 1, **measured(rle_of(part)), "iscrowd": 0})
        write_bytes(out / FOLDER / f"{sample.name}.png", png(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)))
        yield {"name": sample.name, "file": file, "size": list(sample.size), "segments": segments}


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    """One `panoptic.json`: names carry their splits."""
    licences = [{"id": 1, "name": writing.licence, "url": ""}] if writing.licence else []
    images, annotations = [], []
    for number, entry in enumerate(entries, start=1):
        images.append({"id": number, "file_name": entry["file"], "height": entry["size"][0], "width": entry["size"][1]})
        annotations.append({"image_id": number, "file_name": f"{entry['name']}.png", "segments_info": entry["segments"]})
    classes = writing.tasks["segmentation"].parts()
    categories = [{"id": number, "name": name, "supercategory": name, "isthing": int(number > 1)} for number, name in enumerate(classes, start=1)]
    content = {"info": {"description": "written by HandsOff"}, "licenses": licences, "images": images, "annotations": annotations, "categories": categories}
    write_json(out / f"{FOLDER}.json", content)
