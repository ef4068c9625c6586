"""What containers of samples (Parquet files, tar shards) share: names, splits and images inside, JSON files beside."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import write_json
from handsoff.core.images import decode_image, shows_itself
from handsoff.datasets.sources import Source
from handsoff.formats.manifest import nearest_json
from handsoff.formats.samples import LabelledImage
from handsoff.tasks import make_task, task_type
from handsoff.tasks.base import Parse, Task

SIGNS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"RIFF": ".webp"}  # how images that may be copied begin
UNFIT = re.compile(
    "[\x00-\x1f\\\\\ud800-\udfff]"
)  # control characters, what leads elsewhere on Windows, what is no Unicode
NUMBER = re.compile(r"[-_.]?\d{4,}")  # of a shard, after its split


def load_image_bytes(data: bytes, name: str, where: str) -> LabelledImage:
    """A sample without labels from the bytes of its image.

    Raises:
        InputError: they are not a whole image.
    """
    image = decode_image(data, where)
    suffix = next((suffix for sign, suffix in SIGNS.items() if data.startswith(sign)), "")
    return LabelledImage(name, image, {}, f"{name}{suffix}", data if suffix and shows_itself(data) else b"")


def split_of(name: str, otherwise: str) -> str:
    """The split of a sample as a word: its first folder."""
    return re.sub(r"\W+", "_", name.rpartition("/")[0].partition("/")[0]).strip("_") or otherwise


def split_in(file: str, otherwise: str) -> str:
    """The split that the name of a shard tells: train-00000-of-00002, or train/00000."""
    place = PurePosixPath(file)
    return re.sub(r"\W+", "_", NUMBER.split(place.stem)[0] or place.parent.name).strip("_") or otherwise


def full_name(name: str, file: str, otherwise: str) -> str:
    """What a sample is called in the dataset: as in its shard, below the shard's split unless that is there already.

    Raises:
        InputError: no file can be called so.
    """
    parts = name.split("/")
    if (
        not all(parts) or any(part.startswith((".", "__MACOSX")) for part in parts) or UNFIT.search(name)
    ):  # hidden files are not listed
        raise InputError(
            f"{file} has a sample called {name!a}, which no file can be called: give it a path such as train/0001."
        )
    split = split_in(file, otherwise)
    return name if split_of(name, otherwise) == split else f"{split}/{name}"


def declare_tasks(source: Source, examples: Mapping[str, Any]) -> tuple[dict[str, Task], dict[str, Parse]]:
    """The tasks of a dataset from the cards beside its containers (`classes.json`, …), and how to read their labels.

    Args:
        source: the dataset.
        examples: task → the label of one sample where it is a JSON entry, else None.

    Raises:
        InputError: a card is missing or wrong.
    """
    tasks: dict[str, Task] = {}
    parses: dict[str, Parse] = {}
    for name, example in examples.items():
        kind = task_type(name)
        card, where = card_of(source, kind)
        tasks[name] = make_task(name, kind.declare(card, where, {}, example))
        parses[name] = tasks[name].storage.bind(card, where, kind.locations[0])
    return tasks, parses


def card_of(source: Source, kind: type[Task]) -> tuple[Any, str]:
    """What a dataset says about its labels of a task, in the task's own card or another tool's, and where."""
    card, where = nearest_json(source, kind.card)
    if card is not None:
        return card, where
    for file, translated in kind.card_variants.items():
        other, place = nearest_json(source, file)
        if other is not None:
            return translated(other, place), place
    return None, where


def points(value: Any, where: str) -> Any:
    """The keypoints of a sample that a task is declared by.

    Raises:
        InputError: `value` is not a list, or is empty.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is not a list of [x, y] or [x, y, visibility]: correct it.")
    return value


def write_cards(out: Path, tasks: Mapping[str, Task]) -> None:
    """What the labels mean, for `declared`."""
    for task in tasks.values():
        for file, content in task.storage.cards().items():
            write_json(out / file, content)
