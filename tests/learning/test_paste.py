"""Rare parts of labelled images, pasted over other samples of a batch."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discs import SEGMENTATION, blobs
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import FULL, LabelledArrays
from handsoff.learning.paste import find_donors, paste
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import draw, train_predictor
from handsoff.tasks import make_task

TASK = make_task("segmentation", {"classes": ["ground", "left ear", "right ear", "hat", "sky"]})
GROUND, LEFT, RIGHT, HAT, SKY = range(5)
GREY, RED = 90, 200
few = settings(max_examples=20, deadline=None)


def scenes(count: int, with_hats: int) -> LabelledArrays:
    """Grey images of ground and sky, 12 x 16; the last ones have a red hat at the left, and a left ear below it."""
    images, labels = np.full((count, 12, 16, 3), GREY, np.uint8), np.zeros((count, 12, 16), np.uint8)
    labels[:, 0] = SKY
    for index in range(count - with_hats, count):
        labels[index, 2:4, 1:5], images[index, 2:4, 1:5] = HAT, (RED, 0, 0)
        labels[index, 5, 2], images[index, 5, 2] = LEFT, (0, RED, 0)
    return LabelledArrays(images, labels)


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rare_parts_are_those_that_fewer_than_half_of_the_images_show() -> None:
    found = find_donors(TASK, [scenes(10, 2)])
    assert found is not None
    assert {part: places.tolist() for part, places in found.places.items()} == {LEFT: [8, 9], HAT: [8, 9]}
    assert find_donors(TASK, [scenes(4, 2)]) is None, "half of them do"
    assert find_donors(TASK, [scenes(4, 0)]) is None, "nobody has one"


def test_only_what_people_labelled_is_pasted() -> None:
    machine = replace(scenes(10, 2), pseudo=np.ones(10, bool))
    assert find_donors(TASK, [machine]) is None
    found, people = find_donors(TASK, [machine, scenes(9, 1)]), scenes(9, 1)
    assert found is not None
    assert found.pool.digest == people.digest


def test_labels_without_regions_have_nothing_to_paste() -> None:
    points = make_task("keypoints", {"names": ["a", "b"], "mirror": None, "scale": None, "sigma": None})
    samples = LabelledArrays(np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 2, 3), np.float32))
    assert find_donors(points, [samples]) is None
    depth = make_task("depth", {"range": [1.0, 2.0]})
    assert (
        find_donors(depth, [LabelledArrays(np.zeros((3, 8, 8, 3), np.uint8), np.ones((3, 8, 8), np.float32))]) is None
    )


@few
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_image_and_label_change_together_and_nowhere_else(seed: int, share: float) -> None:
    people = scenes(10, 1)
    before = draw([(people.take(np.arange(9)), 6)], stream(seed))
    after = paste(before, TASK, find_donors(TASK, [people]), share, stream(seed + 1))
    changed = (after.images != before.images).any(1).numpy()
    assert np.array_equal(changed, after.labels != before.labels), "the scenes below have neither"
    assert np.isin(after.labels[changed], (HAT, LEFT, RIGHT)).all()
    for image, label in zip(after.images, after.labels, strict=True):
        shown = set(np.unique(label)) - {GROUND, SKY}
        assert len(shown) <= 1, "one part at a time"
        columns = np.nonzero(label == HAT)[1]
        if len(columns):
            assert {*columns} in ({1, 2, 3, 4}, {11, 12, 13, 14}), "where it was, or where its mirror image was"
            assert (image[0][torch.from_numpy(label == HAT)] > 0.5).all(), "red"
        assert {*np.nonzero(label == LEFT)[1]} <= {2}
        assert {*np.nonzero(label == RIGHT)[1]} <= {13}, "in the mirror a left ear is a right one"


def test_about_that_share_of_the_samples_gets_a_part_the_same_ones_every_time() -> None:
    people = scenes(20, 1)
    before, donors = draw([(people.take(np.arange(19)), 400)], stream(0)), find_donors(TASK, [people])
    after, again = (paste(before, TASK, donors, 0.3, stream(1)) for _ in range(2))
    assert 0.2 < (after.labels != before.labels).any((1, 2)).mean() < 0.4
    assert torch.equal(after.images, again.images)
    assert np.array_equal(after.labels, again.labels)
    none = paste(before, TASK, donors, 0.0, stream(1))
    assert torch.equal(none.images, before.images)


def test_what_is_pasted_over_a_doubtful_pixel_counts_in_full() -> None:
    people = scenes(10, 1)
    doubtful = replace(people.take(np.arange(9)), weights=np.full((9, 12, 16), 10, np.uint8), pseudo=np.ones(9, bool))
    before = draw([(doubtful, 30)], stream(0))
    after = paste(before, TASK, find_donors(TASK, [people]), 1.0, stream(1))
    assert after.weights is not None
    changed = after.labels != before.labels
    assert changed.any((1, 2)).all()
    assert (after.weights[changed] == FULL).all()
    assert (after.weights[~changed] == 10).all()


def test_where_a_teacher_labels_anew_only_samples_of_people_get_a_part() -> None:
    """It would call the hat on its head what it took the head for."""
    people = scenes(10, 1)
    machine = replace(people.take(np.arange(9)), pseudo=np.ones(9, bool))
    before = draw([(people.take(np.arange(9)), 10), (machine, 30)], stream(0))
    after = paste(before, TASK, find_donors(TASK, [people]), 1.0, stream(1), human=True)
    changed = (after.labels != before.labels).any((1, 2))
    assert changed.tolist() == [True] * 10 + [False] * 30


def test_a_run_learns_from_pasted_samples_the_same_from_the_same_seed() -> None:
    people = blobs(6, 0)
    people.labels[2:][people.labels[2:] == 2] = 1  # two of six show a core
    runs = [LearnSettings(steps=2, batch=4, paste=share) for share in (0.0, 0.9, 0.9)]
    trained = [run_to_end(train_predictor(SEGMENTATION, lambda _: [(people, 4)], 0, asked, "run")) for asked in runs]
    plain, pasted, again = (next(run.model.pyramid.head.parameters()) for run in trained)
    assert torch.equal(pasted, again)
    assert not torch.equal(plain, pasted)
