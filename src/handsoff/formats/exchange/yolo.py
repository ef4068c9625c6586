"""YOLO as Ultralytics describes it: `data.yaml`, `images/…/NAME.ext` and a text file `labels/…/NAME.txt` per image.

A row of a text file is an object: its class, then a polygon (segmentation) or a box and points (pose), as fractions of
the image's sides. A row that is only a box is ignored where no polygon covers it. Roboflow's `train/images` and
`train/labels` are read too, and Label Studio's `classes.txt` instead of the yaml. Images are found by their folders:
the paths in the yaml are often absolute paths of another machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE
from handsoff.datasets.card import as_yaml
from handsoff.datasets.sources import Source
from handsoff.formats.exchange.yolo_card import (
    CARD,
    LISTS,
    card_file,
    class_names,
    dataset_root,
    image_files,
    label_file,
    names_classes,
    pictures,
    points_of,
    read_card,
    split_folders,
    split_lists,
)
from handsoff.formats.exchange.yolo_labels import (
    BOX,
    Row,
    area,
    label_files,
    lengths,
    rows_of,
    surrounding_box,
    text_files,
)
from handsoff.formats.manifest import manifest_classes, manifest_licence, manifest_points, write_image
from handsoff.formats.notes import boxes_note, counted
from handsoff.formats.outlines import polygons
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing, load_image
from handsoff.formats.shapes import Palette, background_of, box_mask, listed_classes, palette, polygon_mask
from handsoff.formats.trees import holds_rows
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.points import read_points

LOOKED_AT = 50  # label files that are opened to recognise the format
DIGITS = 8  # decimals: exact to a thousandth of a pixel in images of any size


# --- reading


@dataclass(frozen=True)
class Labelled:
    """The images and label files by sample name, and the names of the classes."""

    source: Source
    images: Mapping[str, str]
    texts: Mapping[str, str]
    names: Sequence[str]

    def load(self, name: str) -> tuple[LabelledImage, list[Row]]:
        """An image and its rows; without a label file there are none."""
        return load_image(self.source, self.images[name], name), rows_of(self.source, self.texts.get(name), self.names)


def recognises(source: Source) -> bool:
    """Whether there are text files in a folder `labels`, beside `images` and something that names classes.

    Without the latter, or where it is damaged, the texts must hold rows: the dataset is then refused for what it lacks.
    """
    texts, card = text_files(source), card_file(source)
    if not texts:
        return False
    if card is not None and names_classes(source, card):
        return True
    return any(holds_rows(source, file) for file in texts[:LOOKED_AT])


def read(source: Source) -> Dataset:
    """Reads masks, or keypoints where the yaml has `kpt_shape`. All label files are read for what they hold.

    Raises:
        InputError: nothing names the classes, folders name different ones, no image has a label, or all objects are
            only boxes.
    """
    file = card_file(source)
    if file is None:
        raise InputError(f"{source.path} has no {CARD} (or {LISTS[0]}): write one with the names of the classes.")
    where, card = str(source.path / file), read_card(source, file)
    names, images = class_names(card, where), image_files(source, dataset_root(source, file))
    texts = label_files(source, images)
    if not texts:
        raise InputError(
            f"{source.path} has no label for any of its {len(images)} images: put labels/NAME.txt beside "
            "images/NAME.png."
        )
    labelled = Labelled(source, images, texts, names)
    licence = card.get("license")
    licence = licence if isinstance(licence, str) else manifest_licence(source)
    if "kpt_shape" not in card:
        classes = palette(names, where, manifest_classes(source))
        tasks, reading = {"segmentation": classes.task()}, partial(read_mask, labelled, classes)
        return Dataset(tuple(sorted(images)), tasks, reading, licence, notes_of(labelled, posed=False))
    columns, points = points_of(card, manifest_points(source), where)
    reading = partial(read_pose, labelled, columns, points)
    return Dataset(tuple(sorted(images)), {"keypoints": points}, reading, licence, notes_of(labelled, posed=True))


def notes_of(labelled: Labelled, *, posed: bool) -> tuple[str, ...]:
    """What is ignored, left out or taken for background, with numbers.

    Raises:
        InputError: all objects are only boxes.
    """
    source, texts = labelled.source, labelled.texts
    rows = [(file, line, length) for file in texts.values() for line, length in lengths(source, file)]
    boxes = [(file, line) for file, line, length in rows if length == BOX]
    if boxes and len(boxes) == len(rows):
        wanted = "points" if posed else "polygons (segmentation), or as poses, with points"
        first = f"{source.path / boxes[0][0]}, line {boxes[0][1]},"
        raise InputError(f"{first} is only a box: all objects here are. Export them with {wanted}.")
    bare, orphans = len(labelled.images) - len(texts), len(set(text_files(source)) - set(texts.values()))
    outside = sorted(set(pictures(source)) - set(labelled.images.values()))
    nothing = "none of the points is there" if posed else "all of it is background"
    elsewhere = f"{{is}} in another folder than the names of the classes, and left out ({', '.join(outside[:1])})"
    left_out = counted(source.path, len(boxes), "{has} only a box, and {is} left out")
    return (
        *(left_out if posed else boxes_note(source.path, len(boxes))),
        *counted(source.path, bare, f"of {len(labelled.images):,} {{has}} no label file: {nothing}", "image"),
        *counted(source.path, orphans, "{has} no image, and {is} left out", "label file"),
        *counted(source.path, len(outside), elsewhere, "image"),
    )


def read_mask(labelled: Labelled, classes: Palette, name: str) -> LabelledImage:
    photo, rows = labelled.load(name)
    outlines = [row for row in rows if len(row.values) != BOX]
    side = [photo.size[1], photo.size[0]]
    mask = classes.blank(photo.size)
    for row in rows:
        if len(row.values) == BOX:
            mask[box_mask((row.box(pose=False) * [*side, *side]).tolist(), photo.size)] = IGNORE
    for row in sorted(outlines, key=area, reverse=True):  # as Ultralytics trains: the smaller one lies on top
        outline = polygon_mask([row.outline() * side], photo.size, row.where)
        mask[outline] = classes.id(labelled.names[row.kind], row.where)
    return replace(photo, labels={"segmentation": mask}, box=surrounding_box(rows, photo.size, pose=False))


def read_pose(labelled: Labelled, columns: int, points: Keypoints, name: str) -> LabelledImage:
    """The keypoints of the object with the largest box."""
    photo, rows = labelled.load(name)
    posed = [row for row in rows if len(row.values) != BOX]
    for row in posed:
        if len(row.values) != BOX + columns * points.channels:
            wanted = f"{BOX + columns * points.channels} (a box and {points.channels} points of {columns})"
            raise InputError(
                f"{row.where} has {len(row.values)} numbers after the class, kpt_shape asks for {wanted}: correct "
                "one of them."
            )
    label = np.zeros((points.channels, 3), np.float32)
    if posed:
        row = max(posed, key=lambda row: float(np.prod(row.values[2:BOX])))
        found = row.values[BOX:].reshape(-1, columns)
        seen = found[:, 2] if columns == 3 else 2.0 * found.any(1)  # noqa: PLR2004  # x, y, visibility
        locations = row.unit(found[:, :2]) * [photo.size[1], photo.size[0]] - 0.5
        label = read_points(np.column_stack([locations, seen]).tolist(), row.where, photo.size, points.channels)
    return replace(photo, labels={"keypoints": label}, box=surrounding_box(rows, photo.size, pose=True))


# --- writing


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has files of its own
    return list(write_samples(out, samples, writing))


def write_samples(out: Path, samples: Iterable[LabelledImage], writing: Writing) -> Iterator[Entry]:
    for sample in samples:
        file = write_image(out, sample)
        if "segmentation" in writing.tasks:
            rows = list(mask_rows(sample.labels["segmentation"], writing.tasks["segmentation"].schema["classes"]))
        else:
            rows = [pose_row(sample.labels["keypoints"], sample.size)]
        text = "".join(" ".join([str(kind), *map(decimal, values.ravel().tolist())]) + "\n" for kind, values in rows)
        write_bytes(out / label_file(file), text.encode())
        yield {"name": sample.name, "file": file}


def mask_rows(
    mask: UInt8[np.ndarray, "h w"], classes: Sequence[str]
) -> Iterator[tuple[int, Float[np.ndarray, "_n 2"]]]:
    """A polygon per connected part of every class; the background is left out, also of the numbering of classes."""
    for kind, name in enumerate(listed_classes(classes)):
        if name == background_of(classes):
            continue
        for polygon in polygons(mask == classes.index(name)):
            yield kind, polygon / [mask.shape[1], mask.shape[0]]


def pose_row(label: Float[np.ndarray, "k 3"], size: Frame) -> tuple[int, Float[np.ndarray, " n"]]:
    """A box around the points in the image (the whole image without any), then all points."""
    side = np.array([size[1], size[0]])
    locations = (label[:, :2].astype(np.float64) + 0.5).clip(0, side)
    there = locations[label[:, 2] > 0]
    low, high = (
        ((there.min(0) - 0.5).clip(0), (there.max(0) + 0.5).clip(None, side)) if len(there) else (np.zeros(2), side)
    )
    points = np.column_stack([locations / side, label[:, 2]])
    return 0, np.concatenate([(low + high) / 2 / side, (high - low) / side, points.ravel()])


def decimal(value: float) -> str:
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    """Write `data.yaml`, without `path` (Ultralytics then starts from the folder of the file), and perhaps lists.

    CVAT takes every key that it does not know (`nc`, `license`, `kpt_names`) for a split: what says more is a comment.
    """
    card: dict[str, Any] = split_folders([entry["name"] for entry in entries])
    if not card:
        card = {split: f"{split}.txt" for split in ("train", "val")}
        for split, files in split_lists([entry["file"] for entry in entries]).items():
            write_bytes(out / f"{split}.txt", "".join(f"./{file}\n" for file in files).encode())
    told = [f"license: {writing.licence}"] if writing.licence else []
    if "segmentation" in writing.tasks:
        card["names"] = listed_classes(writing.tasks["segmentation"].parts)
    else:
        points = Keypoints(writing.tasks["keypoints"].schema)
        flip = {"flip_idx": list(points.geometry.partner)} if points.geometry.mirrors else {}
        card |= {"names": ["object"], "kpt_shape": [points.channels, 3], **flip}
        told.append(f"points: {', '.join(points.parts)}")
    comments = "".join(f"# {' '.join(line.split())}\n" for line in told)
    write_bytes(out / CARD, (comments + as_yaml(card)).encode())
