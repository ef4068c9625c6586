"""What readers of published datasets share: files by patterns, pairs of image and label, lines, sizes."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.sources import Source
from handsoff.formats.notes import counted

LOOKED_AT = 2**16  # bytes of a text's first line


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


def folders_apart(files: Sequence[str], unnamed: Collection[str] = ()) -> dict[str, str]:
    """File → its folders (A/B, or "") without those at the top and at the end that all of the files have in common.

    Args:
        files: paths in the dataset.
        unnamed: folders that say nothing.
    """
    folders = [[part for part in file.split("/")[:-1] if part not in unnamed] for file in files]
    lead = shared(folders)
    tail = shared([parts[lead:][::-1] for parts in folders])
    return {file: "/".join(parts[lead : len(parts) - tail]) for file, parts in zip(files, folders, strict=True)}


def shared(lists: Sequence[Sequence[str]]) -> int:
    """How many first entries all lists have in common."""
    columns = zip(*lists, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))


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


def mentions(source: Source, file: str, *words: bytes) -> bool:
    """Whether a file holds all these words, in UTF-8 or UTF-16, whole or damaged. False where it cannot be read."""
    try:
        data = source.read(file)
    except InputError:
        return False
    plain = data.replace(b"\0", b"") if b"\0" in data[:64] else data
    return all(word in plain for word in words)


def holds_rows(source: Source, file: str) -> bool:
    """Whether the first line of a text is a class and at least four coordinates, as in YOLO's label files."""
    try:
        line = next((line for line in source.read(file)[:LOOKED_AT].split(b"\n") if line.strip()), b"")
        values = [float(text) for text in line.split()]
    except (ValueError, InputError):
        return False
    return len(values) > 4 and values[0] >= 0 and values[0].is_integer()  # noqa: PLR2004  # of a box


def unpaired(source: Source, images: Mapping[str, str], labels: Mapping[str, object]) -> tuple[str, ...]:
    """Images without labels and labels without images, which are left out, with numbers."""
    bare, orphans = sorted(images.keys() - labels.keys()), sorted(labels.keys() - images.keys())
    return (
        *counted(source.path, len(bare), f"{{has}} no label, and {{is}} left out ({', '.join(bare[:1])})", "image"),
        *counted(source.path, len(orphans), f"{{has}} labels but is not there ({', '.join(orphans[:1])})", "image"),
    )


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
