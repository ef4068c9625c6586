"""Samples that a machine labelled: confidence per pixel, what the teacher says, CutMix."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from discs import SEGMENTATION, blobs
from handsoff.jobs.progress import run_to_end
from handsoff.learning.augment import photometric
from handsoff.learning.data import FULL, Batch, LabelledArrays
from handsoff.learning.schedule import Schedule
from handsoff.learning.semi import Examples, boxes, confidence_weights, cut_mix, examples, loss_of, teaches
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import draw, train_predictor
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

KEYPOINTS = make_task("keypoints", {"names": ["left", "right"], "mirror": [[0, 1]], "scale": None, "sigma": None})
DEPTH = make_task("depth", {"range": [1.0, 10.0]})
NORMALS = make_task("normals", {})
TASKS = [SEGMENTATION, KEYPOINTS, DEPTH, NORMALS]
few = settings(max_examples=20, deadline=None)
SEEDS = st.integers(0, 2**31)


def labels_of(task: Task, count: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of images of 12 x 16 pixels, known everywhere."""
    if task is SEGMENTATION:
        return rng.integers(0, 3, (count, 12, 16)).astype(np.uint8)
    if task is KEYPOINTS:
        return np.concatenate([rng.uniform(0, 11, (count, 2, 2)), np.full((count, 2, 1), 2)], -1).astype(np.float32)
    if task is DEPTH:
        return rng.uniform(1, 10, (count, 12, 16)).astype(np.float32)
    return rng.integers(140, 250, (count, 12, 16, 3)).astype(np.uint8)


