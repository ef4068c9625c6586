"""Labelled images of any format, one at a time: what every reader gives and every writer takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IMAGE_SUFFIXES, decode_image, shows_itself
from handsoff.datasets.sources import Source
from handsoff.geometry.views import Box
from handsoff.tasks import TASKS
from handsoff.tasks.base import Label, Task

Entry = dict[str, Any]  # what a writer must remember of a sample to finish, as JSON


@dataclass(frozen=True)
class LabelledImage:
    """One image with its labels.

    Attributes:
        name: posix path without suffix, unique in its dataset; a split is its first folder (train/0001).
        image: upright.
        labels: task → label of the image's size, as that task stores them in memory.
        file: the image's file in its source, "" where it came from none.
        data: that file's bytes where they show exactly `image`, so that they may be copied; else empty.
        box: what the annotations say surrounds the objects, None where they say nothing.
        account: what a format with room for it should remember (such as where the image was cropped from), as JSON.
    """

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    labels: dict[str, Label]
    file: str = ""
    data: bytes = b""
    box: Box | None = None
    account: Entry = field(default_factory=dict)

    @property
    def size(self) -> Frame:
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Dataset:
    """A labelled dataset of any format, nothing of it read yet.

    Attributes:
        names: in the order of the dataset (sorted).
        tasks: what the labels mean.
        read: name → sample; raises InputError where it is not whole or contradicts itself, naming the file and
            its line or key.
        licence: the terms of the images, "" where the dataset says nothing.
    """

    names: tuple[str, ...]
    tasks: Mapping[str, Task]
    read: Callable[[str], LabelledImage]
    licence: str = ""


@dataclass(frozen=True)
class FormatReader:
    """How a format is read: two functions of a module of `exchange`."""

    title: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Dataset]


@dataclass(frozen=True)
class Writing:
    """What a writer needs to know besides the samples.

    Attributes:
        names: of all samples, in order.
        instances: whether every connected part of a class is an object of its own, in formats that count objects.
        licence: the terms of the images, "" where nobody said.
    """

    tasks: Mapping[str, Task]
    names: tuple[str, ...]
    instances: bool = False
    licence: str = ""


@dataclass(frozen=True)
class FormatWriter:
    """How a format is written: `write` per part of the samples (perhaps again), `finish` once after the last.

    The same samples give the same bytes. Paths inside the output are relative, so that it may be moved.

    Attributes:
        only: the tasks it has room for, None if it has room for all.
        alone: whether it has room for one of them only.
        ignores: whether it can say that a pixel is to be ignored.
    """

    title: str
    write: Callable[[Path, int, Iterable[LabelledImage], Writing], list[Entry]]  # out, number of the part, its samples
    finish: Callable[[Path, list[Entry], Writing], None]
    only: tuple[str, ...] | None = None
    alone: bool = False
    ignores: bool = True

    @property
    def holds(self) -> tuple[str, ...]:
        """The tasks it has room for."""
        return tuple(TASKS) if self.only is None else self.only


def load_image(source: Source, file: str, name: str) -> LabelledImage:
    """The image of a sample, without labels yet.

    Raises:
        InputError: it is not a whole image.
    """
    data = source.read(file)
    image = decode_image(data, str(source.path / file))
    return LabelledImage(name, image, {}, file, data if shows_itself(data) else b"")


def images_by_name(source: Source) -> dict[str, list[str]]:
    """File name in lower case, with and without suffix → images called so, to find what annotations refer to."""
    found: dict[str, list[str]] = {}
    for file in source.sizes:
        place = PurePosixPath(file)
        if place.suffix.lower() in IMAGE_SUFFIXES:
            for key in dict.fromkeys((place.name.lower(), place.stem.lower())):
                found.setdefault(key, []).append(file)
    return found


def find_image(source: Source, images: Mapping[str, list[str]], asked: str, where: str) -> str:
    """The image that an annotation calls `asked` (any path): the one whose path agrees longest from the end.

    Raises:
        InputError: there is none, or several fit equally well.
    """
    wanted = [part for part in PurePosixPath(asked.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    named = images.get(wanted[-1].lower(), []) if wanted else []
    if not named:
        raise InputError(
            f"{where} refers to the image {asked!r}, which is not in {source.path}: put it beside the annotations."
        )

    def agreement(file: str) -> int:
        parts = PurePosixPath(file).parts
        count = 0
        while count < min(len(parts), len(wanted)) and parts[-1 - count].lower() == wanted[-1 - count].lower():
            count += 1
        return count

    best = max(map(agreement, named))
    fitting = [file for file in named if agreement(file) == best]
    if len(fitting) > 1:
        raise InputError(
            f"{where} refers to the image {asked!r}, and {source.path} has several ({fitting[0]}, {fitting[1]}): "
            "keep one or give longer paths."
        )
    return fitting[0]
