"""Pools whose labels a machine made: the datasets of `handsoff generate` and `label`, and how certain they are."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import InputError
from handsoff.datasets.generated import UNCERTAINTY, GeneratedDataset
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import Progress
from handsoff.learning.data import FULL, LabelledArrays
from handsoff.learning.paste import check_paste
from handsoff.learning.semi import confidence_weights
from handsoff.tasks.base import Task

CHUNK = 200  # maps read between two signs of life


def refuse_idle(inputs: Inputs, settings: EvaluateSettings) -> None:
    """Refuse settings that would do nothing.

    Raises:
        InputError: no dataset was made by `handsoff generate` or `label`, and a setting is about such ones; one was,
            and a setting says what its labels are; it is about pixels, and the labels are points; or classes are to be
            pasted, and labels have none.
    """
    if settings.labels and inputs.generated:
        folder = inputs.folders[next(iter(inputs.generated))]
        raise InputError(f"{folder} says itself what all labels are: leave labels out.")
    check_paste(settings.paste, [inputs.task])
    idle = settings.about_machine
    if idle and not inputs.generated:
        raise InputError(
            f"None of the datasets is a folder that handsoff generate or label made, so {' and '.join(idle)} would do "
            "nothing: leave it out, or give such a folder."
        )
    check_confidence(settings, inputs.task)


def check_confidence(settings: EvaluateSettings, task: Task) -> None:
    """Refuse to count pixels by their uncertainty where labels have none.

    Raises:
        InputError: `confidence` is given, and the labels are points.
    """
    if settings.confidence is not None and not task.pixelwise:
        raise InputError(f"confidence is about the pixels of labels, and {task.name} are points: leave it out.")


def pseudo_labelled(
    pool: LabelledArrays, labelled: LabelledDataset, dataset: GeneratedDataset, task: str, least: float | None
) -> Generator[Progress, None, LabelledArrays]:
    """The pool, marked as labelled by a machine and, where `least` is given, weighted by its uncertainty maps.

    What a person corrected or accepted is no machine's: it counts in full, and no teacher labels it anew.

    Args:
        pool: samples of the dataset, in their frame.
        labelled: the same, with what a person said of them where corrections are applied.
        dataset: that has the maps.
        task: whose labels the pool has.
        least: pixels with less confidence, 1 - uncertainty, count 0.

    Raises:
        InputError: a sample has no map, or one that is damaged or of another size.
    """
    pseudo = np.array([not judged(labelled, name, task) for name in pool.names], bool)
    if least is None:
        return replace(pool, pseudo=pseudo)
    weights = np.full(pool.images.shape[:3], FULL, np.uint8)
    for index in np.flatnonzero(pseudo):
        weights[index] = confidence_weights(map_of(dataset, pool.names[index], task, weights.shape[1:]), least)
        if index % CHUNK == CHUNK - 1:
            yield Progress("reading uncertainty", int(index) + 1, len(pool))
    yield Progress("reading uncertainty", len(pool), len(pool))
    return replace(pool, weights=weights, pseudo=pseudo)


def judged(labelled: LabelledDataset, name: str, task: str) -> bool:
    """Whether a person corrected the label of a sample, or accepted it."""
    said = labelled.reviewed.get(name)
    return task in labelled.touched(name) or (said is not None and said.decision == "accept")


def map_of(dataset: GeneratedDataset, name: str, task: str, frame: tuple[int, ...]) -> Float[np.ndarray, "h w"]:
    """The uncertainty map of a sample, of the size that is expected."""
    found = dataset.uncertainty_map(name, task)
    if found is None:
        raise InputError(
            f"{dataset.folder} has no {UNCERTAINTY} map of {name} for {task}, which confidence needs "
            "(labels that are points have none): leave confidence out, or make the dataset again."
        )
    if found.shape != frame:
        sizes = f"{found.shape[0]}x{found.shape[1]} pixels, its image {frame[0]}x{frame[1]}"
        raise InputError(f"The {UNCERTAINTY} map of {name} in {dataset.folder} is {sizes}: make the dataset again.")
    return found
