"""Polygons, run lengths and colours as masks of class ids; names of classes as ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from pycocotools import mask as coco_mask

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

BACKGROUND = "background"
NOTHING = ("background", "_background_", "__background__")  # names that tools give to uncovered pixels
MAX_CLASSES = IGNORE
SLACK = 1e-3  # of a pixel: what rounding may add to a box
FAR = 16  # times the longer side: a corner farther out is a mistake, and drawing it would exhaust the memory


@dataclass(frozen=True)
class Palette:
    """The classes of a dataset.

    Attributes:
        classes: position = id.
        rest: the value of pixels that no annotation covers: the background's id, or 255 (ignored) without such a class.
    """

    classes: tuple[str, ...]
    rest: int

    def id(self, name: str, where: str) -> int:
        """The id of a class.

        Raises:
            InputError: there is no class `name`.
        """
        if name not in self.classes:
            raise InputError(
                f"{where} has the class {name!r}, which is not among {', '.join(self.classes[:20])}: add it or "
                "correct the name."
            )
        return self.classes.index(name)

    def blank(self, size: Frame) -> UInt8[np.ndarray, "h w"]:
        return np.full(size, self.rest, np.uint8)

    def task(self) -> Task:
        return make_task("segmentation", {"classes": list(self.classes)})


def is_nothing(name: str) -> bool:
    """Whether a class of this name may be the background; see `background_of`."""
    return name.strip().lower() in NOTHING


def background_of(classes: Iterable[str]) -> str | None:
    """The one class that uncovered pixels have, None without one: every other class is drawn.

    Of several (`Background` beside `background`) it is the one that is spelt as in `NOTHING`, else the first one.
    """
    rank = {name: index for index, name in enumerate(NOTHING)}
    return min((name for name in classes if is_nothing(name)), key=lambda name: rank.get(name, len(rank)), default=None)


def listed_classes(classes: Sequence[str]) -> list[str]:
    """The classes that a format of drawn objects lists: all but the background.

    The background too where another class could be taken for it: a reader then sees which of them it is.
    """
    drawn = [name for name in classes if name != background_of(classes)]
    return list(classes) if any(map(is_nothing, drawn)) else drawn


def palette(names: Sequence[str], where: str, stated: Sequence[str] | None = None) -> Palette:
    """The classes from the names in annotations, background first; it is added if it is not among them.

    Args:
        names: in the order of the dataset.
        where: what is read, for error messages.
        stated: the classes in HandsOff's manifest; taken instead of `names` if they contain all of these.

    Raises:
        InputError: there are too many classes, or a name comes twice.
    """
    background = background_of(names)
    if stated is not None and set(names) - {background} <= set(stated):
        classes = list(stated)
    else:
        classes = sorted(names, key=lambda name: name != background)  # stable: background first, the rest as they are
        if background is None:
            classes.insert(0, BACKGROUND)
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f"{where} names the class {twice!r} twice: rename one of them.")
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{where} has {len(classes)} classes, a mask holds at most {MAX_CLASSES}: merge some.")
    rest = background_of(classes)
    return Palette(tuple(classes), IGNORE if rest is None else classes.index(rest))


def box_mask(box: Sequence[float], size: Frame) -> Bool[np.ndarray, "h w"]:
    """The pixels that a box (left, top, right, bottom) touches, edges of pixels at whole numbers."""
    (left, top), (right, bottom) = np.floor(np.add(box[:2], SLACK)), np.ceil(np.subtract(box[2:], SLACK))
    y, x = np.ogrid[: size[0], : size[1]]
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def polygon_mask(polygons: Any, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """The pixels in any of the polygons [x0, y0, x1, y1, …], in pixels, edges of pixels at whole numbers.

    Raises:
        InputError: a polygon is not a list of at least three pairs of finite numbers, or lies far outside of the image.
    """
    found = np.zeros(size, bool)
    for index, polygon in enumerate(polygons):
        try:
            flat = np.asarray(polygon, np.float64).ravel()
        except (TypeError, ValueError, OverflowError):
            flat = np.zeros(1)
        if flat.size < 6 or flat.size % 2 or not np.isfinite(flat).all() or np.abs(flat).max() > FAR * max(size):  # noqa: PLR2004  # three corners
            raise InputError(
                f"{where}: polygon {index} is not a list of at least three corners in pixels: correct or remove it."
            )
        found |= rle_mask(coco_mask.frPyObjects([flat.tolist()], *size)[0], size, where)
    return found


def rle_mask(rle: Any, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """A mask from COCO's run lengths: {"size": [h, w], "counts": a list or a compressed text}.

    Raises:
        InputError: the run lengths are damaged, of another form, or of another size.
    """
    counts = rle.get("counts") if isinstance(rle, dict) else None
    stated = rle.get("size") if isinstance(rle, dict) else None
    if stated != list(size):
        raise InputError(
            f"{where} has run lengths for the size {stated}, its image is {list(size)} (height, width): correct one "
            "of them."
        )
    remedy = "export it again"
    if isinstance(counts, list):
        if not all(isinstance(count, int) and count >= 0 for count in counts) or sum(counts) != size[0] * size[1]:
            raise InputError(
                f"{where} has run lengths that do not fill an image of {size[0]}x{size[1]} pixels: {remedy}."
            )
        values = np.repeat(np.arange(len(counts)) % 2, counts)
        return values.reshape(size[1], size[0]).T.astype(bool)
    if isinstance(counts, str | bytes):
        runs = counts_of(counts if isinstance(counts, bytes) else counts.encode(errors="replace"))
        if runs is not None and sum(runs) == size[0] * size[1]:
            return rle_mask({"size": stated, "counts": runs}, size, where)
        raise InputError(f"{where} has damaged run lengths: {remedy}.")
    raise InputError(f"{where} has neither polygons nor run lengths as its segmentation: {remedy}.")


def counts_of(text: bytes) -> list[int] | None:
    """COCO's compressed run lengths as numbers, None if they are damaged (pycocotools would read beyond the end).

    A character, less 48, holds five bits, and a sixth bit that tells whether more follow. From the fourth run on, a
    number is the difference to the run two before it.
    """
    runs: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        while True:
            if position >= len(text) or not 0 <= (digit := text[position] - 48) < 64 or shift > 60:  # noqa: PLR2004  # six bits, 64 in all
                return None
            value |= (digit & 31) << shift
            shift, position = shift + 5, position + 1
            if not digit & 32:
                value -= (1 << shift) if digit & 16 else 0
                break
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # noqa: PLR2004  # from the fourth run on
        if runs[-1] < 0:
            return None
    return runs


def rle_of(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}
