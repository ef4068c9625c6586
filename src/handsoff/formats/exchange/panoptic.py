"""COCO's panoptic format (cocodataset.org, "panoptic segmentation").

Every image has a PNG whose colours are segment ids, and a JSON gives the category of each segment. An id is R + 256 G +
256² B; 0 belongs to no segment and is ignored, and so are crowds beside others. Every class is a category, background
too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps

from handsoff.core.errors import InputError
from handsoff.core.files import png, write_bytes, write_json
from handsoff.core.frames import MAX_PIXELS
from handsoff.core.images import IGNORE, open_image, reason
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import check_stated_size, json_objects
from handsoff.formats.exchange.coco_files import (
    PLAIN_FOLDERS,
    CocoFile,
    Numbered,
    check_crowd,
    find_coco_files,
    hashable,
    is_crowd,
    licence_of,
    read_coco_files,
    whole,
)
from handsoff.formats.exchange.coco_objects import crowd_notes
from handsoff.formats.exchange.coco_photos import Photo, photos_of
from handsoff.formats.exchange.coco_write import (
    by_split,
    head,
    in_splits,
    measured,
    objects,
    split_and_rest,
)
from handsoff.formats.manifest import manifest_classes, write_image
from handsoff.formats.notes import counted, unused_images
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing, alike, astray, images_by_name, load_image
from handsoff.formats.shapes import Palette, background_of, palette, rle_of

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def recognises(source: Source) -> bool:
    return bool(find_coco_files(source, panoptic=True))


def read(source: Source) -> Dataset:
    coco_files = read_coco_files(source, panoptic=True)
    names = list(dict.fromkeys(entry["name"] for coco_file in coco_files for entry in coco_file.categories.values()))
    classes = palette(names, coco_files[0].where, manifest_classes(source) or names)
    pngs = segment_files(source, coco_files)
    drawn = set(pngs.values())
    pictures = replace(source, sizes={file: size for file, size in source.sizes.items() if file not in drawn})
    every = photos_of(pictures, coco_files)
    photos = {name: photo for name, photo in every.items() if annotation_of(photo) is not None}
    if not photos:
        raise InputError(f"{coco_files[0].where} has no annotations: give the file that has them.")
    return Dataset(
        tuple(sorted(photos)),
        {"segmentation": classes.task()},
        lambda name: read_image(source, name, photos[name], pngs, classes),
        licence_of(source, coco_files),
        notes_of(pictures, every, len(every) - len(photos)),
    )


def notes_of(pictures: Source, photos: Mapping[str, Photo], bare: int) -> tuple[str, ...]:
    """What is ignored or left out, with numbers; `bare` images have no annotation."""
    segments = [
        (coco_file, segment)
        for coco_file in {id(found): found for photo in photos.values() for found, _ in photo.entries}.values()
        for segment in coco_file.region_entries()
    ]
    return (
        *crowd_notes(pictures.path, [coco_file.groups for coco_file, segment in segments if is_crowd(segment)]),
        *counted(pictures.path, bare, "{has} no annotation, and {is} left out", "image"),
        *unused_images(pictures, (photo.file for photo in photos.values())),
    )


def annotation_of(photo: Photo) -> Numbered | None:
    """The one annotation of an image, None where there is none.

    Raises:
        InputError: the image has several annotations.
    """
    found = [annotation for coco_file, (_, entry) in photo.entries for annotation in coco_file.annotations[entry["id"]]]
    if len(found) > 1:
        raise InputError(f"{found[1][0]} belongs to the same image as {found[0][0]}: keep one of them.")
    return found[0] if found else None


def segment_files(source: Source, coco_files: Sequence[CocoFile]) -> dict[str, str]:
    """Where an annotation stands → its PNG.

    Raises:
        InputError: the PNG of an annotation is missing.
    """
    images = images_by_name(source)
    return {
        where: segment_file(images, coco_file, where, said)
        for coco_file in coco_files
        for found in coco_file.annotations.values()
        for where, said in found
    }


def segment_file(images: Mapping[str, list[str]], coco_file: CocoFile, where: str, annotation: dict[str, Any]) -> str:
    """The PNG of an annotation: in a folder with the JSON's name (preferably beside the JSON), or beside the JSON.

    Raises:
        InputError: the annotation names no PNG, or there is no such file.
    """
    asked = annotation.get("file_name")
    if not isinstance(asked, str) or not asked:
        raise InputError(f"{where} has no file_name of its PNG: export it again.")
    path, home = PurePosixPath(asked.replace("\\", "/")), PurePosixPath(coco_file.file)
    own = (*(part for part in home.parent.parts if part not in PLAIN_FOLDERS), home.stem, *path.parts)
    named = [file for file in images.get(alike(path.name), ()) if not astray(images, own, file)]
    for form in (str, alike):  # as it is written, else up to case and Unicode form
        inside = [file for file in named if form(f"/{file}").endswith(form(f"/{home.stem}/{path}"))]
        inside.sort(key=lambda file: form(file) != form(str(home.parent / home.stem / path)))
        beside = [file for file in named if form(file) == form(str(home.parent / path))]
        if inside or beside:
            return [*inside, *beside][0]
    raise InputError(
        f"{where} refers to the PNG {asked!r}, which is neither in a folder {home.stem} nor beside {home.name}: put "
        "it there."
    )


def read_image(source: Source, name: str, photo: Photo, pngs: Mapping[str, str], classes: Palette) -> LabelledImage:
    sample = load_image(source, photo.file, name)
    for _, (where, entry) in photo.entries:
        check_stated_size(entry.get("height"), entry.get("width"), sample.size, where)
    coco_file, (_, entry) = next(
        (coco_file, numbered) for coco_file, numbered in photo.entries if coco_file.annotations[numbered[1]["id"]]
    )
    ((location, annotation),) = coco_file.annotations[entry["id"]]
    ids = segment_ids(source, pngs[location])
    if ids.shape != sample.size:
        raise InputError(
            f"{location}: its PNG is {ids.shape[0]}x{ids.shape[1]} pixels, its image {sample.size[0]}x{sample.size[1]} "
            "(upright): export it again."
        )
    return replace(sample, labels={"segmentation": mask_of(ids, coco_file, location, annotation, classes)})


def mask_of(
    ids: Int64[np.ndarray, "h w"], coco_file: CocoFile, where: str, annotation: dict[str, Any], classes: Palette
) -> UInt8[np.ndarray, "h w"]:
    """Segment ids → class ids; a segment without a category is ignored.

    Raises:
        InputError: a segment of the PNG is not in `segments_info`, an id comes twice, or a category is unknown.
    """
    known = {0: IGNORE}
    for index, segment in enumerate(json_objects(annotation.get("segments_info"), f"{where}: segments_info")):
        location, id_ = f"{where}: segments_info[{index}]", whole(segment.get("id"))
        category = whole(segment.get("category_id"))
        if not isinstance(id_, int) or id_ in known:
            raise InputError(
                f"{location} has the id {id_!r}, which is no number from 1 on, or another segment's: export it again."
            )
        if category is not None and (not hashable(category) or category not in coco_file.categories):
            raise InputError(
                f"{location} has the category {category!r}, which is not among the categories: export it again."
            )
        check_crowd(segment, location)
        ignored = category is None or (coco_file.groups and is_crowd(segment))
        known[id_] = IGNORE if ignored else classes.id(coco_file.categories[category]["name"], location)
    found, positions = np.unique(ids, return_inverse=True)
    strange = [value for value in found.tolist() if value not in known]
    if strange:
        raise InputError(f"{where}: its PNG has the segment {strange[0]}, which segments_info lacks: export it again.")
    return np.array([known[value] for value in found.tolist()], np.uint8)[positions].reshape(ids.shape)


def segment_ids(source: Source, file: str) -> Int64[np.ndarray, "h w"]:
    """The segment of every pixel, upright (EXIF).

    Raises:
        InputError: the PNG is damaged or too large.
    """
    try:
        with open_image(source.read(file)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{source.path / file} declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: "
                    "shrink it first."
                )
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(image.convert("RGB")).astype(np.int64) @ [1, 256, 256**2]
    except UNREADABLE as error:
        raise InputError(f"{source.path / file} is not a readable image ({reason(error)}): export it again.") from None


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has files of its own
    return list(write_samples(out, samples, writing))


def write_samples(out: Path, samples: Iterable[LabelledImage], writing: Writing) -> Iterator[Entry]:
    apart = in_splits(writing)
    for sample in samples:
        file = write_image(out, sample).removeprefix("images/")
        split, name = split_and_rest(sample.name, apart=apart)
        mask = sample.labels["segmentation"]
        ids = np.zeros(sample.size, np.int64)
        segments: list[dict[str, Any]] = []
        for index in np.unique(mask[mask != IGNORE]).tolist():
            for part in objects(mask == index, instances=writing.instances):
                ids[part] = len(segments) + 1
                segments.append(
                    {"id": len(segments) + 1, "category_id": index + 1, **measured(rle_of(part)), "iscrowd": 0}
                )
        write_bytes(
            out / f"annotations/panoptic_{split}/{name}.png",
            png(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)),
        )
        yield {"png": f"{name}.png", "file": file, "size": list(sample.size), "segments": segments}


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    """Write `annotations/panoptic_SPLIT.json`, each beside the folder of its PNGs."""
    classes = writing.tasks["segmentation"].parts
    categories = [
        {"id": number, "name": name, "supercategory": name, "isthing": int(name != background_of(classes))}
        for number, name in enumerate(classes, start=1)
    ]
    for split, chosen in by_split(entries, writing).items():
        annotations = [
            {"image_id": number, "file_name": entry["png"], "segments_info": entry["segments"]}
            for number, entry in enumerate(chosen, start=1)
        ]
        content = {**head(chosen, writing), "annotations": annotations, "categories": categories}
        write_json(out / f"annotations/panoptic_{split}.json", content)
