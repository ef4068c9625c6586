"""Uncertain pixels that labels are made to ignore, instead of whole images being dropped."""

from collections.abc import Generator as Steps
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import recorded, write_bytes
from handsoff.core.images import decode_mask
from handsoff.datasets.generated import Record, uncertainty_file
from handsoff.jobs.ledger import read_entry, relative, write_entry
from handsoff.jobs.progress import Progress
from handsoff.synthesis.samples import FILES
from handsoff.synthesis.shard import entry_of
from handsoff.synthesis.table import AFTER, Samples
from handsoff.tasks.base import Task

LEVELS = 256  # of stored uncertainty


def check_ignoring(share: float, tasks: Mapping[str, Task]) -> None:
    """Whether labels of these tasks have pixels that can be ignored.

    Raises:
        InputError: they are asked for, and none has.
    """
    if share and not any(task.pixelwise for task in tasks.values()):
        raise InputError("ignore_pixels is for labels that are maps, and these are points: leave it out.")


def ignore_uncertain(
    out: Path, tasks: Mapping[str, Task], samples: Samples, share: float
) -> Steps[Progress, None, dict[str, float]]:
    """Make the kept labels ignore the most uncertain `share` of all their pixels; labels that are points stay.

    The ledger then knows the changed labels as what was made. It gives the same ones when it is done again.

    Returns:
        Task → the uncertainty above which a pixel is ignored.
    """
    limits: dict[str, int] = {}
    for task in tasks:
        counts = np.zeros(LEVELS, np.int64)
        files = (uncertainty_file(out, tasks, task, name) for name in samples.names(kept=True))
        for number, file in enumerate(filter(Path.is_file, files), start=1):
            counts += np.bincount(levels(file).ravel(), minlength=LEVELS)
            yield Progress(f"looking for uncertain pixels, {task}", number, samples.kept)
        if counts.any():
            limits[task] = limit_of(counts, share)
    done = 0
    for shard, places in samples.places():
        records = read_entry(entry := entry_of(out, shard))
        for row, place in enumerate(places):
            if place is not None and samples.decided.kept[place]:
                records[row] = erased(out, tasks, limits, records[row])
                done += 1
                yield Progress("ignoring uncertain pixels", done, samples.kept)
        write_entry(entry, records)
    return {task: round(limit / (LEVELS - 1), 4) for task, limit in limits.items()}


def erased(out: Path, tasks: Mapping[str, Task], limits: Mapping[str, int], record: Record) -> Record:
    """The record of a sample after its labels were written without what is more uncertain than the limits."""
    name, shows = record["name"], dict(record["shows"])
    with recorded() as stamps:
        for task, limit in limits.items():
            storage, location = tasks[task].storage, tasks[task].locations[0]
            parse = storage.bind(storage.cards().get(tasks[task].card), tasks[task].card, location)
            file = out / location.folder / f"{name}{location.suffixes[0]}"
            uncertain = levels(uncertainty_file(out, tasks, task, name))
            label = parse(file.read_bytes(), str(file), (uncertain.shape[0], uncertain.shape[1]))
            label = tasks[task].geometry.erase(label, uncertain > limit)
            write_bytes(file, storage.serialise(label))
            shows[task] = tasks[task].scores.shows(label)
    return {**record, AFTER: shows, FILES: {**record[FILES], **relative(stamps, out)}}


def levels(file: Path) -> UInt8[np.ndarray, "h w"]:
    return decode_mask(file.read_bytes(), str(file))


def limit_of(counts: Int64[np.ndarray, " l"], share: float) -> int:
    """The lowest level that at most this share of the pixels lies above.

    >>> limit_of(np.array([5, 3, 1, 1]), 0.2), limit_of(np.array([5, 3, 1, 1]), 0.1)
    (1, 2)
    """
    above = counts.sum() - np.cumsum(counts)
    return int(np.argmax(above <= share * counts.sum() + 1e-9))
