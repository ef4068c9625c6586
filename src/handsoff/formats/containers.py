"""What containers of samples (Parquet files, tar shards) have in common: names, splits and images inside them, and JSON files beside them."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import write_json
from handsoff.core.images import IGNORE, decode_image, shows_itself
from handsoff.datasets.sources import Source
from handsoff.formats.samples import LabelledImage
from handsoff.formats.stated import beside
from handsoff.tasks import task_type
from handsoff.tasks.base import Task

SIGNS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"RIFF": ".webp"}  # how images that may be copied begin
CLASSES = "id2label.json"  # {"0": "background", …}, as datasets on the Hugging Face hub say it
UNFIT = re.compile(
    "[\x00-\x1f\\\\\ud800-\udfff]"
)  # control characters, what leads elsewhere on Windows, what is no Unicode
NUMBER = re.compile(r"[-_.]?\d{4,}")  # of a shard, after its split


def pictured(data: bytes, name: str, where: str) -> LabelledImage:
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
    """What a sample is called in the pack: as in its shard, below the shard's split unless that is there already.

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


def described(source: Source, examples: Mapping[str, Any]) -> dict[str, Task]:
    """The tasks of a pack from the cards beside its containers (`classes.json`, …); of classes also from `id2label.json`.

    Args:
        source: the pack.
        examples: task → the label of one sample where it is a JSON entry, else None.

    Raises:
        InputError: a card is wrong, or the classes have no names.
    """
    tasks: dict[str, Task] = {}
    for name, example in examples.items():
        card, where = beside(source, task_type(name).card)
        if card is None and name == "segmentation":
            table, place = beside(source, CLASSES)
            card, where = (None, where) if table is None else (listed(table, place), place)
        tasks[name] = task_type(name).described(card, where, {}, example)
    return tasks


def listed(table: Any, where: str) -> list[Any]:
    """`id2label.json` as a list, position = id; ids that it leaves out get a name of their own.

    Raises:
        InputError: its keys are not ids of an 8-bit mask.
    """
    ids = {key for key in table if key.isdecimal() and int(key) <= IGNORE} if isinstance(table, dict) else set()
    if not ids or ids != table.keys():
        raise InputError(
            f'{where} is not a table of the ids 0 to {IGNORE} and their names: write {{"0": "background", …}}.'
        )
    names = {int(key): name for key, name in table.items() if int(key) != IGNORE}
    return [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]


def points(value: Any, where: str) -> Any:
    """The keypoints of a sample as a task is described by them.

    Raises:
        InputError: they are none.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is not a list of [x, y] or [x, y, visibility]: correct it.")
    return value


def write_cards(out: Path, tasks: Mapping[str, Task]) -> None:
    """What the labels mean, for `described`."""
    for task in tasks.values():
        for file, content in task.cards().items():
            write_json(out / file, content)
