"""YOLO as Ultralytics describes it: `data.yaml`, `images/…/NAME.ext` and a text file `labels/…/NAME.txt` per image.

A row of a text file is an object: its class, then a polygon (segmentation) or a box and points (pose), as fractions of
the image's sides. Roboflow's `train/images` and `train/labels` are read too. Images are found by their folders: the
paths in the yaml are often absolute paths of another machine.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.core.frames import Frame
from handsoff.datasets.sources import Source
from handsoff.formats.exchange.yolo_card import (
    CARD,
    card_file,
    class_names,
    image_files,
    label_file,
    points_of,
    read_card,
    root_of,
    split_folders,
    split_lists,
)
from handsoff.formats.manifest import manifest_classes, manifest_licence, manifest_points, write_image
from handsoff.formats.outlines import polygons
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing, load_image
from handsoff.formats.shapes import Palette, background_of, listed_classes, palette, polygon_mask
from handsoff.geometry.views import Box
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.points import read_points

BOX = 4  # numbers: middle x, middle y, width, height
BEYOND = 0.01  # of a side: how far outside Ultralytics accepts coordinates, as rounding errors
DIGITS = 8  # decimals: exact to a thousandth of a pixel in images of any size


@dataclass(frozen=True)
class Row:
    """One line of a label file: the class's id and the numbers after it."""

    where: str
    kind: int
    values: Float[np.ndarray, " n"]

    def unit(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The values clipped to 0 to 1, as rounding may put them slightly outside.

        Raises:
            InputError: a value is farther outside than `BEYOND`.
        """
        if values.size and (values.min() < -BEYOND or values.max() > 1 + BEYOND):
            strange = float(values.min() if values.min() < -BEYOND else values.max())
            raise InputError(
                f"{self.where} holds {strange:g}: coordinates must be fractions of the image's width and height, "
                "from 0 to 1."
            )
        return values.clip(0, 1)

    def box(self, *, pose: bool) -> Float[np.ndarray, "4"]:
        """Left, top, right, bottom as fractions of the sides."""
        if pose or len(self.values) == BOX:
            middle, side = self.unit(self.values[:BOX]).reshape(2, 2)
            return np.concatenate([middle - side / 2, middle + side / 2]).clip(0, 1)
        locations = self.outline()
        return np.concatenate([locations.min(0), locations.max(0)])

    def outline(self) -> Float[np.ndarray, "n 2"]:
        """The corners of a polygon as fractions of the sides.

        Raises:
            InputError: the numbers are not pairs, or fewer than three pairs.
        """
        if len(self.values) % 2 or len(self.values) <= BOX:
            raise InputError(
                f"{self.where} has {len(self.values)} numbers after the class, not pairs x y of at least three "
                "corners: correct or remove it."
            )
        return self.unit(self.values).reshape(-1, 2)


# --- reading


def recognises(source: Source) -> bool:
    """Whether there is a yaml file with `names` above folders `images` and `labels`."""
    file = card_file(source)
    if file is None or not any(
        "labels" in PurePosixPath(name).parts and name.endswith(".txt") for name in source.sizes
    ):
        return False
    try:
        return "names" in read_card(source, file) and bool(image_files(source, root_of(file)))
    except InputError:
        return False


def read(source: Source) -> Dataset:
    """Reads masks, or keypoints where the yaml has `kpt_shape`."""
    file = card_file(source)
    if file is None:
        raise InputError(f"{source.path} has no {CARD}: write one with the names of the classes.")
    where, card, root = str(source.path / file), read_card(source, file), root_of(file)
    images = image_files(source, root)
    if not any(label_file(image) in source.sizes for image in images.values()):
        raise InputError(
            f"{source.path} has no label for any of its {len(images)} images: put labels/NAME.txt beside "
            "images/NAME.png."
        )
    names = class_names(card, where)
    licence = card.get("license")
    licence = licence if isinstance(licence, str) else manifest_licence(source)
    if "kpt_shape" not in card:
        classes = palette(names, where, manifest_classes(source))
        return Dataset(
            tuple(sorted(images)),
            {"segmentation": classes.task()},
            partial(read_mask, source, images, names, classes),
            licence,
        )
    columns, points = points_of(card, manifest_points(source), where)
    return Dataset(
        tuple(sorted(images)),
        {"keypoints": points},
        partial(read_pose, source, images, names, columns, points),
        licence,
    )


def read_mask(
    source: Source, images: dict[str, str], names: Sequence[str], classes: Palette, name: str
) -> LabelledImage:
    photo = load_image(source, images[name], name)
    rows = rows_of(source, label_file(images[name]), names)
    outlines = [row for row in rows if len(row.values) != BOX]
    if rows and not outlines:
        raise InputError(
            f"{rows[0].where} is only a box: export the data for segmentation, with polygons, or as poses, with points."
        )
    side = [photo.size[1], photo.size[0]]
    mask = classes.blank(photo.size)
    for row in sorted(outlines, key=area, reverse=True):  # as Ultralytics trains: the smaller one lies on top
        mask[polygon_mask([row.outline() * side], photo.size, row.where)] = classes.id(names[row.kind], row.where)
    return replace(photo, labels={"segmentation": mask}, box=surrounding_box(rows, photo.size, pose=False))


def read_pose(
    source: Source, images: dict[str, str], names: Sequence[str], columns: int, points: Keypoints, name: str
) -> LabelledImage:
    """The keypoints of the object with the largest box."""
    photo = load_image(source, images[name], name)
    rows = rows_of(source, label_file(images[name]), names)
    posed = [row for row in rows if len(row.values) != BOX]
    if rows and not posed:
        raise InputError(f"{rows[0].where} is only a box: export the data with points.")
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


def rows_of(source: Source, file: str, names: Sequence[str]) -> list[Row]:
    """The rows of a label file; empty where there is no file, which means no objects.

    Raises:
        InputError: a line is not a known class followed by at least four finite numbers.
    """
    rows: list[Row] = []
    if file not in source.sizes:
        return rows
    for number, line in enumerate(
        source.read(file).decode(errors="replace").removeprefix("\ufeff").split("\n"), start=1
    ):
        where = f"{source.path / file}, line {number},"
        try:
            values = np.array([float(text) for text in line.split()])
        except ValueError:
            values = np.full(1, np.nan)
        if not len(values):
            continue
        if len(values) <= BOX or not np.isfinite(values).all():
            raise InputError(f"{where} is not a class followed by at least four finite numbers: correct or remove it.")
        if values[0] not in range(len(names)):
            raise InputError(
                f"{where} has the class {values[0]:g}, but {CARD} names only 0 to {len(names) - 1}: correct the line "
                "or add the class."
            )
        rows.append(Row(where, int(values[0]), values[1:]))
    return rows


def surrounding_box(rows: Iterable[Row], size: Frame, *, pose: bool) -> Box | None:
    """The box around all objects in pixels, None without objects."""
    boxes = [row.box(pose=pose) for row in rows]
    if not boxes:
        return None
    (left, top), (right, bottom) = np.min(boxes, 0)[:2], np.max(boxes, 0)[2:]
    return float(left * size[1]), float(top * size[0]), float(right * size[1]), float(bottom * size[0])


def area(row: Row) -> float:
    """The area of a polygon as a fraction of the image."""
    x, y = row.outline().T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)


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
    write_bytes(out / CARD, (comments + yaml.safe_dump(card, sort_keys=False, allow_unicode=True)).encode())
