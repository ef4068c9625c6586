"""Affine maps of images, of maps of values and of points: three things that must agree."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from handsoff.geometry.affine import moved_maps, moved_points, nearest
from handsoff.learning.augment import moved_images, random_affine
from toy import affine

FRAMES = st.tuples(st.integers(1, 24), st.integers(1, 24))
SEEDS = st.integers(0, 10_000)
SHIFTS = st.floats(-0.15, 0.15)
MOVES = st.fixed_dictionaries(
    {
        "angle": st.floats(-np.pi, np.pi),
        "zoom": st.floats(0.7, 1.3),
        "shift": st.tuples(SHIFTS, SHIFTS),
        "mirror": st.booleans(),
    }
)


def any_theta(seed: int) -> torch.Tensor:
    """Any invertible map, shears and mirrors too."""
    stream = torch.Generator().manual_seed(seed)
    theta = torch.randn(2, 2, 3, generator=stream) * torch.tensor([1.0, 1.0, 0.5])
    while (theta[:, :, :2].det().abs() < 0.1).any():
        theta = torch.randn(2, 2, 3, generator=stream) * torch.tensor([1.0, 1.0, 0.5])
    return theta


def inverse(theta: torch.Tensor) -> torch.Tensor:
    """The way back."""
    square = torch.cat([theta, torch.tensor([[[0.0, 0.0, 1.0]]] * len(theta))], 1)
    return square.inverse()[:, :2]


def decided(theta: torch.Tensor, frame: tuple[int, int]) -> np.ndarray:
    """Output pixels whose input place is not half way between two pixels, where rounding decides."""
    grid = F.affine_grid(theta.double(), [len(theta), 1, *frame], align_corners=False)
    places = ((grid + 1) * torch.tensor([frame[1], frame[0]]) - 1) / 2
    return ((places - places.floor() - 0.5).abs() > 1e-3).all(-1).numpy()


@given(FRAMES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_maps_move_as_grid_sample_moves_them(frame: tuple[int, int], seed: int) -> None:
    theta = any_theta(seed)
    maps = np.random.default_rng(seed).integers(1, 250, (2, *frame, 3), dtype=np.uint8)
    grid = F.affine_grid(theta, [2, 3, *frame], align_corners=False)
    sampled = F.grid_sample(
        torch.from_numpy(maps).permute(0, 3, 1, 2).float(),
        grid,
        mode="nearest",
        padding_mode="zeros",
        align_corners=False,
    )
    expected, sure = sampled.permute(0, 2, 3, 1).numpy(), decided(theta, frame)
    for before, after in ((maps, expected), (maps[..., 0], expected[..., 0])):
        moved = moved_maps(before, theta, 0)
        assert moved.dtype == np.uint8
        assert moved.shape == before.shape
        assert np.array_equal(moved[sure], after[sure])


def test_what_comes_in_from_outside_is_marked() -> None:
    maps = np.ones((1, 4, 6), np.float32)
    right = affine((4, 6), shift=(1.0, 0.0))  # half of the picture further right is looked at
    assert moved_maps(maps, right, -7.0).tolist() == [[[1, 1, 1, -7, -7, -7]] * 4]


@given(FRAMES, SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_identity_changes_nothing(frame: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    same = affine(frame)
    maps = rng.integers(0, 256, (1, *frame), dtype=np.uint8)
    assert np.array_equal(moved_maps(maps, same, 255), maps)
    assert nearest(same, frame, frame)[2].all()
    points = rng.uniform(-5, 30, (1, 4, 2))
    np.testing.assert_allclose(moved_points(points, same, frame), points, atol=1e-12)
    assert moved_points(points.astype(np.float32), same, frame).dtype == np.float32


@given(FRAMES, SEEDS)
@settings(max_examples=40, deadline=None)
def test_points_come_back_by_the_inverse(frame: tuple[int, int], seed: int) -> None:
    theta = any_theta(seed).double()
    points = np.random.default_rng(seed).uniform(-3, 27, (2, 5, 2))
    there = moved_points(points, theta, frame)
    np.testing.assert_allclose(moved_points(there, inverse(theta), frame), points, atol=1e-7)


@given(st.tuples(st.integers(32, 44), st.integers(32, 44)), MOVES, st.floats(0.42, 0.58), st.floats(0.42, 0.58))
@settings(max_examples=60, deadline=None)
def test_a_point_goes_where_the_bright_spot_under_it_goes(
    frame: tuple[int, int], move: dict[str, Any], across: float, down: float
) -> None:
    theta, aim = affine(frame, **move), np.array([[[across * (frame[1] - 1), down * (frame[0] - 1)]]])
    start = moved_points(aim, inverse(theta), frame)  # so that the spot lies well inside before and after
    x, y = moved_points(start, theta, frame)[0, 0]
    rows, columns = np.mgrid[: frame[0], : frame[1]]
    spot = np.exp(-((columns - start[0, 0, 0]) ** 2 + (rows - start[0, 0, 1]) ** 2) / 2)
    shown = moved_images(torch.from_numpy(spot).float().expand(1, 3, -1, -1), theta)[0, 0].double().numpy()
    near = np.where((np.abs(columns - x) < 7) & (np.abs(rows - y) < 7), shown, 0.0)
    assert (near * columns).sum() / near.sum() == pytest.approx(x, abs=0.1)
    assert (near * rows).sum() / near.sum() == pytest.approx(y, abs=0.1)


def test_mirrors_and_right_angles_are_exact() -> None:
    points = np.array([[[0.0, 0.0], [4.0, 1.0], [2.5, 3.25]]])
    mirrored = moved_points(points, affine((6, 8), mirror=True), (6, 8))
    np.testing.assert_allclose(mirrored, [[[7, 0], [3, 1], [4.5, 3.25]]], atol=1e-12)
    for quarter in (1, 2, 3):
        theta = affine((6, 6), quarter * np.pi / 2)
        picture = np.arange(36.0).reshape(1, 6, 6)
        turned = moved_maps(picture, theta, -1.0)
        assert np.array_equal(turned[0], np.rot90(picture[0], quarter))
        for column, row in moved_points(points[:, :2], theta, (6, 6))[0].round(9):
            assert turned[0, int(row), int(column)] in (picture[0, 0, 0], picture[0, 1, 4])
        np.testing.assert_allclose(moved_points(points, theta, (6, 6)), quarter_turned(points, quarter, 5), atol=1e-12)


def quarter_turned(points: np.ndarray, times: int, last: int) -> np.ndarray:
    """As np.rot90: (x, y) → (y, last - x)."""
    for _ in range(times):
        points = np.stack([points[..., 1], last - points[..., 0]], -1)
    return points


def test_random_maps_keep_pixels_square() -> None:
    frame = (20, 50)
    theta, flipped = random_affine(200, frame, torch.Generator().manual_seed(0))
    corners = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]).repeat(200, 0)
    moved = moved_points(corners, theta, frame)
    across, down = moved[:, 1] - moved[:, 0], moved[:, 2] - moved[:, 0]
    np.testing.assert_allclose((across * down).sum(-1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(across, axis=-1), np.linalg.norm(down, axis=-1), rtol=1e-5)
    assert np.array_equal(np.linalg.det(np.stack([across, down], -1)) < 0, flipped.numpy())
    assert 0.3 < float(flipped.float().mean()) < 0.7
    assert not random_affine(200, frame, torch.Generator().manual_seed(0), mirrors=False)[1].any()
