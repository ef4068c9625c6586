"""Uncertain pixels that labels are made to ignore, instead of whole images being dropped."""

from collections.abc import Generator as Steps
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.core.images import decode_mask
from handsoff.datasets.generated import uncertainty_file
from handsoff.jobs.progress import Progress
from handsoff.synthesis.table import Samples
from handsoff.tasks.base import Task
from handsoff.tasks.maps import MapGeometry

LEVELS = 256  # of stored uncertainty


def check_ignoring(share: float, tasks: Mapping[str, Task]) -> None:
    """Whether labels of these tasks have pixels that can be ignored.

    Raises:
        InputError: they are asked for, and none has.
    """
    if share and not any(isinstance(task.geometry, MapGeometry) for task in tasks.values()):
        raise InputError("ignore_pixels is for labels that are maps, and these are points: leave it out.")


def ignore_uncertain(
    out: Path, tasks: Mapping[str, Task], samples: Samples, share: float
) -> Steps[Progress, None, dict[str, float]]:
    """Make the kept labels ignore the most uncertain `share` of all their pixels; labels that are points stay.

    It gives the same labels when it is done again.

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
    for task, limit in limits.items():
        storage, location = tasks[task].storage, tasks[task].locations[0]
        parse = storage.bind(storage.cards().get(tasks[task].card), tasks[task].card, location)
        for number, name in enumerate(samples.names(kept=True), start=1):
            file = out / location.folder / f"{name}{location.suffixes[0]}"
            uncertain = levels(uncertainty_file(out, tasks, task, name))
            label = parse(file.read_bytes(), str(file), (uncertain.shape[0], uncertain.shape[1]))
            write_bytes(file, storage.serialise(tasks[task].geometry.erase(label, uncertain > limit)))
            yield Progress(f"ignoring uncertain pixels, {task}", number, samples.kept)
    return {task: round(limit / (LEVELS - 1), 4) for task, limit in limits.items()}


def levels(file: Path) -> UInt8[np.ndarray, "h w"]:
    return decode_mask(file.read_bytes(), str(file))


def limit_of(counts: Int64[np.ndarray, " l"], share: float) -> int:
    """The lowest level that at most this share of the pixels lies above.

    >>> limit_of(np.array([5, 3, 1, 1]), 0.2), limit_of(np.array([5, 3, 1, 1]), 0.1)
    (1, 2)
    """
    above = counts.sum() - np.cumsum(counts)
    return int(np.argmax(above <= share * counts.sum() + 1e-9))
