"""One training run: which weights it ends with, and what the loss weighs."""

from typing import Any

import numpy as np
import pytest
import torch

from discs import SEGMENTATION, blobs
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import Choice, score_predictor, train_predictor


def result(work: Any) -> Any:
    """What a work function returns in the end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_weights_are_chosen_without_the_test() -> None:
    """Training ends with the weights of the step that is best on the validation part; no test sample is passed."""
    task, choice, real = SEGMENTATION, Choice(blobs(4, 3)), blobs(4, 1)
    model = result(train_predictor(task, lambda _: [(real, 4)], 0, LearnSettings(steps=8, batch=4), "", choice))
    assert set(choice.scores) == {"5", "6", "7", "8"}
    assert choice.scores[str(choice.step)] == max(choice.scores.values())
    assert score_predictor(model, task, blobs(4, 3))["metrics"]["miou"] == choice.scores[str(choice.step)]


def test_rare_classes_count_more_and_the_average_pixel_counts_one() -> None:
    task = SEGMENTATION
    labels = np.array([0] * 16 + [1] * 4 + [2] + [255] * 3, np.uint8).reshape(1, 4, 6)
    logits, target = torch.zeros(1, 3, 4, 6), task.learning.encode(labels, (4, 6))
    plain = task.learning.loss(logits, target)
    assert torch.equal(task.learning.loss(logits, target, task.learning.class_weights([labels], 0.0)), plain)
    weight = (
        task.learning.loss(logits, target, task.learning.class_weights([labels], 0.5)) / plain.clamp_min(1e-9)
    ).flatten()
    assert weight[16] / weight[0] == pytest.approx(2)
    assert weight[20] / weight[0] == pytest.approx(4)
    assert weight[:21].mean() == pytest.approx(1)
    assert weight[21:].sum() == 0
    assert torch.equal(task.learning.loss(logits, target), plain), "the task itself stays as it was"
