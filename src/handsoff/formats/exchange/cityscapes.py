"""Cityscapes as published; only read.

Images are `leftImg8bit/SPLIT/CITY/ID_leftImg8bit.png`. Masks lie in `gtFine` or `gtCoarse`, as `ID_gtFine_labelIds.png`
or `labelTrainIds`. Depth comes from the 16-bit `ID_disparity.png` in `disparity`, where 0 is unknown and any other p is
a disparity of (p - 1) / 256 pixels. Source: its website, and the table of labels in cityscapesScripts.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE, decode_mask
from handsoff.datasets.sources import Source
from handsoff.formats.notes import counted
from handsoff.formats.samples import Dataset, LabelledImage, load_image
from handsoff.formats.trees import check_label_size, files_like, paired, unpaired
from handsoff.tasks import make_task
from handsoff.tasks.base import Task
from handsoff.tasks.depth_files import read_values

CLASSES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
LABELS = 34  # ids from 0 on; the benchmark evaluates those of CLASSES
ENDINGS = ("labelTrainIds", "labelIds")  # a mask of the second replaces one of the first
BASELINE, FOCAL = 0.209313, 2262.52  # metres and pixels, where there is no camera file
LEAST, MOST = 1e-6, 1e6  # bounds on both: anything beyond is a damaged file
STEPS = 256  # values per pixel of disparity
# The signature; then length, type, width and height of the header; then 16 bits.
PNG16 = re.compile(rb"\x89PNG\r\n\x1a\n.{16}\x10", re.DOTALL)


@dataclass(frozen=True)
class Tree:
    """Files by SPLIT/CITY/ID; `tasks` are what all samples have."""

    source: Source
    images: Mapping[str, str]
    masks: Mapping[str, str]
    disparities: Mapping[str, str]
    cameras: Mapping[str, str]
    tasks: Mapping[str, Task]


def files(source: Source, folder: str, ending: str) -> dict[str, str]:
    return files_like(source, re.compile(rf"(?:.*/)?{folder}/(?P<name>[^/]+/[^/]+/[^/]+)_{re.escape(ending)}"))


def recognises(source: Source) -> bool:
    """Whether there are an image in `leftImg8bit/SPLIT/CITY/` and a label in one of the other folders."""
    pattern = r"(?:.*/)?{}/[^/]+/[^/]+/[^/]+_{}\.png"
    image = re.compile(pattern.format("leftImg8bit", "leftImg8bit"))
    label = re.compile(pattern.format("(gtFine|gtCoarse|disparity)", "(labelIds|labelTrainIds|disparity)"))
    return any(map(image.fullmatch, source.sizes)) and any(map(label.fullmatch, source.sizes))


def read(source: Source) -> Dataset:
    """The images that have masks, fine ones rather than coarse ones; with depth if all of them have it.

    Where no image has a mask, the images that have depth.

    Raises:
        InputError: no image has a label, two files have the same name, or a name is not Unicode.
    """
    images = files(source, "leftImg8bit", "leftImg8bit.png")
    masks: dict[str, str] = {}
    for folder in ("gtCoarse", "gtFine"):
        for ending in ENDINGS:
            masks |= files(source, folder, f"{folder}_{ending}.png")
    disparities = files(source, "disparity", "disparity.png")
    segmented = images.keys() & masks.keys()
    names = paired(source, images, masks if segmented or not disparities else disparities)
    tasks: dict[str, Task] = {}
    if segmented:
        tasks["segmentation"] = make_task("segmentation", {"classes": list(CLASSES)})
    if disparities.keys() >= set(names):
        tasks["depth"] = make_task("depth", {"unit": "metres"})
    tree = Tree(source, images, masks, disparities, files(source, "camera", "camera.json"), tasks)
    depths = 0 if "depth" in tasks else len(disparities)
    notes = (
        *unpaired(source, images, masks if segmented or not disparities else disparities),
        *counted(source.path, depths, "{is} left out: some images have none", "disparity map"),
    )
    return Dataset(names, tasks, lambda name: read_image(tree, name), notes=notes)


def read_image(tree: Tree, name: str) -> LabelledImage:
    sample = load_image(tree.source, tree.images[name], name)
    if "segmentation" in tree.tasks:
        sample.labels["segmentation"] = classes_in(tree.source, tree.masks[name], sample.size)
    if "depth" in tree.tasks:
        scale = camera(tree.source, tree.cameras[name]) if name in tree.cameras else BASELINE * FOCAL
        sample.labels["depth"] = depth_in(tree.source, tree.disparities[name], sample.size, scale)
    return sample


def classes_in(source: Source, file: str, size: Frame) -> UInt8[np.ndarray, "h w"]:
    """A mask of the 19 evaluated classes; every other label becomes ignored.

    Raises:
        InputError: the file is not a mask of this size, or has an id that Cityscapes does not have.
    """
    where = str(source.path / file)
    mask = decode_mask(source.read(file), where, LABELS)
    check_label_size(mask, size, where)
    trained = file.endswith("labelTrainIds.png")
    count = len(CLASSES) if trained else LABELS
    strange = mask[(mask >= count) & (mask != IGNORE)]
    if strange.size:
        raise InputError(
            f"{where} has the id {strange[0]}, which is not among Cityscapes' 0 to {count - 1} (and {IGNORE}): "
            "restore the published file."
        )
    table = np.full(256, IGNORE, np.uint8)
    table[list(range(count) if trained else CLASSES.values())] = np.arange(len(CLASSES))
    return table[mask]


def depth_in(source: Source, file: str, size: Frame, scale: float) -> Float32[np.ndarray, "h w"]:
    """Depth in metres: `scale` (baseline in metres · focal length in pixels) divided by the disparity in pixels.

    0 where the disparity is unknown or zero.

    Raises:
        InputError: the file is not a 16-bit PNG of this size, or no pixel has a disparity.
    """
    where = str(source.path / file)
    data = source.read(file)
    if PNG16.match(data) is None:
        raise InputError(
            f"{where} is not a PNG of 16 bits, as Cityscapes' disparities are: restore the published file."
        )
    values = read_values(data, where)
    check_label_size(values, size, where)
    known = values > 1  # 1 is a disparity of zero: infinitely far
    if not known.any():
        raise InputError(f"{where} holds no disparity at all: restore the published file or remove the image.")
    depth = np.zeros(size, np.float32)
    depth[known] = scale * STEPS / (values[known] - 1)
    return depth


def camera(source: Source, file: str) -> float:
    """Baseline in metres · focal length in pixels.

    Raises:
        InputError: the file lacks one of them, or it is out of bounds.
    """
    content = source.json(file)
    return float(
        math.prod(
            stated(content, key, f"{source.path / file}") for key in (("extrinsic", "baseline"), ("intrinsic", "fx"))
        )
    )


def stated(content: object, key: tuple[str, str], where: str) -> float:
    group = content.get(key[0]) if isinstance(content, dict) else None
    value = group.get(key[1]) if isinstance(group, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not LEAST < value < MOST:
        raise InputError(
            f"{where}: {'.'.join(key)} is {value!r:.40}, not a positive number of pixels or metres: restore the "
            "published file."
        )
    return float(value)
