"""What becomes of the objects in COCO's files: drawn as their class, ignored, or left out and counted.

`iscrowd: 1` is a group that nobody separated, and is ignored. But brush tools (CVAT, SAM, supervision) set it for every
mask that they write as run lengths. A file whose regions are all crowds means no groups: they are drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import numbers
from handsoff.formats.exchange.coco_files import CocoFile, has_region, is_crowd
from handsoff.formats.exchange.coco_photos import Photo
from handsoff.formats.notes import boxes_note, counted, unicode_note, unused_images
from handsoff.formats.shapes import Palette, box_mask, polygon_mask, rle_mask

Placed = tuple[CocoFile, str, dict[str, Any]]  # the file, where an annotation stands in it, and the annotation


def objects_of(photo: Photo) -> list[Placed]:
    """The annotations of an image that may cover pixels.

    Files of keypoints repeat the outlines of people that the files of instances hold: theirs count only where there is
    no file of instances.
    """
    drawing = [(coco_file, entry) for coco_file, (_, entry) in photo.entries if coco_file.draws]
    counting = [(coco_file, entry) for coco_file, entry in drawing if not coco_file.points] or drawing
    return [
        (coco_file, where, said) for coco_file, entry in counting for where, said in coco_file.annotations[entry["id"]]
    ]


def is_ignored(found: Placed) -> bool:
    """Whether a region is a group of objects, not one of them."""
    return is_crowd(found[2]) and found[0].groups


def is_box(found: Placed) -> bool:
    """Whether an annotation is an object of a class with nothing but a box."""
    coco_file, _, said = found
    drawn = coco_file.categories[said["category_id"]]["name"] in coco_file.classes
    return drawn and not has_region(said) and bool(said.get("bbox"))


def mask_of(photo: Photo, classes: Palette, size: Frame) -> UInt8[np.ndarray, "h w"]:
    """The mask of an image: boxes without regions are ignored, regions cover them and each other, groups are last."""
    found = objects_of(photo)
    mask = classes.blank(size)
    for _, where, said in filter(is_box, found):
        left, top, width, height = box_in(where, said)
        mask[box_mask((left, top, left + width, top + height), size)] = IGNORE
    regions = [placed for placed in found if has_region(placed[2])]
    for placed in sorted(regions, key=is_ignored):  # stable: groups last
        coco_file, where, said = placed
        name = coco_file.categories[said["category_id"]]["name"]
        mask[region(said["segmentation"], size, where)] = IGNORE if is_ignored(placed) else classes.id(name, where)
    return mask


def region(segmentation: Any, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """The pixels of polygons, of one polygon that is no list in a list (as VIA 2 writes it), or of run lengths."""
    if not isinstance(segmentation, list):
        return rle_mask(segmentation, size, where)
    flat = all(isinstance(value, int | float) for value in segmentation)
    return polygon_mask([segmentation] if flat else filter(None, segmentation), size, where)


def box_in(where: str, annotation: Mapping[str, Any]) -> list[float]:
    """(left, top, width, height).

    Raises:
        InputError: `bbox` is not a list of four finite numbers.
    """
    box = annotation["bbox"]
    if not isinstance(box, list) or len(box) != 4:  # noqa: PLR2004  # left, top, width, height
        raise InputError(f"{where}: bbox is not [left, top, width, height]: correct it.")
    return numbers({str(index): value for index, value in enumerate(box)}, "0123", f"{where}: bbox")


# --- what the user should know


def notes_of(
    source: Source, photos: Mapping[str, Photo], whole: Sequence[str], *, regions: bool, points: bool
) -> tuple[str, ...]:
    """What of the files is ignored, left out, or read in a way that is not certain, with numbers.

    Args:
        source: the dataset.
        photos: all images of its files, by sample name.
        whole: the names of those that are read.
        regions: whether regions are read.
        points: whether keypoints are read.
    """
    where, chosen = source.path, [photos[name] for name in whole]
    placed = [found for photo in chosen for found in objects_of(photo)] if regions else []
    said = [said_of(photo) for photo in chosen]
    posed = [sum(1 for annotation in found if annotation.get("keypoints")) for found in said] if points else []
    silent = sum(says_nothing(annotation) for found in said for annotation in found)
    nothing = "all of it is background" if regions else "none of the points is there"
    asked = ((entry["file_name"], photo.file) for photo in photos.values() for _, (_, entry) in photo.entries)
    return (
        *crowd_notes(where, [is_ignored(found) for found in placed if has_region(found[2]) and is_crowd(found[2])]),
        *boxes_note(where, sum(map(is_box, placed))),
        *counted(
            where,
            sum(max(0, count - 1) for count in posed),
            "with keypoints {is} left out: only the largest of an image counts",
        ),
        *counted(where, silent, "{has} neither region nor box nor keypoints, and {is} left out"),
        *counted(where, said.count([]), f"of {len(chosen):,} {{has}} no annotation: {nothing}", "image"),
        *counted(
            where, len(photos) - len(whole), "{is} left out, having only some of the dataset's kinds of labels", "image"
        ),
        *unicode_note(where, asked),
        *unused_images(source, (photo.file for photo in photos.values())),
    )


def said_of(photo: Photo) -> list[dict[str, Any]]:
    return [said for coco_file, (_, entry) in photo.entries for _, said in coco_file.annotations[entry["id"]]]


def says_nothing(annotation: Mapping[str, Any]) -> bool:
    return not has_region(annotation) and not annotation.get("bbox") and not annotation.get("keypoints")


def crowd_notes(where: object, crowds: Sequence[bool]) -> list[str]:
    """How many regions are marked as crowds, and what was made of them: True for each that is ignored."""
    ignored = sum(crowds)
    groups = "{is} ignored (255): crowds beside others. Brush tools mark single objects so too: set iscrowd to 0 there"
    drawn = f"{{is}} marked iscrowd 1 like all of the file, as brush tools do: drawn as the class, {ignored:,} ignored"
    return [*counted(where, ignored, groups), *counted(where, len(crowds) - ignored, drawn)]
