"""Labelled images, one at a time: what every format's reader returns and every format's writer takes."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import COPIED_SUFFIXES, IMAGE_SUFFIXES, decode_image, shows_itself
from handsoff.datasets.corrections import Review
from handsoff.datasets.sources import Source
from handsoff.geometry.views import Box
from handsoff.tasks import TASKS
from handsoff.tasks.base import Label, Task

SPLIT = re.compile(  # the usual splits, as words of a name: train2017, images_val, testing
    r"(?<![^\W\d_])(train|val|test)(?:ing|id|idation)?(?:set)?(?![^\W\d_])"
)
Entry = dict[str, Any]  # what a writer needs of a labelled image to finish the dataset, as JSON


@dataclass(frozen=True)
class LabelledImage:
    """One image with its labels.

    Attributes:
        name: posix path without suffix, unique in its dataset; its first folder is the split (train/0001).
        image: upright, RGB, 0 to 255.
        labels: task → label of the image's size, as that task stores them in memory.
        file: the image's file in its source, "" where there is none.
        data: that file's bytes where they decode to exactly `image` and may be copied; else empty.
        box: the box around the objects by the annotations, None where they have none.
        account: how the image was made (such as where it was cropped from), as JSON; kept by formats that can.
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
    """A labelled dataset of any format, whose images and labels are read on demand.

    Attributes:
        names: of all labelled images, sorted.
        tasks: name → task of the labels.
        read: name → labelled image; raises InputError for a damaged or contradictory file, naming the line or key.
        licence: of the images, "" where it is unknown.
        about: how the dataset was made, as its card says it; "" where there is no such account.
        synthetic: whether a generator made the images.
        notes: what was left out or read in a way that the user should know of, a sentence each, with numbers.
        review: what a person did with it, None where nobody did or that is not to count.
        queue: the samples that nobody decided about, the most uncertain first; empty where uncertainty is not known.
    """

    names: tuple[str, ...]
    tasks: Mapping[str, Task]
    read: Callable[[str], LabelledImage]
    licence: str = ""
    notes: tuple[str, ...] = ()
    about: str = ""
    synthetic: bool = False
    review: Review | None = None
    queue: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Dataset({len(self.names)} samples, {', '.join(self.tasks)})"


@dataclass(frozen=True)
class FormatReader:
    """How a format is read: functions of its module in `exchange`."""

    title: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Dataset]


@dataclass(frozen=True)
class Writing:
    """What a writer needs besides the labelled images.

    Attributes:
        names: of all labelled images, in order.
        instances: whether every connected part of a class is an object of its own, in formats that count objects.
        licence: of the images, "" where it is unknown.
        about: how the dataset was made, as Markdown for a dataset card; "" where that is unknown.
        prefix: where the dataset will lie below the root of the files that Label Studio serves.
        synthetic: whether a generator made the images.
        queued: whether the images wait for somebody to look at them.
    """

    tasks: Mapping[str, Task]
    names: tuple[str, ...]
    instances: bool = False
    licence: str = ""
    about: str = ""
    prefix: str = ""
    synthetic: bool = False
    queued: bool = False


@dataclass(frozen=True)
class FormatWriter:
    """How a format is written: `write` once per part of the images (or again, after an interruption), then `finish`.

    The same images and labels give the same bytes. Paths inside the output are relative, so that it may be moved.

    Attributes:
        check: refuses, with an InputError, names of samples, classes and points that its reader would not give back.
        only: the tasks that it can hold, None for all.
        alone: whether a dataset can hold only one of them.
        ignores: whether it can mark pixels as ignored.
    """

    title: str
    write: Callable[[Path, int, Iterable[LabelledImage], Writing], list[Entry]]  # out, number of the part, its samples
    finish: Callable[[Path, list[Entry], Writing], None]
    only: tuple[str, ...] | None = None
    alone: bool = False
    ignores: bool = True
    check: Callable[[Sequence[str], Mapping[str, Task]], None] = lambda names, tasks: None  # noqa: ARG005  # most take all names

    @property
    def holds(self) -> tuple[str, ...]:
        """The tasks that it can hold."""
        return tuple(TASKS) if self.only is None else self.only


def load_image(source: Source, file: str, name: str) -> LabelledImage:
    """The image, without labels yet.

    Raises:
        InputError: the file is not an image, or damaged.
    """
    data = source.read(file)
    image = decode_image(data, str(source.path / file))
    return LabelledImage(name, image, {}, file, data if is_copied(file, data) else b"")


def is_copied(file: str, data: bytes) -> bool:
    """Whether writers may take an image's file as it is: it shows just the image, in every tool."""
    return PurePosixPath(file).suffix.lower() in COPIED_SUFFIXES and shows_itself(data)


def without_suffix(path: str) -> str:
    """The path without the suffix of an image; any other dot belongs to the name (cam.0001)."""
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix) if suffix.lower() in IMAGE_SUFFIXES else path


def alike(name: str) -> str:
    """The name in lower case and in the Unicode form NFC: tools and file systems change both."""
    return unicodedata.normalize("NFC", name).lower()


