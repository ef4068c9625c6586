"""DeepFashion-MultiModal as published (its README); only read.

Images are `images/NAME.jpg`, masks `segm/NAME_segm.png`. In `keypoints/`, a line of `keypoints_loc.txt` is NAME.jpg x1
y1 … x21 y21, and a line of `keypoints_vis.txt` is NAME.jpg v1 … v21, where 0 is visible, 1 hidden and 2 not in the
image.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float32, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE, decode_mask
from handsoff.datasets.sources import Source
from handsoff.formats.notes import counted
from handsoff.formats.samples import Dataset, LabelledImage, load_image
from handsoff.formats.trees import check_label_size, files_like, paired, text_lines, unpaired
from handsoff.tasks import make_task
from handsoff.tasks.mirror import mirrored_names

CLASSES = (
    "background", "top", "outer", "skirt", "dress", "pants", "leggings", "headwear", "eyeglass", "neckwear", "belt",
    "footwear", "bag", "hair", "face", "skin", "ring", "wrist wearing", "socks", "gloves", "necklace", "rompers",
    "earrings", "tie",
)  # fmt: skip
POINTS = (  # in the order of the authors' figure; left and right are the person's
    "head_top", "right_ear", "right_eye", "left_eye", "left_ear", "nose", "chin", "right_shoulder", "left_shoulder",
    "right_waist", "left_waist", "right_elbow", "left_elbow", "right_wrist", "right_hip", "left_hip", "left_wrist",
    "right_knee", "left_knee", "right_foot", "left_foot",
)  # fmt: skip
IMAGE = re.compile(r"(?:.*/)?images?/(?P<name>[^/]+)\.(?i:jpg|jpeg|png|webp)")
MASK = re.compile(r"(?:.*/)?segm/(?P<name>[^/]+)_segm\.png")
TEXT = re.compile(r"(?:.*/)?(?P<name>keypoints_(?:loc|vis))\.txt")
VISIBILITY = {"0": 2.0, "1": 1.0, "2": 0.0}
FIGURES = 24  # the most characters of a coordinate

Line = tuple[int, list[str]]  # the line's number, and its words after the name


@dataclass(frozen=True)
class Points:
    """The lines of both files, for every image that is in both.

    Attributes:
        lines: image without suffix → its line of coordinates and its line of visibilities.
        loc: path of the file of coordinates, for error messages; `vis` likewise.
    """

    lines: Mapping[str, tuple[Line, Line]]
    loc: str
    vis: str


def recognises(source: Source) -> bool:
    """Whether there are images, and masks or both files of keypoints, as published: in folders or still in zips."""
    files = source.sizes
    labelled = any(map(MASK.fullmatch, files)) or sum(TEXT.fullmatch(file) is not None for file in files) == 2  # noqa: PLR2004  # loc and vis
    return (labelled and any(map(IMAGE.fullmatch, files))) or is_zipped(source)


def is_zipped(source: Source) -> bool:
    return "images.zip" in source.sizes and ("segm.zip" in source.sizes or "keypoints.zip" in source.sizes)


def read(source: Source) -> Dataset:
    """The images that have a mask, with keypoints if all of them have them.

    Where no image has a mask, the images that have keypoints.

    Raises:
        InputError: no image has a label, the images are still in their zip, a line of keypoints is not complete, two
            files have the same name, or a name is not Unicode.
    """
    images, masks = files_like(source, IMAGE), files_like(source, MASK)
    if is_zipped(source) and not images:
        raise InputError(
            f"{source.path} holds images.zip and others: unpack them there, so that there is images/ and segm/ or "
            "keypoints/."
        )
    points = points_of(source)
    segmented = images.keys() & masks.keys()
    names = paired(source, images, masks if segmented or points is None or not points.lines else points.lines)
    tasks = {}
    if segmented:
        tasks["segmentation"] = make_task("segmentation", {"classes": list(CLASSES)})
    if points is not None and points.lines.keys() >= set(names):
        pairs = [[a, b] for a, b in enumerate(mirrored_names(POINTS)) if a < b]
        tasks["keypoints"] = make_task("keypoints", {"names": list(POINTS), "mirror": pairs})

    def read_image(name: str) -> LabelledImage:
        sample = load_image(source, images[name], name)
        if "segmentation" in tasks:
            sample.labels["segmentation"] = classes_in(source, masks[name], sample.size)
        if "keypoints" in tasks:
            assert points is not None  # noqa: S101  # for mypy
            sample.labels["keypoints"] = points_in(points, name, sample.size)
        return sample

    lines = {} if points is None else points.lines
    poses = 0 if "keypoints" in tasks else len(lines)
    notes = (
        *unpaired(source, images, masks if segmented or not lines else lines),
        *counted(source.path, poses, "with keypoints {is} left out: some with a mask have none", "image"),
    )
    return Dataset(names, tasks, read_image, notes=notes)


def classes_in(source: Source, file: str, size: Frame) -> UInt8[np.ndarray, "h w"]:
    where = str(source.path / file)
    mask = decode_mask(source.read(file), where, len(CLASSES))
    check_label_size(mask, size, where)
    strange = mask[(mask >= len(CLASSES)) & (mask != IGNORE)]
    if strange.size:
        raise InputError(
            f"{where} has the id {strange[0]}, which is not among DeepFashion-MultiModal's 0 to {len(CLASSES) - 1}: "
            "restore the published file."
        )
    return mask


def points_of(source: Source) -> Points | None:
    """The lines of both files of keypoints, None where a file is missing."""
    files = files_like(source, TEXT)
    if len(files) < 2:  # noqa: PLR2004  # loc and vis
        return None
    loc, vis = files["keypoints_loc"], files["keypoints_vis"]
    locations, visibility = lines_of(source, loc, 2 * len(POINTS)), lines_of(source, vis, len(POINTS))
    both = {name: (line, visibility[name]) for name, line in locations.items() if name in visibility}
    return Points(both, str(source.path / loc), str(source.path / vis))


def lines_of(source: Source, file: str, count: int) -> dict[str, Line]:
    """Image without suffix → its line.

    Raises:
        InputError: a line does not have `count` words after the name, or two lines are of the same image.
    """
    lines: dict[str, Line] = {}
    for number, line in enumerate(text_lines(source, file), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != count + 1:
            raise InputError(
                f"{source.path / file}, line {number} has {len(words)} words instead of a name and {count} numbers: "
                "restore the published file."
            )
        name = PurePosixPath(words[0]).stem
        if name in lines:
            raise InputError(
                f"{source.path / file}, lines {lines[name][0]} and {number} are both about {words[0]}: keep one of "
                "them."
            )
        lines[name] = number, words[1:]
    return lines


def points_in(points: Points, name: str, size: Frame) -> Float32[np.ndarray, "21 3"]:
    """Keypoints in pixels; those outside the image, such as (-1, -1) for a missing one, get visibility 0.

    Raises:
        InputError: a coordinate is not a number, or a visibility is not 0, 1 or 2.
    """
    (loc, numbers), (vis, codes) = points.lines[name]
    locations = np.array([pixels(word, f"{points.loc}, line {loc}") for word in numbers]).reshape(-1, 2)
    strange = next((code for code in codes if code not in VISIBILITY), None)
    if strange is not None:
        raise InputError(
            f"{points.vis}, line {vis} has the visibility {strange[:40]!r} instead of 0, 1 or 2: restore the "
            "published file."
        )
    seen = np.array([VISIBILITY[code] for code in codes])
    seen[((locations < -0.5) | (locations > np.array([size[1], size[0]]) - 0.5)).any(1)] = 0  # noqa: PLR2004  # half a pixel from centre to edge
    return np.column_stack([locations, seen]).astype(np.float32)


def pixels(word: str, where: str) -> float:
    try:
        value = float(word) if len(word) <= FIGURES else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) < 1e6:  # noqa: PLR2004  # and not NaN either
        raise InputError(f"{where} has {word[:40]!r} where a pixel's number belongs: restore the published file.")
    return value
