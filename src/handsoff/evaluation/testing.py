"""Labels of the test samples: scored together, scored one by one, and drawn for the report."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.images import tile
from handsoff.learning.data import LabelledArrays
from handsoff.learning.supervised import TEST_BATCH
from handsoff.report.gallery import encoded
from handsoff.report.testset import BARE, IMAGE, LABEL, picture_name, zipped
from handsoff.tasks.base import Label, Labels, PoolLabels, Task

PICTURED, SHOWN = 256, 8  # test samples that are drawn, and that are on a contact sheet; spread evenly
DECIMALS = 4  # of the scores of single samples


@dataclass(frozen=True)
class Tested:
    """What somebody makes of the test samples.

    Attributes:
        metrics: of all samples together; per_class: class or point → score.
        confusion: pixels of each part (row) taken for each part (column); empty where parts cannot be mistaken.
        samples: the main metric of each sample alone, None where its label says nothing.
        parts: class or point → its score in each sample, None where it does not occur.
        labels: the predictions for the samples that are drawn.
    """

    metrics: dict[str, float]
    per_class: dict[str, float]
    confusion: list[list[int]]
    samples: list[float | None]
    parts: dict[str, list[float | None]]
    labels: Labels


def examine(task: Task, test: LabelledArrays, predictions: Iterable[PoolLabels]) -> Tested:
    """Score labels of all test samples, given in batches of `TEST_BATCH`."""
    confusion: list[Label] = []
    alone: list[Mapping[str, Any]] = []
    drawn, kept = set(drawn_samples(len(test))), []

    def pairs() -> Iterator[tuple[PoolLabels, PoolLabels]]:
        truths = (test.labels[start : start + TEST_BATCH] for start in range(0, len(test), TEST_BATCH))
        for predicted, truth in zip(predictions, truths, strict=True):
            if (counts := task.scores.confusion(predicted, truth)) is not None:
                confusion.append(counts)
            for one, other in zip(predicted, truth, strict=True):
                if len(alone) in drawn:
                    kept.append(one)
                alone.append(task.scores.score([(one[None], other[None])]))
            yield predicted, truth

    whole = task.scores.score(pairs())
    main = next(iter(whole["metrics"]))
    return Tested(
        whole["metrics"],
        whole["per_class"],
        np.sum(confusion, 0).tolist() if confusion else [],
        [stored(found["metrics"][main]) for found in alone],
        {part: [stored(found["per_class"].get(part)) for found in alone] for part in whole["per_class"]},
        np.stack(kept),
    )


def stored(value: float | None) -> float | None:
    """A score of one sample as it is stored, None where there is none."""
    return None if value is None or not math.isfinite(value) else round(float(value), DECIMALS)


def drawn_samples(count: int) -> list[int]:
    """Which of `count` test samples are drawn."""
    found: list[int] = np.unique(np.linspace(0, count - 1, min(PICTURED, count)).round().astype(int)).tolist()
    return found


def test_archive(task: Task, test: LabelledArrays) -> bytes:
    """The archive with test images and their true labels."""
    chosen = drawn_samples(len(test))
    images = {picture_name(index, IMAGE): encoded(test.images[index]) for index in chosen}
    return zipped(images | drawings(task, test, test.labels[chosen]))


def prediction_archive(task: Task, test: LabelledArrays, predicted: Labels) -> bytes:
    """The archive with one model's labels of the samples that are drawn."""
    return zipped(drawings(task, test, predicted))


def drawings(task: Task, test: LabelledArrays, labels: Labels) -> dict[str, bytes]:
    """Labels of the samples that are drawn, over their images and bare."""
    found = {}
    for index, label in zip(drawn_samples(len(test)), labels, strict=True):
        image = test.images[index]
        frame = (image.shape[0], image.shape[1])
        found[picture_name(index, LABEL)] = encoded(task.drawing.draw(image[None], label[None])[0])
        found[picture_name(index, BARE)] = encoded(task.drawing.bare(label[None], frame)[0], lossless=True)
    return found


def contact_sheet(task: Task, test: LabelledArrays, predicted: Labels) -> UInt8[np.ndarray, "gh gw 3"]:
    """Three rows over some of the samples that are drawn: image, truth, prediction."""
    drawn = drawn_samples(len(test))
    shown = np.unique(np.linspace(0, len(drawn) - 1, SHOWN).round().astype(int))
    chosen = [drawn[index] for index in shown]
    images = test.images[chosen]
    rows = [images, *(task.drawing.draw(images, labels) for labels in (test.labels[chosen], predicted[shown]))]
    return tile(np.concatenate(rows), len(chosen))