def images_by_name(source: Source, taken: Collection[str] = ()) -> dict[str, list[str]]:
    """File name, made `alike`, with and without suffix → the images of that name. See `find_image`.

    A folder's name with a slash after it → the images below folders of that name.

    Args:
        source: where the images lie.
        taken: images that nothing else may be found as: only their folders are known.
    """
    found: dict[str, list[str]] = {}
    for file in source.sizes:
        path = PurePosixPath(file)
        if path.suffix.lower() in IMAGE_SUFFIXES:
            named = () if file in taken else (alike(path.name), alike(path.stem))
            for key in dict.fromkeys((*named, *(f"{alike(folder)}/" for folder in path.parts[:-1]))):
                found.setdefault(key, []).append(file)
    return found


def images_named(images: Mapping[str, list[str]], name: str) -> list[str]:
    """The images of this name, up to case and Unicode form; any suffix may follow where it has no image's suffix."""
    files = images.get(alike(name), [])
    if without_suffix(name) != name:  # else a.jpg would find a.jpg.png
        return [file for file in files if alike(PurePosixPath(file).name) == alike(name)]
    return files


def find_image(source: Source, images: Mapping[str, list[str]], asked: str, where: str, folder: str = "") -> str:
    """The image that an annotation refers to as `asked` (any path): the one whose path has the longest common ending.

    The file's name must be the one that is asked for; where that has no image's suffix, any such suffix may follow.
    Upper and lower case and the Unicode form (NFC, NFD) decide only between several. An image of another split or
    folder is not taken instead, see `astray`.

    Args:
        source: where the image lies.
        images: of `images_by_name`.
        asked: as the annotation writes it.
        where: the annotation, for error messages.
        folder: in which `asked` most likely lies.

    Raises:
        InputError: no image has that name, only one of another split or folder has, or several match equally well.
    """
    wanted = (*path_parts(folder), *path_parts(asked))
    named = images_named(images, wanted[-1]) if path_parts(asked) else []
    if not named:
        raise InputError(
            f"{where} refers to the image {asked!r}, which is not in {source.path}{similar(images, asked)}: put it "
            "beside the annotations, or correct the name."
        )
    own = [file for file in named if not astray(images, wanted, file)]
    if not own:
        home = f" of {folder}" if folder else ""
        raise InputError(
            f"{where} refers to the image {asked!r}{home}, and {source.path} only has {named[0]}, which is that of "
            "another folder: put the missing image beside the others, or correct the name."
        )
    best = max(agreement(wanted, file) for file in own)
    fitting = [file for file in own if agreement(wanted, file) == best]
    if len(fitting) > 1:
        forms = " (their letters are stored in different Unicode forms)" if len(set(map(alike, fitting))) == 1 else ""
        raise InputError(
            f"{where} refers to the image {asked!r}, and {source.path} has several ({fitting[0]}, {fitting[1]})"
            f"{forms}: keep one or give longer paths."
        )
    return fitting[0]


def agreement(wanted: Sequence[str], file: str) -> tuple[int, int]:
    """How many parts of two paths agree, from the end on, up to case and Unicode form; and how many exactly."""
    parts = PurePosixPath(file).parts
    if alike(parts[-1]) != alike(wanted[-1]):
        parts = (*parts[:-1], PurePosixPath(file).stem)
    pairs = list(zip(reversed(parts), reversed(wanted), strict=False))
    same = list(itertools.takewhile(lambda pair: alike(pair[0]) == alike(pair[1]), pairs))
    return len(same), sum(one == other for one, other in same)


def astray(images: Mapping[str, list[str]], wanted: Sequence[str], file: str) -> bool:
    """Whether an image of the right name belongs to another split or folder than the one that is wanted.

    It does where it leaves out a folder of the wanted path that other images do lie in, and where both paths name
    splits, but different ones (train, val2017). Images at the top, and in folders that no annotation speaks of, may
    stand in for those that are wanted.
    """
    held, same = [alike(part) for part in PurePosixPath(file).parts[:-1]], agreement(wanted, file)[0]
    missed = [part for part in map(alike, wanted[:-same]) if part not in held]
    if len(held) < same:  # all of its path is what is asked for
        return False
    splits, asked = splits_named(held), splits_named(wanted[:-1])
    return any(f"{part}/" in images for part in missed) or bool(splits and asked and splits.isdisjoint(asked))


def splits_named(names: Iterable[str]) -> set[str]:
    """The usual splits (train, val, test) that folders or files are called after."""
    return {split for name in names for split in SPLIT.findall(alike(name))}


def path_parts(path: str) -> tuple[str, ...]:
    """Folders and name of any path, also of Windows."""
    return tuple(part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", "//", ".", ".."))


def similar(images: Mapping[str, list[str]], asked: str) -> str:
    """What to say of an image that has the same name up to the suffix."""
    parts = path_parts(asked)
    near = images.get(alike(without_suffix(parts[-1])), []) if parts else []
    return f" (but {near[0]} is)" if near else ""
