"""What Parquet files and tar shards share: names, splits and images inside, the tasks' JSON cards beside."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import write_json
from handsoff.core.images import decode_image, shows_itself
from handsoff.datasets.sources import Source
from handsoff.formats.samples import LabelledImage
from handsoff.tasks import make_task, task_type
from handsoff.tasks.base import Parse, Task

SIGNS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"RIFF": ".webp"}  # first bytes of images that may be copied → suffix
# Control characters, backslashes, surrogates: not allowed in file names.
UNFIT = re.compile("[\x00-\x1f\\\\\ud800-\udfff]")
# The number of a shard, at the end of its name, or as Spark writes it (part-00000-1b2c-c000.snappy).
NUMBER = re.compile(r"((?:^|[-_.])\d+|\d{3,})([-_]of[-_]\d+.*)?$|(?<=^part)-\d{5}-.*$")


def load_image_bytes(data: bytes, name: str, where: str) -> LabelledImage:
    """The image from its bytes, without labels yet.

    Raises:
        InputError: the bytes are not an image, or damaged.
    """
    image = decode_image(data, where)
    suffix = next((suffix for sign, suffix in SIGNS.items() if data.startswith(sign)), "")
    return LabelledImage(name, image, {}, f"{name}{suffix}", data if suffix and shows_itself(data) else b"")


def split_of(name: str, otherwise: str) -> str:
    """The split of a sample, its first folder, made a word; `otherwise` without one."""
    return re.sub(r"\W+", "_", name.rpartition("/")[0].partition("/")[0]).strip("_") or otherwise


def split_in(file: str, otherwise: str) -> str:
    """The split in the name of a shard (train-00000-of-00002, train-000, train/00000), made a word; else `otherwise`.

    Only the last number is the shard's: voc2012_train is a split.
    """
    path = PurePosixPath(file)
    number = NUMBER.search(path.stem)
    split = path.stem[: number.start()] if number else path.stem
    return re.sub(r"\W+", "_", split or path.parent.name).strip("_") or otherwise


def full_name(name: str, file: str, otherwise: str) -> str:
    """The name of a sample: as in its shard, with the shard's split in front unless the name begins with it.

    Raises:
        InputError: the name cannot be a file's name.
    """
    if not fits(name):
        raise InputError(
            f"{file} has a sample called {name!a}, which no file can be called: give it a path such as train/0001."
        )
    split = split_in(file, otherwise)
    return name if split_of(name, otherwise) == split else f"{split}/{name}"


def fits(name: str) -> bool:
    """Whether a sample can be called so: a path below a folder that is written and listed on any machine."""
    parts = name.split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)  # sources do not list hidden files
    return all(parts) and not hidden and not UNFIT.search(name)


def refuse_unfit(names: Sequence[str], tasks: Mapping[str, Task]) -> None:  # noqa: ARG001  # cards are JSON, with any classes
    """Refuse to write samples that could not be read again.

    Raises:
        InputError: a name cannot be a file's name.
    """
    strange = next((name for name in names if not fits(name)), None)
    if strange is not None:
        raise InputError(
            f"The sample {strange!a} cannot be written to Parquet files or tar shards, whose names hold no control "
            "characters, no backslashes and no part that begins with a dot: rename its image."
        )


def declare_tasks(source: Source, examples: Mapping[str, Any]) -> tuple[dict[str, Task], dict[str, Parse]]:
    """The tasks of a dataset from the cards beside its containers (`classes.json`, …), and how to read their labels.

    Args:
        source: the dataset.
        examples: task → the label of one sample where it is a JSON entry, else None.

    Raises:
        InputError: a card is missing or malformed, or two say different things.
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
    """The card of a task (None where there is none) and its path; another tool's card is translated.

    All shards are read with one card: every folder that has one must say the same.

    Raises:
        InputError: a card is malformed, or those of two folders say different things.
    """
    names = (*kind.card_variants, kind.card)
    files = [file for name in names for file in source.sizes if PurePosixPath(file).name == name]
    cards = {PurePosixPath(file).parent: file for file in files}  # of several in a folder the last one, `kind.card`
    found: list[tuple[Any, str]] = []
    for file in sorted(cards.values(), key=lambda file: file.count("/")):
        card, where = source.json(file), str(source.path / file)
        translated = kind.card_variants.get(PurePosixPath(file).name)
        found.append((translated(card, where) if translated else card, where))
        if found[-1][0] != found[0][0]:
            raise InputError(f"{found[0][1]} and {where} say different things: make them the same, or give one folder.")
    return found[0] if found else (None, str(source.path / kind.card))


def write_cards(out: Path, tasks: Mapping[str, Task]) -> None:
    """Write the tasks' cards, which `declare_tasks` reads."""
    for task in tasks.values():
        for file, content in task.storage.cards().items():
            write_json(out / file, content)
