"""Labelled samples: from images with their labels to the files of a dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handsoff.core.device import mixed_precision
from handsoff.core.files import recorded
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image, to_uint8
from handsoff.datasets.attributes import describe
from handsoff.datasets.generated import Record, write_uncertainty
from handsoff.datasets.writing import write_sample
from handsoff.generators.contract import Generator
from handsoff.geometry.views import Box, Visible
from handsoff.jobs.ledger import relative
from handsoff.labeling.labeler import Images, Labeler, label_together
from handsoff.learning.voting import Consensus
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import NOTHING, Materials
from handsoff.tasks.base import Label, Task

BATCH, PIXELS = 16, 2**20  # images, and pixels of them, that are computed together at the most
Image = UInt8[np.ndarray, "h w 3"]
MAP_AXES = 2  # of an uncertainty per pixel: rows and columns
SHOWN = "shown"  # in the record of a photo that does not fill its frame: the part that shows it
REST, FILES = "rest", "files"  # in the ledger: labels that share a file with those of other samples; the others


@dataclass(frozen=True)
class LabelledSample:
    """An image with a label per task.

    Attributes:
        image: RGB.
        labels: task → label.
        uncertainty: task → in [0, 1], per pixel [H, W] or per point [K].
        uncertainties: task → one number in [0, 1], to select by.
        numbers: what else is known of it (`learning.voting`, `synthesis.voters`), of several tasks the largest.
    """

    image: Image
    labels: dict[str, Label]
    uncertainty: dict[str, Float[np.ndarray, "..."]]
    uncertainties: dict[str, float]
    numbers: dict[str, float]


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


@torch.no_grad()
def images_of(generator: Generator, draws: Sequence[Draw]) -> Images:
    """The images [N, H, W, 3] of a batch; each depends on its draw alone."""
    with mixed_precision():
        return to_uint8(generator.synthesize(draw_latents(generator, draws)))


def samples_of(
    images: Images, found: Sequence[Consensus], tasks: Sequence[Task], count: int
) -> Iterator[LabelledSample]:
    """The first `count` samples of a batch, given what was found for each task."""
    by_task = {task.name: part for task, part in zip(tasks, found, strict=True)}
    means = {task.name: task.scores.image_uncertainty(by_task[task.name].uncertainty) for task in tasks}
    known = dict.fromkeys(number for part in found for number in part.numbers)
    numbers = {name: np.max([part.numbers[name] for part in found if name in part.numbers], 0) for name in known}
    for index, image in enumerate(images[:count]):
        yield LabelledSample(
            image,
            {name: part.labels[index] for name, part in by_task.items()},
            {name: part.uncertainty[index] for name, part in by_task.items()},
            {name: float(values[index]) for name, values in means.items()},
            {name: float(values[index]) for name, values in numbers.items()},
        )


def cut_off(sample: LabelledSample, tasks: Sequence[Task], shown: Box) -> LabelledSample:
    """The sample without what is said about the frame around a part of it, where there is no photo."""
    where = Visible.of_box(shown, (sample.image.shape[0], sample.image.shape[1]))
    inside = where.pixels()
    labels = {task.name: task.geometry.hide(sample.labels[task.name], where) for task in tasks}
    uncertainty, uncertainties = dict(sample.uncertainty), dict(sample.uncertainties)
    for task in tasks:
        name, values = task.name, sample.uncertainty[task.name]
        unchanged = (labels[name] == sample.labels[name]).reshape(len(values), -1).all(1)  # points that nothing hides
        left = inside if values.ndim == MAP_AXES else unchanged
        uncertainty[name] = np.where(left, values, 0)
        uncertainties[name] = float(task.scores.image_uncertainty(values[left][None])[0]) if left.any() else 0.0
    return replace(sample, labels=labels, uncertainty=uncertainty, uncertainties=uncertainties)


def write_all(
    out: Path,
    names: Sequence[str],
    samples: Iterable[LabelledSample],
    tasks: Mapping[str, Task],
    wanted: Wanted = NO_ATTRIBUTES,
) -> list[Record]:
    """Write samples and return their records; threads write while the next samples are computed."""

    def write(name: str, sample: LabelledSample) -> Record:
        return {**described(name, sample, tasks, wanted), **write_labelled(out, name, sample, tasks)}

    with ThreadPoolExecutor() as pool:
        writes = [pool.submit(write, name, sample) for name, sample in zip(names, samples, strict=True)]
    return [write.result() for write in writes]


def described(name: str, sample: LabelledSample, tasks: Mapping[str, Task], wanted: Wanted) -> Record:
    """The record of a sample, but for its files."""
    found = {task: values for task, values in sample.uncertainty.items() if values.ndim != MAP_AXES}
    points = {task: [round(float(value), 4) for value in values] for task, values in found.items()}
    return {
        "name": name,
        "uncertainties": {task: round(value, 6) for task, value in sample.uncertainties.items()},
        **{number: round(value, 6) for number, value in sample.numbers.items()},
        **describe(sample.image, sample.labels, tasks, wanted.names, measures=wanted.measures),
        **({"per_point": points} if points else {}),
    }


def write_labelled(out: Path, name: str, sample: LabelledSample, tasks: Mapping[str, Task]) -> Record:
    """Write a sample's files, each atomically, and return what its record says of them.

    Under `REST` it holds labels that have no file of their own, for `write_entries`; under `FILES` the size and hash of
    every file, for `jobs.ledger.fit`.
    """
    with recorded() as stamps:
        rest = write_sample(out, name, sample.image, sample.labels, tasks)
        for task, values in sample.uncertainty.items():
            if values.ndim == MAP_AXES:
                write_uncertainty(out, tasks, task, name, values)
    return {REST: rest, FILES: relative(stamps, out)}


def reader(
    tasks: Mapping[str, Task], read: Callable[[str], bytes], suffixes: Mapping[str, str]
) -> Callable[[Record], tuple[Image, dict[str, Label]]]:
    """What reads a sample back: from its record in the ledger its image and its labels by task.

    Args:
        tasks: of the labels.
        read: gives a file of the dataset.
        suffixes: task → that of the files of its labels.
    """
    parses = {
        name: task.storage.bind(task.storage.cards().get(task.card), task.card, task.locations[0])
        for name, task in tasks.items()
    }

    def sample(record: Record) -> tuple[Image, dict[str, Label]]:
        name = record["name"]
        image = decode_image(read(f"images/{name}.png"), name)
        labels = {}
        for kind, task in tasks.items():
            file = f"{task.locations[0].folder}/{name}{suffixes.get(kind, '')}"
            stored = read(file) if kind in suffixes else record[REST][kind]
            labels[kind] = parses[kind](stored, file, (image.shape[0], image.shape[1]))
        return image, labels

    return sample
