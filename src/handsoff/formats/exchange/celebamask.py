"""CelebAMask-HQ as published; only read.

Images are `CelebA-HQ-img/N.jpg`. Every part of a face has a mask of 512 × 512 pixels of its own,
`CelebAMask-HQ-mask-anno/K/NNNNN_PART.png`, with 2,000 images to a folder K. Source: its README, and its preprocessing
for the order in which parts are painted.
"""

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import decode_mask
from handsoff.datasets.sources import Source
from handsoff.formats.samples import Dataset, LabelledImage, load_image
from handsoff.formats.shapes import BACKGROUND
from handsoff.formats.trees import check_label_size, files_like, paired, unpaired
from handsoff.tasks import make_task

PARTS = {  # part in the file's name → class here; painted in this order, so that hair covers skin and a hat covers hair
    "skin": "skin", "nose": "nose", "eye_g": "glasses", "l_eye": "left_eye", "r_eye": "right_eye",
    "l_brow": "left_brow", "r_brow": "right_brow", "l_ear": "left_ear", "r_ear": "right_ear", "mouth": "mouth",
    "u_lip": "upper_lip", "l_lip": "lower_lip", "hair": "hair", "hat": "hat", "ear_r": "earring", "neck_l": "necklace",
    "neck": "neck", "cloth": "cloth",
}  # fmt: skip
CLASSES = (BACKGROUND, *PARTS.values())
DIGITS = 5  # of the number in the name of a mask, and in the name of a sample
IMAGE = re.compile(r"(?:.*/)?CelebA-HQ-img/(?P<name>\d{1,9})\.(?i:jpg|jpeg|png|webp)", re.ASCII)
MASK = re.compile(r"(?:.*/)?CelebAMask-HQ-mask-anno/\d{1,9}/(?P<name>\d{1,9}_\w+)\.png", re.ASCII)

Parts = dict[str, str]  # part → file


def recognises(source: Source) -> bool:
    """Whether there are an image and a mask in the published folders."""
    return any(map(IMAGE.fullmatch, source.sizes)) and any(map(MASK.fullmatch, source.sizes))


def read(source: Source) -> Dataset:
    """The images that have a mask of any part, their numbers with five digits as names.

    Raises:
        InputError: no image has a mask, a mask's part is not in `PARTS`, two files are of the same image or part, or a
            name is not Unicode.
    """
    images: dict[str, str] = {}
    for number, file in files_like(source, IMAGE).items():
        if (name := f"{int(number):0{DIGITS}d}") in images:
            raise InputError(
                f"{source.path} holds both {images[name]} and {file}, which have one number: keep one of them."
            )
        images[name] = file
    masks: dict[str, Parts] = {}
    for key, file in files_like(source, MASK).items():
        number, _, part = key.partition("_")
        if part not in PARTS:
            raise InputError(
                f"{source.path / file} is the mask of {part!r}, which is no part of CelebAMask-HQ "
                f"({', '.join(PARTS)}): rename or remove it."
            )
        parts = masks.setdefault(f"{int(number):0{DIGITS}d}", {})
        if part in parts:
            raise InputError(
                f"{source.path} holds both {parts[part]} and {file}, which are the same part: keep one of them."
            )
        parts[part] = file
    names = paired(source, images, masks)
    task = make_task("segmentation", {"classes": list(CLASSES)})
    return Dataset(
        names,
        {"segmentation": task},
        lambda name: read_image(source, images[name], masks[name], name),
        notes=unpaired(source, images, masks),
    )


def read_image(source: Source, image: str, parts: Parts, name: str) -> LabelledImage:
    sample = load_image(source, image, name)
    sample.labels["segmentation"] = enlarge(
        merge_parts(source, parts), sample.size, str(source.path / next(iter(parts.values())))
    )
    return sample


def merge_parts(source: Source, parts: Mapping[str, str]) -> UInt8[np.ndarray, "h w"]:
    """One mask of all parts; later parts of `PARTS` cover earlier ones.

    Raises:
        InputError: a mask cannot be read, or is not as large as the others.
    """
    mask: UInt8[np.ndarray, "h w"] | None = None
    for index, part in enumerate(PARTS, start=1):
        if part in parts:
            where = str(source.path / parts[part])
            there = decode_mask(source.read(parts[part]), where, 1) > 0
            mask = np.zeros(there.shape, np.uint8) if mask is None else mask
            if there.shape != mask.shape:
                raise InputError(
                    f"{where} is {there.shape[0]}x{there.shape[1]} pixels, masks of the same image "
                    f"{mask.shape[0]}x{mask.shape[1]}: restore it."
                )
            mask[there] = index
    assert mask is not None  # noqa: S101  # for mypy: only images with parts are read
    return mask


def enlarge(mask: UInt8[np.ndarray, "h w"], size: Frame, where: str) -> UInt8[np.ndarray, "H W"]:
    """The mask with every pixel repeated until it is as large as its image.

    Raises:
        InputError: the image's height or width is not the same whole multiple of the mask's.
    """
    times = max(1, size[0] // mask.shape[0])
    larger = mask.repeat(times, 0).repeat(times, 1)
    check_label_size(larger, size, f"{where} ({times} times enlarged)" if times > 1 else where)
    return larger
