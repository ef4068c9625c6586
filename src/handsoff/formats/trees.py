"""What readers of published datasets share: files by patterns, pairs of image and label, lines, sizes."""

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.sources import Source


def files_like(source: Source, pattern: re.Pattern[str]) -> dict[str, str]:
    """The pattern's group `name` → the file whose whole path matches the pattern.

    Raises:
        InputError: two files have the same name, or a name is not Unicode.
    """
    files: dict[str, str] = {}
    for file in source.sizes:
        found = pattern.fullmatch(file)
        if found is None:
            continue
        # Python decodes bytes that are not UTF-8 to surrogates.
        if not file.isascii() and any("\ud800" <= letter <= "\udfff" for letter in file):
            raise InputError(f"{source.path} holds the file {file!a}, whose name is not valid UTF-8: rename it.")
        if found["name"] in files:
            raise InputError(f"{source.path} holds both {files[found['name']]} and {file}: keep one of them.")
        files[found["name"]] = file
    return files


def paired(source: Source, images: Mapping[str, str], labels: Mapping[str, object]) -> tuple[str, ...]:
    """The names of the images that have a label, sorted.

    Raises:
        InputError: no image has a label.
    """
    names = tuple(sorted(images.keys() & labels.keys()))
    if not names:
        image, label = next(iter(images), "none"), next(iter(labels), "none")
        raise InputError(
            f"{source.path} has no image with a label (the first image is {image}, the first label {label}): give both."
        )
    return names


def text_lines(source: Source, file: str) -> list[str]:
    """The lines of a text file in UTF-8, without line breaks.

    Raises:
        InputError: the file is not UTF-8.
    """
    try:
        text = source.read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source.path / file} is not a text in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8."
        ) from None
    return [line.removesuffix("\r") for line in text.split("\n")]


def check_label_size(values: Shaped[np.ndarray, "h w ..."], size: Frame, where: str) -> None:
    """Check that a label is as large as its image.

    Raises:
        InputError: the sizes differ.
    """
    if values.shape[:2] != size:
        sizes = f"{values.shape[0]}x{values.shape[1]} pixels, its image {size[0]}x{size[1]} (upright)"
        raise InputError(f"{where} is {sizes}: make it as large as the image.")
