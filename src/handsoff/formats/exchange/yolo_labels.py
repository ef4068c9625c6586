"""YOLO's label files: which belongs to which image, and what their rows say."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.layout import called_alike
from handsoff.datasets.sources import Source
from handsoff.formats.exchange.yolo_card import CARD, LISTS, label_file
from handsoff.formats.samples import alike
from handsoff.geometry.views import Box

BOX = 4  # numbers: middle x, middle y, width, height
BEYOND = 0.01  # of a side: how far outside Ultralytics accepts coordinates, as rounding errors
UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded image
TEXT = ".txt"
CHANGED = re.compile(r"[^\w.-]")  # what Label Studio makes _ in it


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


def text_files(source: Source) -> list[str]:
    """All text files in a folder called labels, without lists of classes."""
    return [
        file
        for file in source.sizes
        if file.lower().endswith(TEXT)
        and "labels" in PurePosixPath(file).parts[:-1]
        and PurePosixPath(file).name not in LISTS
    ]


def label_files(source: Source, images: Mapping[str, str]) -> dict[str, str]:
    """Sample name → label file, for the images that have one.

    It lies where Ultralytics looks, under the image's name, whatever the Unicode form and the case of `.txt`. Of those
    left over, names belong together that are the same up to what Label Studio changes in an uploaded image's:
    0a1b2c3d-My_Photo.txt for My Photo.png. Names that differ in these digits are those of two uploads.

    Raises:
        InputError: several images or several label files left over have the same name in this sense.
    """
    wanted = {name: label_file(image) for name, image in images.items()}
    every = (file for file in source.sizes if file.lower().endswith(TEXT))
    cased = {file[: -len(TEXT)] + TEXT: file for file in sorted(every)}  # of a.TXT and a.txt the latter
    texts = called_alike(set(wanted.values()), cased)
    found = {name: texts[file] for name, file in wanted.items() if file in texts}
    rest: dict[str, list[str]] = {}
    for file in sorted(set(text_files(source)) - set(found.values())):
        rest.setdefault(plain(file), []).append(file)
    owners: dict[str, str] = {}
    for name in sorted(images.keys() - found.keys()):
        fitting = [file for file in rest.get(plain(wanted[name]), ()) if one_upload(file, wanted[name])]
        if len(fitting) > 1 or owners.keys() & set(fitting):
            held = f"{fitting[0]} may belong to {images[owners.get(fitting[0], name)]}"
            raise InputError(f"{source.path}: {held} or another image: give label files the names of their images.")
        owners |= dict.fromkeys(fitting, name)
    return found | {name: file for file, name in owners.items()}


def plain(file: str) -> str:
    """A label file's path with its name as Label Studio writes it, without the digits of an upload."""
    path = PurePosixPath(file)
    return str(path.with_name(alike(CHANGED.sub("_", UPLOAD.sub("", path.name)))))


def one_upload(text: str, wanted: str) -> bool:
    """Whether two names that are the same when `plain` can be of one image: an upload changes at most one of them."""
    names = [PurePosixPath(file).name for file in (text, wanted)]
    digits = {found[0] for name in names if (found := UPLOAD.match(name))}
    kept = [alike(UPLOAD.sub("", name)) for name in names]
    return len(digits) <= 1 and (kept[0] == kept[1] or not all(map(CHANGED.search, kept)))


def lengths(source: Source, file: str) -> Iterator[tuple[int, int]]:
    """Number of every line that is not empty, and how many numbers follow its class."""
    for number, line in enumerate(source.read(file).split(b"\n"), start=1):
        if line.strip():
            yield number, len(line.split()) - 1


def rows_of(source: Source, file: str | None, names: Sequence[str]) -> list[Row]:
    """The rows of a label file; empty where there is no file, which means no objects.

    Raises:
        InputError: a line is not a known class followed by at least four finite numbers.
    """
    rows: list[Row] = []
    if file is None:
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