class Constant(nn.Module):
    """A network that always says the same."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.outputs[: len(images)]


def batch(task: Task, count: int, human: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.uniform(-1, 1, (count, 3, 12, 16)).astype(np.float32))
    return Batch(images, labels_of(task, count, rng), human)


def test_confidence_is_one_minus_uncertainty_and_nothing_below_the_least() -> None:
    uncertainty = (np.arange(256) / 255).astype(np.float32)[None]
    assert np.array_equal(confidence_weights(uncertainty, 0.0), 255 - np.arange(256)[None])
    for least in (0.2, 0.5, 0.8, 1.0):
        found = confidence_weights(uncertainty, least)[0]
        kept = 255 - np.arange(256) >= round(least * 255, 6)
        assert np.array_equal(found, np.where(kept, 255 - np.arange(256), 0))


def test_samples_labelled_by_people_come_first_and_count_in_full() -> None:
    real, weights = blobs(3, 0), np.full((4, 32, 32), 7, np.uint8)
    machine = replace(blobs(4, 1), weights=weights, pseudo=np.ones(4, bool))
    stream = torch.Generator().manual_seed(0)
    found = draw([(machine, 5), (real, 2)], stream)
    assert (found.human, len(found.images)) == (2, 7)
    assert found.weights is not None
    assert (found.weights[:2] == FULL).all()
    assert (found.weights[2:] == 7).all()
    for label in found.labels[:2]:
        assert any(np.array_equal(label, known) for known in real.labels)
    assert draw([(real, 2)], stream).weights is None


def test_what_a_person_corrected_in_a_pool_comes_first_too() -> None:
    """No teacher labels it anew and nothing is pasted over it."""
    pool = replace(blobs(4, 1), pseudo=np.array([True, False, True, True]))
    found = draw([(pool, 12), (blobs(3, 0), 2)], torch.Generator().manual_seed(0))
    corrected = [np.array_equal(label, pool.labels[1]) for label in found.labels]
    assert 2 < found.human < 14, "some of both were drawn"
    assert sum(corrected[: found.human]) == found.human - 2
    assert not any(corrected[found.human :])


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@few
@given(seed=SEEDS)
def test_a_pixel_of_weight_0_has_no_gradient(task: Task, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.choice([0, 100, 255], (4, 12, 16)).astype(np.uint8)
    found = examples(
        task, replace(batch(task, 4, 2, seed), weights=weights), torch.zeros(4, 3, 12, 16), LearnSettings()
    )
    outputs = torch.from_numpy(rng.normal(size=(4, task.channels, 12, 16)).astype(np.float32)).requires_grad_()
    loss_of(task, outputs, found, None).backward()  # type: ignore[no-untyped-call]  # torch's own
    assert outputs.grad is not None
    nothing = torch.from_numpy(weights == 0)[:, None].expand_as(outputs)
    assert (outputs.grad[nothing] == 0).all()
    assert (outputs.grad[~nothing] != 0).any()


def test_without_weights_and_teacher_the_loss_is_the_plain_one() -> None:
    for task in TASKS:
        samples = batch(task, 4, 2, 0)
        found = examples(task, samples, samples.images, LearnSettings())
        outputs = torch.randn(4, task.channels, 12, 16, generator=torch.Generator().manual_seed(0))
        target = task.learning.encode(samples.labels, (12, 16))
        assert torch.equal(loss_of(task, outputs, found, None), task.learning.loss(outputs, target).mean())
        assert cut_mix(found, 0.0, torch.Generator()) is found


@few
@given(seed=SEEDS, scale=st.floats(0.1, 20))
def test_a_teachers_probabilities_sum_to_1_and_its_heat_maps_lie_between_0_and_1(seed: int, scale: float) -> None:
    outputs = scale * torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(seed))
    answer = SEGMENTATION.learning.soft_target(outputs)
    assert answer is not None
    soft, confidence = answer
    assert torch.allclose(soft.sum(-1), torch.ones(2, 5, 7))
    assert torch.equal(confidence, soft.amax(-1))
    heat = KEYPOINTS.learning.soft_target(outputs[:, :2])
    assert heat is not None
    assert heat[0].shape == (2, 5, 7, 2)
    assert ((heat[0] >= 0) & (heat[0] <= 1)).all()
    for task in (DEPTH, NORMALS):
        assert task.learning.soft_target(outputs[:, : task.channels]) is None


@few
@given(seed=SEEDS)
def test_who_agrees_with_the_teacher_is_not_moved_whatever_the_classes_weigh(seed: int) -> None:
    """Else rare classes would grow from step to step."""
    for task, weights in ((SEGMENTATION, torch.tensor([0.5, 2.0, 7.0])), (KEYPOINTS, None)):
        outputs = torch.randn(2, task.channels, 5, 7, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        answer = task.learning.soft_target(outputs.detach())
        assert answer is not None
        task.learning.soft_loss(outputs, answer[0], weights).sum().backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert outputs.grad.abs().max() < 1e-5


def test_a_certain_teacher_teaches_as_a_label_would() -> None:
    labels, weights = np.random.default_rng(0).integers(0, 3, (2, 5, 7)).astype(np.uint8), torch.tensor([0.5, 2, 7])
    outputs = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    target = SEGMENTATION.learning.encode(labels, (5, 7))
    soft = torch.nn.functional.one_hot(target, 3).float()
    for weighted in (None, weights):
        hard = SEGMENTATION.learning.loss(outputs, target, weighted)
        assert torch.allclose(SEGMENTATION.learning.soft_loss(outputs, soft, weighted), hard, rtol=1e-5)


def test_the_teacher_labels_only_what_a_machine_had_labelled_and_only_where_it_is_sure() -> None:
    samples = batch(SEGMENTATION, 5, 2, 0)
    logits = torch.zeros(3, 3, 12, 16)
    logits[:, 1, :6] = 9.0
    found = examples(SEGMENTATION, samples, samples.images, LearnSettings(), Constant(logits))
    assert found.soft is not None
    assert found.soft.shape == (3, 12, 16, 3)
    assert not found.soft.requires_grad
    assert found.weights is not None
    assert (found.weights[:2] == 1).all()
    assert (found.weights[2:, :6] == 1).all()
    assert (found.weights[2:, 6:] == 0).all()
    real = examples(SEGMENTATION, replace(samples, human=5), samples.images, LearnSettings(), Constant(logits))
    assert (real.soft, real.weights) == (None, None)
    depths = batch(DEPTH, 5, 2, 0)
    kept = examples(DEPTH, depths, depths.images, LearnSettings(), Constant(logits[:, :1]))
    assert (kept.soft, kept.weights) == (None, None), "labels stay what is learnt"


def test_the_teacher_sees_the_weak_view_and_is_left_in_training_mode() -> None:
    samples, seen = batch(SEGMENTATION, 4, 1, 0), []

    class Watched(Constant):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert not self.training
            seen.append(images)
            return super().forward(images)

    teacher = Watched(torch.zeros(3, 3, 12, 16))
    strong = photometric(samples.images, torch.Generator().manual_seed(0))
    found = examples(SEGMENTATION, samples, strong, LearnSettings(), teacher)
    assert torch.equal(seen[0], samples.images[1:])
    assert torch.equal(found.images, strong)
    assert teacher.training


def test_the_teacher_begins_after_a_warm_up_of_at_most_half_the_run() -> None:
    state = Schedule(LearnSettings(steps=100, unlabelled="teacher", teacher_from=30))
    assert [teaches(replace(state, step=step)) for step in (29, 30)] == [False, True]
    short = Schedule(LearnSettings(steps=40, unlabelled="teacher", teacher_from=30), step=20)
    assert teaches(short)
    assert not teaches(Schedule(LearnSettings(steps=40), step=39))


@few
@given(seed=SEEDS, human=st.integers(0, 5), share=st.floats(0, 1))
def test_cutmix_pastes_image_label_teacher_and_weight_alike(seed: int, human: int, share: float) -> None:
    """Every pixel carries the number of its sample, four times over."""
    number = torch.arange(5.0)[:, None, None].expand(5, 12, 16)
    whole = Examples(number[:, None].expand(-1, 3, -1, -1), number.long(), human, number[human:, ..., None], number)
    found = cut_mix(whole, share, torch.Generator().manual_seed(seed))
    assert found.soft is not None
    assert found.weights is not None
    assert torch.equal(found.target, found.weights.long())
    assert torch.equal(found.images, found.weights[:, None].expand(-1, 3, -1, -1))
    assert torch.equal(found.soft[..., 0], found.weights[human:])
    assert torch.equal(found.weights[:human], number[:human]), "what people labelled stays whole"
    for index in range(human, 5):
        others = set(found.weights[index].unique().tolist()) - {float(index)}
        assert len(others) <= 1
        assert all(other >= human for other in others)


def test_about_the_share_asked_for_is_mixed() -> None:
    number = torch.arange(400.0)[:, None, None].expand(400, 8, 8)
    whole = Examples(number[:, None].expand(-1, 3, -1, -1), number.long(), 0)
    found = cut_mix(whole, 0.5, torch.Generator().manual_seed(0)).target
    assert 0.4 < (found != number).any(2).any(1).float().mean() < 0.6


@few
@given(seed=SEEDS, height=st.integers(4, 40), width=st.integers(4, 40))
def test_a_box_is_one_rectangle_of_a_quarter_to_three_quarters_of_each_side(seed: int, height: int, width: int) -> None:
    for box in boxes(4, (height, width), torch.Generator().manual_seed(seed)):
        rows, columns = box.any(1), box.any(0)
        assert torch.equal(box, rows[:, None] & columns[None])
        for side in (rows, columns):
            places = side.nonzero()[:, 0]
            assert len(places) == places[-1] - places[0] + 1
            assert len(side) / 4 - 1 <= len(places) <= len(side) * 3 / 4 + 1


def weights_after(pool: LabelledArrays, chosen: LearnSettings) -> dict[str, Any]:
    """What a run of a few steps on two real samples and the pool ends with."""
    real = blobs(2, 0)
    work = train_predictor(SEGMENTATION, lambda _: [(real, 2), (pool, 2)], 0, chosen, "")
    return dict(run_to_end(work).model.state_dict())


@pytest.mark.slow
def test_labels_of_a_pool_matter_until_the_teacher_labels() -> None:
    pool = replace(blobs(4, 1), pseudo=np.ones(4, bool))
    other = replace(pool, labels=np.roll(pool.labels, 9, 2))
    short = LearnSettings(steps=4, batch=4, balance=0, unlabelled="teacher", teacher_threshold=0, cutmix=1)

    def differs(chosen: LearnSettings) -> bool:
        one, two = weights_after(pool, chosen), weights_after(other, chosen)
        return any(not torch.equal(value, two[name]) for name, value in one.items())

    assert not differs(short.model_copy(update={"teacher_from": 0}))
    assert differs(short)


def test_pixels_without_confidence_are_not_learnt_from() -> None:
    pool = replace(blobs(4, 1), pseudo=np.ones(4, bool), weights=np.zeros((4, 32, 32), np.uint8))
    other = replace(pool, labels=np.roll(pool.labels, 9, 2))
    one, two = (weights_after(part, LearnSettings(steps=2, batch=4, balance=0)) for part in (pool, other))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
