"""Labelled samples: from images with their labels to the files of a dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from handsoff.core.files import recorded
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image
from handsoff.datasets.attributes import describe
from handsoff.datasets.generated import Record, write_uncertainty
from handsoff.datasets.labelled import write_sample
from handsoff.jobs.ledger import relative
from handsoff.labeling.labeler import Images, Labeler, Uncertainty, label_together
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import NOTHING, Materials
from handsoff.tasks.base import Label, Labels, Task

BATCH, PIXELS = 16, 2**20  # images, and pixels of them, that are computed together at the most
Image = UInt8[np.ndarray, "h w 3"]
MAP_AXES = 2  # of an uncertainty per pixel: rows and columns
REST, FILES = "rest", "files"  # in the ledger: labels that share a file with those of other samples; the others


@dataclass(frozen=True)
class LabelledSample:
    """An image with a label per task.

    Attributes:
        image: RGB.
        labels: task → label.
        uncertainty: task → in [0, 1], per pixel [H, W] or per point [K].
        uncertainties: task → one number in [0, 1], to select by.
    """

    image: Image
    labels: dict[str, Label]
    uncertainty: dict[str, Float[np.ndarray, "..."]]
    uncertainties: dict[str, float]


@dataclass(frozen=True)
class Wanted:
    """What the record of a sample is to say of it, besides the parts that it shows.

    Attributes:
        names: of attributes that are measured.
        pooled: of attributes that are read from pooled features.
        asked: of attributes that are as the generator was asked for them, unless the sample was edited.
        measures: whether further numbers of its labels are wanted, as a match needs them.
    """

    names: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()
    measures: bool = False
    asked: tuple[str, ...] = ()


NO_ATTRIBUTES = Wanted()


def tasks_of(labelers: Sequence[Labeler]) -> dict[str, Task]:
    return {labeler.task.name: labeler.task for labeler in labelers}


def batch_size(frame: Frame) -> int:
    return max(1, min(BATCH, PIXELS // (frame[0] * frame[1])))


def label_draws(
    labelers: Sequence[Labeler], draws: Sequence[Draw], materials: Materials = NOTHING
) -> Iterator[LabelledSample]:
    """The samples of the draws, in order, labelled by all labelers of one generator.

    All batches have the same size, the last one is filled up: so a sample depends on its draw alone, and on the
    `materials` of its dataset where it was edited.
    """
    for batch, filled in filled_batches(draws, batch_size(labelers[0].size)):
        images, found = label_together(labelers, draw_latents(labelers[0].generator, filled, materials))
        yield from samples_of(images, found, [labeler.task for labeler in labelers], len(batch))


def filled_batches(draws: Sequence[Draw], size: int) -> Iterator[tuple[list[Draw], list[Draw]]]:
    """The draws in batches, each as it is and filled up to `size` by its last draw: all that are computed are alike."""
    for start in range(0, len(draws), size):
        batch = list(draws[start : start + size])
        yield batch, [*batch, *[batch[-1]] * (size - len(batch))]


def samples_of(
    images: Images, found: Sequence[tuple[Labels, Uncertainty]], tasks: Sequence[Task], count: int
) -> Iterator[LabelledSample]:
    """The first `count` samples of a batch, given the labels and the uncertainty that were found for each task."""
    numbers = [task.scores.image_uncertainty(part[1]) for task, part in zip(tasks, found, strict=True)]
    names = [task.name for task in tasks]
    for index, image in enumerate(images[:count]):
        yield LabelledSample(
            image,
            {name: labels[index] for name, (labels, _) in zip(names, found, strict=True)},
            {name: uncertainty[index] for name, (_, uncertainty) in zip(names, found, strict=True)},
            {name: float(values[index]) for name, values in zip(names, numbers, strict=True)},
        )


def write_all(
    out: Path,
    names: Sequence[str],
    samples: Iterable[LabelledSample],
    tasks: Mapping[str, Task],
    wanted: Wanted = NO_ATTRIBUTES,
) -> list[Record]:
    """Write samples and return their records; threads write while the next samples are computed."""
    with ThreadPoolExecutor() as pool:
        writes = [
            pool.submit(write_labelled, out, name, sample, tasks, wanted)
            for name, sample in zip(names, samples, strict=True)
        ]
    return [write.result() for write in writes]


def write_labelled(out: Path, name: str, sample: LabelledSample, tasks: Mapping[str, Task], wanted: Wanted) -> Record:
    """Write a sample's files, each atomically, and return its record.

    Under `REST` the record holds labels that have no file of their own, for `write_cards`; under `FILES` the size and
    hash of every file, for `jobs.ledger.fit`.
    """
    record: Record = {
        "name": name,
        "uncertainties": {task: round(value, 6) for task, value in sample.uncertainties.items()},
        **describe(sample.image, sample.labels, tasks, wanted.names, measures=wanted.measures),
    }
    with recorded() as stamps:
        rest = write_sample(out, name, sample.image, sample.labels, tasks)
        for task, values in sample.uncertainty.items():
            if values.ndim == MAP_AXES:
                write_uncertainty(out, tasks, task, name, values)
            else:
                record.setdefault("per_point", {})[task] = [round(float(value), 4) for value in values]
    return {**record, REST: rest, FILES: relative(stamps, out)}


def reader(out: Path, tasks: Mapping[str, Task]) -> Callable[[Record], tuple[Image, dict[str, Label]]]:
    """What reads a sample back: from its record in the ledger its image and its labels by task."""
    parses = {
        name: task.storage.bind(task.storage.cards().get(task.card), task.card, task.locations[0])
        for name, task in tasks.items()
    }

    def read(record: Record) -> tuple[Image, dict[str, Label]]:
        file = out / "images" / f"{record['name']}.png"
        image = decode_image(file.read_bytes(), str(file))
        labels = {}
        for name, task in tasks.items():
            place = task.locations[0]
            where = out / place.folder / f"{record['name']}{place.suffixes[0]}" if place.suffixes else out
            stored = where.read_bytes() if place.suffixes else record[REST][name]
            labels[name] = parses[name](stored, str(where), (image.shape[0], image.shape[1]))
        return image, labels

    return read
