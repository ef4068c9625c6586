"""Keypoints: stored, moved, learnt, decided and scored."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from handsoff.core.errors import InputError, MismatchError
from handsoff.datasets.framing import frame_photo, frame_sample
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.geometry.affine import moved_points
from handsoff.geometry.peaks import blurred
from handsoff.learning.augment import affine as affine_view
from handsoff.learning.data import Batch
from handsoff.tasks.keypoints import RARITY, Keypoints, within
from toy import affine, parsed

NAMES = ["left_eye", "right_eye", "nose"]
FRAMES = st.tuples(st.integers(8, 64), st.integers(8, 64))
PLACES = st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from([0, 1, 2]))  # shares of the image, visibility


def test_every_point_is_decided_by_its_own_maps() -> None:
    """However many there are, and however many are decided at once."""
    names = [f"point{index}" for index in range(20)]
    task = Keypoints(Keypoints.declare({"names": names}, "points.json", {}, [[0, 0]] * 20))
    members = torch.randn(3, 2, 20, 24, 16, generator=torch.Generator().manual_seed(0)) * 3
    places, uncertainty = task.learning.decode(members, torch.tensor([0.5, 0.25, 0.25]))
    for index in (0, 7, 8, 19):
        alone = task.learning.decode(members[:, :, [index]], torch.tensor([0.5, 0.25, 0.25]))
        assert np.array_equal(alone[0][:, 0], places[:, index])
        assert torch.equal(alone[1][:, 0], uncertainty[:, index])


def points(**options: Any) -> Keypoints:
    """The task of a dataset with three points."""
    return Keypoints(Keypoints.declare({"names": NAMES, **options}, "points.json", {}, [[0, 0]] * 3))


def outputs(heat: torch.Tensor) -> torch.Tensor:
    """What a member says whose heat maps [N, H, W, K] are these."""
    return torch.logit(heat.double().clamp(1e-9, 1 - 1e-9)).float().movedim(-1, 1) + RARITY


def member(task: Keypoints, frame: tuple[int, int], *places: tuple[float, float] | None) -> torch.Tensor:
    """A member that is sure of these places, None being nowhere: [1, K, H, W]."""
    rows = [(0.0, 0.0, 0.0) if place is None else (*place, 2.0) for place in places]
    return outputs(task.learning.encode(np.array([rows], np.float32), frame))


# --- heat maps --------------------------------------------------------------------------------------------------------


@given(FRAMES, st.lists(PLACES, min_size=3, max_size=3), st.none() | st.floats(1, 4))
@example((16, 16), [(0.0, 0.0, 2), (1.0, 1.0, 2), (0.4, 0.4, 2)], None)
@example((64, 48), [(0.0, 0.5, 2), (0.5, 0.999, 2), (0.0, 1.0, 2)], 4.0)
@settings(max_examples=50, deadline=None)
def test_points_are_found_again_between_the_pixels(
    frame: tuple[int, int], shares: list[tuple[float, float, int]], sigma: float | None
) -> None:
    """From edge to edge of the image, half a pixel beyond the outermost centres, while sigma is at least a pixel."""
    task, side = points(sigma=sigma), np.array([frame[1], frame[0]])
    labels = np.array([[[*(np.array(share[:2]) * side - 0.5), share[2]] for share in shares]], np.float32)
    found, uncertainty = task.learning.decode(torch.stack([outputs(task.learning.encode(labels, frame))] * 2))
    there = labels[0, :, 2] > 0
    assert found.dtype == np.float32
    assert np.array_equal(found[0, :, 2], 2.0 * there), "there or not; whether something hides a point is not learnt"
    assert np.abs(found[0, there, :2] - labels[0, there, :2]).max(initial=0) < 0.05
    assert uncertainty.shape == (1, 3)
    assert float(uncertainty.max()) < 0.03
    assert within(found, frame).all()


@settings(deadline=None)
@given(FRAMES, st.floats(0.5, 2))
def test_blurring_is_a_convolution_with_a_gaussian_cut_at_three_sigmas(frame: tuple[int, int], sigma: float) -> None:
    heat = torch.rand(2, 3, *frame, generator=torch.Generator().manual_seed(0))
    radius = math.ceil(3 * sigma)
    taps = (-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)).exp()
    naive = F.conv2d(heat.flatten(0, 1)[:, None], taps.outer(taps)[None, None] / taps.sum() ** 2, padding=radius)[
        :, 0
    ].unflatten(0, (2, 3))
    torch.testing.assert_close(blurred(heat, sigma), naive)


def test_half_a_pixel_of_sigma_is_too_fine_to_be_exact() -> None:
    """What narrower heat maps cost: a few hundredths of a pixel inside, up to a quarter at the border."""
    task, rng = points(sigma=0.5), np.random.default_rng(0)
    labels = np.concatenate([rng.uniform(-0.5, 23.5, (300, 3, 2)), np.full((300, 3, 1), 2)], -1).astype(np.float32)
    found = task.learning.decode(outputs(task.learning.encode(labels, (24, 24)))[None])[0]
    assert (found[..., 2] == 2).all()
    error = np.abs(found - labels)[..., :2]
    inner = ((labels[..., :2] > 0.5) & (labels[..., :2] < 22.5)).all(-1)
    assert error[inner].max() < 0.08
    assert error.max() < 0.25


def test_the_width_of_the_heat_maps_can_be_stated() -> None:
    assert points(sigma=3.5).learning.sigma((96, 48)) == 3.5
    assert (
        points().learning.sigma((512, 256))
        == points().learning.sigma((256, 512))
        == 2 * points().learning.sigma((256, 256))
    ), "it grows with the longer side"
    corner = points().learning.encode(np.array([[[7.5, 7.5, 2]] * 3], np.float32), (16, 16))
    assert float(corner.max()) > 0.3, "a point between four pixels shows however small the image is"
    height = points(sigma=2).learning.encode(np.array([[[4, 4, 2], [4, 4, 1], [4, 4, 0]]], np.float32), (9, 9))[0, 4, 6]
    assert height.tolist() == pytest.approx([np.exp(-0.5), np.exp(-0.5), 0])


def test_uncertainty_grows_with_the_distance_between_members() -> None:
    task, frame = points(sigma=2.0), (48, 96)
    uncertainties = []
    for apart in (0.0, 0.5, 1.0, 2.0, 4.0, 20.0):
        members = torch.stack(
            [member(task, frame, (20, 20), (40.25, 30), None), member(task, frame, (20 + apart, 20), (40.25, 30), None)]
        )
        labels, uncertainty = task.learning.decode(members)
        uncertainties.append(float(uncertainty[0, 0]))
        assert labels[0, 0, 2] == 2
        assert 20 - 0.1 < labels[0, 0, 0] < 20 + apart + 0.1
        assert float(uncertainty[0, 1:].max()) < 0.03
    assert uncertainties[0] < 0.03
    assert uncertainties == sorted(uncertainties)
    assert uncertainties[2] == pytest.approx(1 - np.exp(-0.5 / 2), abs=0.02), "half a pixel either side of the middle"
    assert uncertainties[-1] > 0.99


def test_two_camps_are_more_uncertain_than_one_stray() -> None:
    task, frame = points(sigma=2.0), (48, 96)
    near, far = (member(task, frame, place, place, place) for place in ((20, 20), (60, 20)))
    camps = [torch.stack(members) for members in ([near] * 8, [near] * 7 + [far], [near] * 4 + [far] * 4)]
    uncertainties = [float(task.learning.decode(members)[1].max()) for members in camps]
    assert uncertainties[0] < 0.03 < uncertainties[1] < uncertainties[2] + 1e-6
    np.testing.assert_allclose(task.learning.decode(camps[1])[0][0, 0], [20, 20, 2], atol=0.05)
    everywhere = torch.stack([member(task, frame, (x, 20), (x, 20), (x, 20)) for x in range(5, 95, 9)])
    assert float(task.learning.decode(everywhere)[1].min()) > 0.9, "ten opinions"


def test_votes_weigh_members_of_points() -> None:
    task, frame = points(sigma=2.0), (48, 96)
    members = torch.stack([member(task, frame, (20, 20), None, None), member(task, frame, (60, 20), None, None)])
    for votes, place in (([0.8, 0.2], 20), ([0.2, 0.8], 60)):
        labels, uncertainty = task.learning.decode(members, torch.tensor(votes))
        assert labels[0, 0, 0] == pytest.approx(place, abs=0.05)
        assert float(uncertainty[0, 1]) < 0.03
    assert float(task.learning.decode(members, torch.tensor([1.0, 0.0]))[1].max()) < 0.03


def test_a_point_that_no_one_sees_is_not_there() -> None:
    """And the more of the members see it, the less certain that is, until it is there."""
    task, frame = points(), (64, 64)
    labels, uncertainty = task.learning.decode(torch.full((3, 1, 3, *frame), -9.0))
    assert labels[0, :, 2].tolist() == [0, 0, 0]
    assert float(uncertainty.max()) < 0.01
    nowhere, somewhere = member(task, frame, None, None, None), member(task, frame, (30, 30), (20, 20), (40, 40))
    found = [
        task.learning.decode(torch.stack([nowhere, somewhere]), torch.tensor([1 - share, share]))
        for share in (0.01, 0.03, 0.06, 0.7, 1.0)
    ]
    assert [label[0, 0, 2] for label, _ in found] == [0, 0, 0, 2, 2]
    uncertainties = [float(single[0, 0]) for _, single in found]
    assert uncertainties[:3] == sorted(uncertainties[:3])
    assert 0 < uncertainties[0] < uncertainties[2] <= 1
    assert uncertainties[3] > 0.5 > uncertainties[4]
    assert task.scores.image_uncertainty(np.array([[0.1, 0.2, 0.6]], np.float32)).tolist() == pytest.approx([0.6])


# --- on images --------------------------------------------------------------------------------------------------------


def test_moving_goes_where_moved_points_goes_and_marks_what_leaves() -> None:
    task, frame = points(), (20, 30)
    labels = np.array([[[1, 2, 2], [15, 10, 1], [28, 18, 2]], [[1, 2, 0], [15, 10, 2], [28, 18, 2]]], np.float32)
    theta = torch.cat([affine(frame, 0.4, 0.9, (0.3, 0.1)), affine(frame, -0.2, 1.1, mirror=True)])
    moved = task.geometry.move(labels, theta, torch.tensor([False, True]), frame)
    expected = moved_points(labels[..., :2], theta, frame)
    np.testing.assert_array_equal(moved[0, :, :2], expected[0])
    np.testing.assert_array_equal(moved[1, :, :2], expected[1][[1, 0, 2]], "left and right change places in the mirror")
    gone = ((expected < -0.5) | (expected > [29.5, 19.5])).any(-1)
    assert gone[0].any()
    assert np.array_equal(moved[0, :, 2], np.where(gone[0], 0, labels[0, :, 2]))
    assert np.array_equal(moved[1, :, 2], np.where(gone[1], 0, labels[1, :, 2])[[1, 0, 2]])
    assert moved.dtype == np.float32


@given(st.tuples(st.integers(24, 48), st.integers(24, 48)), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_warp_keeps_a_bright_dot_under_its_point(frame: tuple[int, int], seed: int) -> None:
    """One dot in each colour channel, one point for each; in the mirror the colours of the two eyes change places."""
    task, rng = points(), np.random.default_rng(seed)
    rows, columns = np.mgrid[: frame[0], : frame[1]]
    labels = np.concatenate(
        [rng.uniform(5, np.array([frame[1], frame[0]]) - 6, (4, 3, 2)), np.full((4, 3, 1), 2)], -1
    ).astype(np.float32)
    distance = (columns[..., None] - labels[:, None, None, :, 0]) ** 2 + (
        rows[..., None] - labels[:, None, None, :, 1]
    ) ** 2
    images = torch.from_numpy(np.exp(-distance / 4)).float().permute(0, 3, 1, 2)
    view = affine_view(Batch(images, labels, 4), task, torch.Generator().manual_seed(seed))
    for picture, places in zip(view.images.numpy(), view.labels, strict=True):
        for x, y, seen in places:
            if seen and 1 <= x <= frame[1] - 2 and 1 <= y <= frame[0] - 2:
                bright = picture[:, round(float(y)), round(float(x))].max()
                assert bright > 0.75, (x, y)


@pytest.mark.parametrize("size", [(64, 64), (50, 80), (81, 40), (16, 24)])
def test_points_are_fitted_as_images_are(size: tuple[int, int]) -> None:
    frame, task = (32, 24), points()
    label = np.array([[size[1] * 0.5, size[0] * 0.4, 2], [size[1] * 0.4, size[0] * 0.6, 1], [0, 0, 2]], np.float32)
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3), np.uint8)
    width = max(size) / 24
    for channel, (x, y, _) in enumerate(label):
        image[..., channel] = np.rint(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)))
    shown = frame_photo(image, frame, "crop", "it", enlarge=True).astype(np.float64)
    fitted = frame_sample(image, {"keypoints": label}, {"keypoints": task}, frame, "crop", "it", enlarge=True)[1][
        "keypoints"
    ]
    assert fitted[:2, 2].tolist() == [2, 1]
    assert frame_sample(image, {"keypoints": label}, {"keypoints": task}, size, "crop", "it")[1]["keypoints"] is label
    row, column = np.mgrid[: frame[0], : frame[1]]
    for channel in (0, 1):
        weight = shown[..., channel]
        centre = [(weight * column).sum() / weight.sum(), (weight * row).sum() / weight.sum()]
        assert fitted[channel, :2].tolist() == pytest.approx(centre, abs=0.1)
    assert (fitted[2, 2] == 0) == (not within(fitted, frame)[2])
    assert (fitted[2, 2] == 0) == (size[0] * 24 != size[1] * 32), "the corner is cut off where the shape differs"


def test_a_dot_is_drawn_on_its_pixel_and_nowhere_else() -> None:
    images = np.full((1, 12, 10, 3), 7, np.uint8)
    labels = np.array([[[2.3, 3.6, 2], [9.5, 11.5, 1], [5, 5, 0]]], np.float32)
    drawn = points().drawing.draw(images, labels)
    changed = {(int(y), int(x)) for _, y, x in np.argwhere((drawn != 7).any(-1))}
    assert changed == {(4, 2), (11, 9)}
    assert (images == 7).all()
    assert tuple(drawn[0, 4, 2]) != tuple(drawn[0, 11, 9])


# --- in learning ------------------------------------------------------------------------------------------------------


def test_following_the_gradient_lowers_the_loss() -> None:
    task, frame = points(), (24, 32)
    labels = np.array([[[3, 4, 2], [20.4, 11.2, 1], [0, 0, 0]]] * 2, np.float32)
    target = task.learning.encode(labels, frame)
    said = torch.randn(2, 3, *frame, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = task.learning.loss(said, target)
    assert loss.shape == (2, *frame)
    loss.mean().backward()
    assert said.grad is not None
    assert said.grad.isfinite().all()
    assert float(said.grad.abs().max()) > 0
    with torch.no_grad():
        better = [float(task.learning.loss(said - step * said.grad, target).mean()) for step in (0, 100, 1000)]
        assert better == sorted(better, reverse=True)
        best = task.learning.loss(outputs(target), target)
        assert float(best.mean()) < min(better), "nothing is below the heat maps themselves"
        assert (best <= loss + 1e-6).all()
    places = torch.arange(5)
    listed = task.learning.loss(said.flatten(2)[:, :, places], target.flatten(1, 2)[:, places])
    torch.testing.assert_close(listed, loss.flatten(1)[:, places])


def test_extreme_outputs_keep_the_loss_finite() -> None:
    task = points()
    target = task.learning.encode(np.array([[[3, 4, 2]] * 3], np.float32), (8, 8))
    for value in (-1e4, 1e4):
        said = torch.full((1, 3, 8, 8), value, requires_grad=True)
        task.learning.loss(said, target).sum().backward()
        assert said.grad is not None
        assert said.grad.isfinite().all()


def test_pixels_near_points_are_drawn_more_often() -> None:
    task, frame = points(), (32, 48)
    labels = np.array([[[10, 8, 2], [30, 20, 1], [40, 30, 0]], [[0, 0, 0]] * 3], np.float32)
    chances = task.learning.sampling_weights(labels, frame, 0.25).view(2, *frame)
    assert (chances > 0).all(), "any pixel may be drawn"
    assert chances[0, 8, 10] > 20 * chances[0, 0, 47]
    assert chances[0, 20, 30] > 20 * chances[0, 0, 47]
    assert chances[0, 30, 40] == chances[0, 0, 47]
    assert float(chances[0].max() * 0 + chances[1].std()) == pytest.approx(0, abs=1e-9)
    near = torch.zeros(frame, dtype=torch.bool)
    near[5:12, 7:14] = near[17:24, 27:34] = True
    assert 0.4 < float(chances[0][near].sum() / chances[0].sum()) < 0.6


def test_points_that_are_nowhere_teach_nothing() -> None:
    with pytest.raises(
        InputError,
        match=r"The keypoints of dataset are all outside of their images or have visibility 0: "
        r"give points that can be seen",
    ):
        points().learning.infer_schema(np.zeros((2, 3, 3), np.float32), "dataset")
    one = np.zeros((2, 3, 3), np.float32)
    one[0, 1, 2] = 1
    assert points().learning.infer_schema(one, "dataset") == points().schema


# --- in numbers -------------------------------------------------------------------------------------------------------


def test_scores_by_the_box_are_those_computed_by_hand() -> None:
    truth = np.array(
        [
            [[0, 0, 2], [100, 20, 1], [50, 50, 2]],
            [[10, 10, 2], [10, 30, 2], [99, 99, 0]],
            [[5, 5, 2], [0, 0, 0], [0, 0, 0]],
        ],
        np.float32,
    )
    predicted = truth.copy()
    predicted[0, 0, 0] += 5  # 0.05 of 100: a hit at both
    predicted[0, 1, 1] += 8  # 0.08: at 0.1 only
    predicted[0, 2, :2] += [6, 8.5]  # beyond 0.1
    predicted[1, 1, 0] += 1  # 0.05 of 20
    predicted[1, 2] = 0  # not there: does not count
    predicted[..., 2] = 0  # whether it was called seen does not count
    scores = points().scores.score(iter([(predicted[:1], truth[:1]), (predicted[1:], truth[1:])]))
    assert scores["metrics"]["pck@0.1"] == pytest.approx(4 / 5)
    assert scores["metrics"]["pck@0.05"] == pytest.approx(3 / 5)
    assert scores["metrics"]["nme"] == pytest.approx((0.05 + 0.08 + np.hypot(6, 8.5) / 100 + 0 + 0.05) / 5)
    assert scores["per_class"] == {"left_eye": 1, "right_eye": 1, "nose": 0}
    assert list(scores["metrics"]) == list(Keypoints.metrics) == ["pck@0.1", "pck@0.05", "nme"]


def test_scores_by_two_groups_are_those_computed_by_hand() -> None:
    task = points(scale=[[0], [1, 2]])
    truth = np.array([[[0, 0, 2], [30, 39, 2], [30, 41, 2]], [[0, 0, 2], [30, 39, 2], [30, 41, 0]]], np.float32)
    predicted = truth.copy()
    predicted[0, 0, 0] = 4  # of hypot(30, 40) = 50: 0.08
    predicted[0, 1, 1] = 49  # 0.2
    predicted[1] = 99  # the unit of this image is not known
    scores = task.scores.score([(predicted, truth)])
    assert scores["metrics"] == pytest.approx({"pck@0.1": 2 / 3, "pck@0.05": 1 / 3, "nme": 0.28 / 3})
    assert scores["per_class"] == {"left_eye": 1, "right_eye": 0, "nose": 1}
    np.testing.assert_array_equal(task.scores.unit(truth), [50, np.nan])


def test_without_any_unit_there_is_no_score() -> None:
    one = np.array([[[5, 5, 2], [0, 0, 0], [0, 0, 0]]], np.float32)
    for truth in (one, np.zeros_like(one)):
        scores = points().scores.score([(truth, truth)])
        assert all(np.isnan(value) for value in scores["metrics"].values())
        assert scores["per_class"] == {}


def test_label_statistics_count_images_that_show_a_point() -> None:
    labels = np.array([[[1, 1, 2], [2, 2, 1], [0, 0, 0]], [[1, 1, 2], [0, 0, 0], [0, 0, 0]]], np.float32)
    assert points().scores.label_statistics(labels) == {"left_eye": (2, 1.0), "right_eye": (1, 0.5), "nose": (0, 0.0)}


# --- in files ---------------------------------------------------------------------------------------------------------

ENTRIES = {
    "nan": (
        [[1, 1], [float("nan"), 2], [3, 3]],
        r"x: point 1 is \[nan, 2\]: write finite pixels, and visibility 0, 1 or 2",
    ),
    "infinite": ([[1, 1, 2], [2, 2, 2], [float("inf"), 3, 0]], r"x: point 2 is \[inf, 3, 0\]: write finite pixels"),
    "null": ([[1, None], [2, 2], [3, 3]], r"x is not a list of \[x, y\]"),
    "beyond float32": ([[1e300, 1, 0], [2, 2, 1], [3, 3, 1]], r"x: point 0 is \[1e\+300, 1, 0\]: write finite pixels"),
    "beyond floats": (
        [[10**400, 1], [2, 2], [3, 3]],
        r"x is not a list of \[x, y\] or \[x, y, visibility\]: correct it",
    ),
    "too few": (
        [[1, 1], [2, 2]],
        r"x has 2 points, the others have 3: give all of them, with visibility 0 for what is not there",
    ),
    "too many": ([[1, 1]] * 4, r"x has 4 points, the others have 3"),
    "outside though seen": (
        [[1, 1, 2], [2, 2, 1], [30, 3, 2]],
        r"x: point 2 at 30, 3 lies outside the image of 20x10 pixels",
    ),
    "hidden and outside": ([[1, -1, 1], [2, 2, 1], [3, 3, 2]], r"x: point 0 at 1, -1 lies outside the image"),
    "far outside": (
        [[1, 1], [2, 2], [31, 3]],
        r"x: point 2 at 31, 3 lies outside the image of 20x10 pixels: correct it, or give it visibility 0",
    ),
    "half visible": (
        [[1, 1, 2], [2, 2, 0.5], [3, 3, 2]],
        r"x: point 1 is \[2, 2, 0\.5\]: write finite pixels, and visibility 0, 1 or 2",
    ),
    "visibility 3": ([[1, 1, 2], [2, 2, 3], [3, 3, 2]], r"x: point 1 is \[2, 2, 3\]: .*visibility 0, 1 or 2"),
    "object": ({"nose": [1, 1]}, r"x is not a list of \[x, y\]"),
    "text": ("1, 1, 2, 2, 3, 3", r"x is not a list of \[x, y\]"),
    "truths": ([[True, False], [True, True], [False, False]], r"x is not a list of \[x, y\]"),
    "texts": ([["a", "b"], ["c", "d"], ["e", "f"]], r"x is not a list of \[x, y\]"),
    "numbers as texts": ([["1", "2"], ["3", "4"], ["5", "6"]], r"x is not a list of \[x, y\]"),
    "flat": ([1, 1, 2, 2, 3, 3], r"x is not a list of \[x, y\]"),
    "mixed": ([[1, 1], [2, 2, 2], [3, 3]], r"x is not a list of \[x, y\]"),
    "deep": ([[[1, 1]], [[2, 2]], [[3, 3]]], r"x is not a list of \[x, y\]"),
    "four numbers": ([[1, 1, 2, 2]] * 3, r"x is not a list of \[x, y\]"),
    "nothing": (None, r"x is not a list of \[x, y\]"),
    "empty": ([], r"x is not a list of \[x, y\]"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_what_is_wrong_with_points_is_said(case: str) -> None:
    entry, sentence = ENTRIES[case]
    with pytest.raises(InputError, match=rf"^{sentence}") as caught:
        parsed(points(), entry, "x", (10, 20))
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_or_refused_in_a_sentence(entry: Any) -> None:
    try:
        label = parsed(points(), entry, "x", (10, 20))
    except InputError:
        return
    assert label.shape == (3, 3)
    assert np.isfinite(label).all()


def test_points_that_were_cut_off_are_not_there() -> None:
    """Without visibility: half an image outside is where points land that a crop took away."""
    label = parsed(points(), [[-10, 5], [19.5, 9.5], [29.5, 14]], "x", (10, 20))
    assert label.tolist() == [[-10, 5, 0], [19.5, 9.5, 2], [29.5, 14, 0]]
    absent = parsed(points(), [[-500, 5, 0], [3, 3, 0], [3, 3, 1]], "x", (10, 20))
    assert absent[:, 2].tolist() == [0, 0, 1]


CARDS = {
    "list": ([], r"points.json is not a JSON object"),
    "unknown": (
        {"name": NAMES},
        r"points.json has no setting 'name': did you mean names\? choose one of names, mirror, scale, sigma",
    ),
    "few names": (
        {"names": ["a", "b"]},
        r"points.json names 2 points, the labels have 3 of each image: name them all",
    ),
    "same names": (
        {"names": ["a", "a", "b"]},
        r"points.json names the point 'a' twice: give every point a name of its own",
    ),
    "no names": ({"names": []}, r"points.json: names must be a list of texts, one per point"),
    "one text": ({"names": "abc"}, r"points.json: names must be a list of texts, one per point"),
    "a number": ({"names": 3}, r"points.json: names must be a list of texts, one per point"),
    "mirror index": (
        {"mirror": [[0, 3]]},
        r"points.json: mirror must be written \[\[0, 1\], …\]: pairs of points that change places, counted from 0 to 2",
    ),
    "mirror negative": ({"mirror": [[0, -1]]}, r"points.json: mirror must be written"),
    "mirror triple": ({"mirror": [[0, 1, 2]]}, r"points.json: mirror must be written"),
    "mirror names": ({"mirror": [["left_eye", "right_eye"]]}, r"points.json: mirror must be written"),
    "mirror flat": ({"mirror": [0, 1]}, r"points.json: mirror must be written"),
    "mirror twice": ({"mirror": [[0, 1], [1, 2]]}, r"points.json: mirror must be written"),
    "scale index": (
        {"scale": [[0], [3]]},
        r"points.json: scale must be written \[\[0, …\], \[1, …\]\]: two groups of points, counted from 0 to 2",
    ),
    "no distance": ({"scale": [[0, 1], [1, 0]]}, r"points.json: scale has the same points twice"),
    "one group": ({"scale": [[0, 1]]}, r"points.json: scale must be written"),
    "empty group": ({"scale": [[0], []]}, r"points.json: scale must be written"),
    "no sigma": ({"sigma": 0}, r"points.json: sigma = 0 must be a number of pixels, at least 0.5"),
    "huge sigma": ({"sigma": 10**400}, r"points.json: sigma = 10+ must be a number of pixels"),
    "nan sigma": ({"sigma": float("nan")}, r"points.json: sigma = nan must be"),
    "text sigma": ({"sigma": "2"}, r"points.json: sigma = 2 must be a number of pixels, at least 0.5"),
}


@pytest.mark.parametrize("case", CARDS)
def test_what_is_wrong_with_points_json_is_said(case: str) -> None:
    card, sentence = CARDS[case]
    with pytest.raises(InputError, match=sentence):
        Keypoints.declare(card, "points.json", {}, [[0, 0]] * 3)


def test_options_of_the_user_are_checked_alike() -> None:
    for options, sentence in (
        ({"merge": {}}, r"labels\.keypoints has no setting 'merge'"),
        ({"names": ["a", "a"]}, r"labels\.keypoints names the point 'a' twice"),
        ({"scale": [[0], [7]]}, r"labels\.keypoints: scale must be written"),
        ({"sigma": 0}, r"labels\.keypoints: sigma = 0 must be"),
    ):
        with pytest.raises(InputError, match=sentence):
            Keypoints.declare({"names": ["a", "b"]}, "points.json", options, [[0, 0]] * 2)
    assert Keypoints.declare({"sigma": 1}, "points.json", {"sigma": 2}, [[0, 0]])["sigma"] == 2


def test_left_and_right_in_the_names_are_mirror_partners() -> None:
    assert points().schema["mirror"] == [[0, 1]]
    assert points().geometry.mirrors
    nameless = Keypoints(Keypoints.declare(None, "points.json", {}, [[0, 0]] * 3))
    assert nameless.schema["names"] == ["0", "1", "2"]
    assert not nameless.geometry.mirrors, "who is whose mirror image is not known"
    assert points(names=None).schema["names"] == ["0", "1", "2"], "null is not stated"
    assert points(mirror=[]).geometry.mirrors, "an empty list says that every point stays"
    assert points(mirror=[[0, 2]]).geometry.partner == (2, 1, 0)


def make(folder: Path, task: Keypoints, labels: np.ndarray, size: tuple[int, int]) -> Path:
    image = np.zeros((*size, 3), np.uint8)
    rests = {
        str(index): write_sample(folder, str(index), image, {"keypoints": label}, {"keypoints": task})
        for index, label in enumerate(labels)
    }
    write_cards(folder, {"keypoints": task}, rests)
    return folder


@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.lists(PLACES, min_size=6, max_size=6), st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_elsewhere(
    size: tuple[int, int],
    shares: list[tuple[float, float, int]],
    stated: bool,  # noqa: FBT001  # passed by name
) -> None:  # hypothesis passes it by name
    side = np.array([size[1], size[0]])
    labels = np.array([[*(np.array(share[:2]) * side - 0.5), share[2]] for share in shares], np.float32).reshape(
        2, 3, 3
    )
    task = points(scale=[[0], [1, 2]], sigma=1.5, mirror=[[0, 2]]) if stated else points()
    with tempfile.TemporaryDirectory() as made:
        make(Path(made) / "here", task, labels, size)
        (Path(made) / "here").rename(Path(made) / "there")
        dataset = open_labelled(Path(made) / "there")
        assert list(dataset.kinds) == ["keypoints"]
        assert dataset.tasks["keypoints"].schema == task.schema
        for index, label in enumerate(labels):
            again = dataset.label("keypoints", str(index))
            np.testing.assert_allclose(again[:, :2], label[:, :2], rtol=1e-6, atol=5.1e-4)
            assert np.array_equal(again[:, 2], label[:, 2])
            assert task.storage.serialise(again) == task.storage.serialise(label), (
                "reading back and writing again changes nothing"
            )


def test_points_of_a_pack_are_found_by_name_or_named_if_missing(tmp_path: Path) -> None:
    folder = make(tmp_path / "dataset", points(), np.array([[[1, 1, 2]] * 3] * 2, np.float32), (6, 5))
    entries = json.loads((folder / "keypoints.json").read_text())
    (folder / "keypoints.json").write_text(json.dumps({"0": entries["0"]}))
    with pytest.raises(
        InputError,
        match=r"images/1.png has no label in keypoints: add an entry '1' to keypoints.json or remove the image",
    ):
        open_labelled(folder)
    (folder / "keypoints.json").write_text(json.dumps({**entries, "2": entries["0"]}))
    with pytest.raises(InputError, match=r"dataset/keypoints.json: '2' has no image: add images/2.png"):
        open_labelled(folder)
    (folder / "keypoints.json").write_text("[]")
    with pytest.raises(InputError, match=r"dataset/keypoints.json is not a JSON object: write one entry per image"):
        open_labelled(folder)
    (folder / "keypoints.json").write_text(json.dumps({"0": entries["0"], "1": entries["1"][:2]}))
    with pytest.raises(InputError, match=r"dataset/keypoints.json: 1 has 2 points, the others have 3"):
        open_labelled(folder).label("keypoints", "1")
    flat = [1, 2, 2, 3, 3, 2, 4, 4, 2]
    for entry in ("nothing", [], {"nose": [1, 2]}, None, [[1, 2], [3]], flat):
        (folder / "keypoints.json").write_text(json.dumps({"0": entry, "1": entries["1"]}))
        remedy = r"group its numbers by three, \[\[x, y, visibility\], …\]" if entry == flat else "correct it"
        with pytest.raises(
            InputError,
            match=rf"dataset/keypoints.json: 0 is not a list of \[x, y\] or \[x, y, visibility\]: {remedy}\.$",
        ):
            open_labelled(folder)


def test_other_points_are_no_match(tmp_path: Path) -> None:
    folder = make(tmp_path / "dataset", points(), np.array([[[1, 1, 2]] * 3] * 2, np.float32), (6, 5))
    assert open_like(folder, {"keypoints": points().schema}).label("keypoints", "0").shape == (3, 3)
    with pytest.raises(
        MismatchError,
        match=r"points.json names other points than the dataset has: give labelled data with the same points",
    ):
        open_like(folder, {"keypoints": {**points().schema, "names": ["a", "b", "c"]}})
    (folder / "points.json").unlink()
    assert open_like(folder, {"keypoints": points().schema}).tasks["keypoints"].schema["names"] == NAMES
    with pytest.raises(InputError, match="has 3 points, the others have 2"):
        open_like(folder, {"keypoints": {"names": ["a", "b"]}}).label("keypoints", "0")


def test_a_change_of_one_point_or_of_what_points_mean_changes_the_fingerprint(tmp_path: Path) -> None:
    labels = np.array([[[1, 1, 2]] * 3] * 2, np.float32)
    other = labels.copy()
    other[1, 2, 0] = 1.5
    datasets = {"a": (points(), labels), "b": (points(), other), "c": (points(sigma=1), labels)}
    folders = [make(tmp_path / name, *dataset, (6, 5)) for name, dataset in datasets.items()]
    assert len({open_labelled(folder).describe()["fingerprint"] for folder in folders}) == 3
