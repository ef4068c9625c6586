"""Labelled samples as files of the folder format, which `datasets.labelled` reads."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.files import png, write_bytes, write_json, write_lines
from handsoff.tasks.base import Label, Task


def write_sample(
    folder: Path,
    name: str,
    image: UInt8[np.ndarray, "h w 3"],
    labels: Mapping[str, Label],
    tasks: Mapping[str, Task],
    copied: tuple[bytes, str] | None = None,
) -> dict[str, Any]:
    """Write `images/NAME.png` and the labels that are files, each atomically; return the others, for `write_cards`.

    `copied` is a file that shows `image` already, and its suffix: it is taken as it is.
    """
    data, suffix = copied or (png(image), ".png")
    write_bytes(folder / "images" / f"{name}{suffix}", data)
    rest = {}
    for task, label in labels.items():
        location, stored = tasks[task].locations[0], tasks[task].storage.serialise(label)
        if location.suffixes:
            write_bytes(folder / location.folder / f"{name}{location.suffixes[0]}", stored)
        else:
            rest[task] = stored
    return rest


def remove_sample(folder: Path, name: str, tasks: Mapping[str, Task]) -> None:
    """Take away what `write_sample` wrote."""
    (folder / "images" / f"{name}.png").unlink(missing_ok=True)
    for task in tasks.values():
        for suffix in task.locations[0].suffixes[:1]:
            (folder / task.locations[0].folder / f"{name}{suffix}").unlink(missing_ok=True)


def write_cards(folder: Path, tasks: Mapping[str, Task], rests: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write what the labels mean (`classes.json`, …) and the labels that share a file.

    Args:
        folder: the dataset.
        tasks: its kinds of label.
        rests: sample name → what `write_sample` returned.
    """
    for name, task in tasks.items():
        for file, content in task.storage.cards().items():
            write_json(folder / file, content)
        if not task.locations[0].suffixes:
            write_entries(folder, task, ((sample, rest[name]) for sample, rest in (rests or {}).items()))


def write_entries(folder: Path, task: Task, labels: Iterable[tuple[str, Any]]) -> None:
    """Write the labels of a task that share a file, each as it comes: sample name, and the label as it is stored."""
    lines = (f" {json.dumps(name, ensure_ascii=False)}: {json.dumps(label)}" for name, label in labels)
    write_lines(folder / f"{task.locations[0].folder}.json", itertools.chain(["{"], with_commas(lines), ["}"]))


def with_commas(lines: Iterable[str]) -> Iterator[str]:
    """The lines, a comma after each but the last; an empty one where there is none."""
    last: str | None = None
    for line in lines:
        if last is not None:
            yield f"{last},"
        last = line
    yield last or ""
