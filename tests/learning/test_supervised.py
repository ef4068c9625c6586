"""One training run: which weights it ends with, how it goes on after a kill, and what the loss weighs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from discs import SEGMENTATION, blobs
from handsoff.jobs.progress import run_to_end
from handsoff.learning import schedule
from handsoff.learning.models import build_model
from handsoff.learning.schedule import Schedule
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import Trained, new_model, score_predictor, train_predictor

SHORT = LearnSettings(steps=14, patience=4, cooldown=4, batch=4)
TAUGHT = SHORT.model_copy(update={"unlabelled": "teacher", "teacher_from": 3, "teacher_threshold": 0.5, "cutmix": 0.5})


def learn(*, validated: bool = True, checkpoint: Path | None = None, settings: LearnSettings = SHORT) -> Any:
    real, weights = blobs(4, 1), np.full((4, 32, 32), 128, np.uint8)
    pool = replace(blobs(4, 2), pseudo=np.ones(4, bool), weights=weights)
    validation = blobs(4, 3) if validated else None
    mixture = [(real, 4)] if settings is SHORT else [(real, 1), (pool, 3)]
    return train_predictor(SEGMENTATION, lambda _: mixture, 0, settings, "", validation, checkpoint)


def test_weights_are_chosen_without_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training ends with the averaged weights that are best on the validation part; no test sample is passed."""
    monkeypatch.setattr(schedule, "CHECK", 2)
    trained: Trained = run_to_end(learn())
    assert [int(step) for step in trained.scores] == list(range(2, trained.steps + 1, 2))
    assert trained.scores[str(trained.step)] == max(trained.scores.values())
    found = score_predictor(trained.model, SEGMENTATION, blobs(4, 3))["metrics"]["miou"]
    assert found == trained.scores[str(trained.step)]


def test_without_validation_all_steps_are_made_and_the_last_weights_count() -> None:
    trained: Trained = run_to_end(learn(validated=False))
    assert (trained.steps, trained.step, trained.scores) == (14, 14, {})


def test_a_run_that_no_longer_improves_cools_down_and_ends() -> None:
    """It goes back to its best moment for that."""
    state = Schedule(LearnSettings(steps=3000, patience=600, cooldown=300))
    rates, positions = [], []
    while not state.over:
        rates.append(state.rate)
        positions.append(state.position)
        state.advance()
        if state.due:
            state.scored(0.5, 0.5 if state.step >= 400 else 0.4)
            if state.stands_still:
                state.cool_down()
    assert (state.best_step, state.cools_from, state.step, state.made) == (400, 400, 700, 1300)
    assert list(state.scores) == ["100", "200", "300", "400", "500", "600", "700"]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99:1001] == [1.0] * 902
    assert rates[1150] == pytest.approx(0.5)
    assert positions[1000] == 0
    assert positions[1299] == pytest.approx(299 / 300)


def test_a_score_that_is_no_number_is_worse_than_any() -> None:
    state = Schedule(LearnSettings(steps=3000, patience=600, cooldown=300))
    found = []
    for value in (float("nan"), 0.1, float("nan"), 0.2):
        state.step += 100
        found.append(state.scored(value, value))
    assert found == [True, True, False, True]
    assert (state.best, state.best_step) == (0.2, 400)


def test_a_run_that_goes_on_improving_ends_at_the_cap() -> None:
    state = Schedule(LearnSettings(steps=1000, patience=300, cooldown=300))
    while not state.over:
        state.advance()
        if state.due:
            state.scored(state.step, state.step)
            if state.stands_still:
                state.cool_down()
    assert (state.step, state.made, state.best_step, state.cools_from) == (1000, 1000, 1000, 700)


@given(st.integers(1, 500), st.integers(1, 300), st.integers(0, 300), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_no_run_makes_more_steps_than_its_cap(steps: int, patience: int, cooldown: int, values: list[float]) -> None:
    state = Schedule(LearnSettings(steps=steps, patience=patience, cooldown=cooldown))
    while not state.over:
        state.advance()
        if state.due:
            state.scored(values[len(state.scores)], values[len(state.scores)])
            if state.stands_still:
                state.cool_down()
    assert state.made <= steps
    assert state.cools_from == state.step - state.cooldown
    assert max(state.scores.values()) == state.best


@pytest.mark.parametrize(
    ("kills", "settings"),
    [
        ((1,), SHORT),
        ((2, 5), SHORT),
        ((3, 3, 4), SHORT),
        pytest.param((3, 3, 4), TAUGHT, marks=pytest.mark.slow),
        pytest.param((5,), SHORT.model_copy(update={"cutmix": 1.0}), marks=pytest.mark.slow),
        pytest.param((5,), SHORT.model_copy(update={"model": "lite0-frozen"}), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    kills: tuple[int, ...], settings: LearnSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint holds all that the rest of the run depends on, fused AdamW's moments included."""
    monkeypatch.setattr(schedule, "CHECK", 2)
    whole: Trained = run_to_end(learn(settings=settings))
    file = tmp_path / "unfinished.safetensors"
    for steps in kills:
        work = learn(checkpoint=file, settings=settings)
        for _ in range(steps):
            next(work)
        work.close()
    again: Trained = run_to_end(learn(checkpoint=file, settings=settings))
    assert (again.steps, again.step, again.scores) == (whole.steps, whole.step, whole.scores)
    assert whole.made > whole.steps, "the run went back to cool down"
    for name, value in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name


def test_a_frozen_backbone_stays_as_it_was_pretrained() -> None:
    """Its batch norm too; what is new on it learns."""
    settings = SHORT.model_copy(update={"model": "lite0-frozen"})
    trained: Trained = run_to_end(learn(validated=False, settings=settings))
    before = build_model("lite0", 3).state_dict()
    after = trained.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name].float(), value) for name, value in before.items() if name.startswith("trunk."))
    assert not torch.equal(after["pyramid.head.weight"], new_model(SEGMENTATION, 0, "lite0").pyramid.head.weight)


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
