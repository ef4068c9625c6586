"""Surface normals: from depth or as they are, turned, learnt and scored. It shows what a new task costs."""

import inspect
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.geometry.affine import moved_maps
from handsoff.geometry.surfaces import from_depth, to_colours, vectors
from handsoff.tasks import normals
from handsoff.tasks.depth import Depth
from handsoff.tasks.maps import known
from handsoff.tasks.normals import Normals
from toy import affine, parsed

TASK = Normals({})
FACING = (128, 128, 255)


def unit(*vector: float) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


def directions(seed: int, *shape: int) -> np.ndarray:
    raw = np.random.default_rng(seed).normal(size=(*shape, 3))
    return raw / np.linalg.norm(raw, axis=-1, keepdims=True)


def angles(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees between unit vectors."""
    return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


def plane(normal: np.ndarray, frame: tuple[int, int], focal: float) -> np.ndarray:
    """Depth of a plane two units in front of a pinhole camera whose focal length is `focal` image widths."""
    y, x = np.mgrid[: frame[0], : frame[1]].astype(float)
    rays = np.stack(
        [(x - (frame[1] - 1) / 2) / focal / frame[1], -(y - (frame[0] - 1) / 2) / focal / frame[1], -np.ones(frame)], -1
    )
    depth: np.ndarray = (-2 / (rays @ normal)).astype(np.float32)
    return depth


def hill(x: np.ndarray, y: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """A smooth surface, not the same from any side."""
    u, v = x / max(frame), y / max(frame)
    depth: np.ndarray = (2 + 0.4 * u - 0.25 * v + 0.3 * np.sin(3 * u + 1) * np.cos(2 * v)).astype(np.float32)
    return depth


def of_depth(depth: np.ndarray) -> np.ndarray:
    """Colours of one depth map [1, H, W, 3]."""
    return to_colours(from_depth(depth, 1.0))[None]


def test_a_new_task_costs_one_file_of_less_than_160_lines() -> None:
    assert len(inspect.getsource(normals).splitlines()) < 160, (
        "mirrors and exported models are two answers more than it had"
    )


# --- from depth -------------------------------------------------------------------------------------------------------


@given(
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.sampled_from([(2, 2), (12, 16), (16, 12), (20, 20), (3, 9)]),
    st.floats(0.7, 4),
)
@settings(max_examples=40, deadline=None)
def test_the_depth_of_a_tilted_plane_gives_its_normal(
    right: float, up: float, frame: tuple[int, int], focal: float
) -> None:
    normal = unit(right, up, 1)
    found = from_depth(plane(normal, frame, focal), focal)
    assert angles(found, normal).max() < 0.1
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1)


def test_x_is_right_y_is_up_and_z_comes_towards_the_camera() -> None:
    y, x = np.mgrid[:5, :8].astype(np.float32)
    assert from_depth(np.full((5, 8), 3, np.float32), 1.0).reshape(-1, 3).tolist() == [[0, 0, 1]] * 40, (
        "a plane that faces the camera"
    )
    assert of_depth(np.full((5, 8), 3, np.float32)).reshape(-1, 3).tolist() == [list(FACING)] * 40
    assert (from_depth(3 + x / 9, 1.0)[..., 0] > 0).all(), (
        "what recedes to the right looks right, as a corridor's left wall"
    )
    assert (from_depth(9 - y / 2, 1.0)[..., 1] > 0).all(), "a floor, nearer at the bottom, looks up"
    assert (from_depth(3 + x / 9 + y / 9, 1.0)[..., 2] > 0).all()


def test_the_unit_of_depth_does_not_matter_and_the_focal_length_does() -> None:
    depth = plane(unit(0.3, 0.2, 1), (8, 8), 1.0)
    assert angles(from_depth(depth * 1000, 1.0), from_depth(depth, 1.0)).max() < 0.1
    assert angles(from_depth(depth, 3.0), from_depth(depth, 1.0)).min() > 1
    data = Depth({}).storage.serialise(depth)
    for focal in (1.0, 3.0):
        task = Normals({"focal": focal})
        read = parsed(task, data, "x", (8, 8), Normals.locations[1])
        assert np.array_equal(read, to_colours(from_depth(depth, focal)))


def test_beside_what_is_not_known_no_normal_is_known() -> None:
    depth = plane(unit(0.3, 0.2, 1), (9, 9), 1.0)
    depth[4, 4] = 0
    depth[:, 8] = 0
    colours = of_depth(depth)[0]
    known = np.ones((9, 9), bool)
    known[4, 3:6] = known[3:6, 4] = False
    known[:, 7:] = False
    assert np.array_equal((colours > 0).any(-1), known)
    assert not of_depth(np.eye(3, dtype=np.float32)).any(), "single pixels have no slope"
    assert not of_depth(np.ones((1, 5), np.float32)).any(), "nor has one row"


# --- moving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [(12, 12), (13, 13)])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_right_angles_and_mirrors_turn_normals_as_they_turn_depth(
    quarter: int,
    mirror: bool,  # noqa: FBT001  # passed by name
    frame: tuple[int, int],
) -> None:  # pytest passes it by name
    y, x = np.mgrid[: frame[0], : frame[1]].astype(float)
    depth = hill(x, y, frame)
    theta, flipped = affine(frame, quarter * np.pi / 2, mirror=mirror).float(), torch.tensor([mirror])
    moved = Depth({}).geometry.move(depth[None], theta, flipped, frame)[0]
    assert (moved > 0).all()
    turned = TASK.geometry.move(of_depth(depth), theta, flipped, frame)
    assert angles(vectors(turned), vectors(of_depth(moved))).max() < 1, "rounding to colours, twice"
    if quarter or mirror:
        assert angles(vectors(of_depth(depth)), vectors(of_depth(moved))).max() > 5, (
            "the hill looks the same from no side"
        )


@given(st.floats(-np.pi, np.pi), st.booleans(), st.sampled_from([(40, 40), (36, 48), (50, 30)]))
@settings(max_examples=40, deadline=None)
def test_any_angle_turns_normals_as_it_turns_the_surface(angle: float, mirror: bool, frame: tuple[int, int]) -> None:  # noqa: FBT001  # hypothesis passes it by name
    """The surface is asked where the turned image shows it: only the nearest neighbour's half pixel is left."""
    y, x = np.mgrid[: frame[0], : frame[1]].astype(float)
    theta = affine(frame, angle, mirror=mirror)
    source = (
        (F.affine_grid(theta, [1, 1, *frame], align_corners=False)[0] + 1) * torch.tensor([frame[1], frame[0]]) - 1
    ) / 2
    expected = vectors(of_depth(hill(source[..., 0].numpy(), source[..., 1].numpy(), frame)))
    colours = TASK.geometry.move(of_depth(hill(x, y, frame)), theta.float(), torch.tensor([mirror]), frame)
    there = known(colours, 0)[0]
    assert there[frame[0] // 4 : -frame[0] // 4, frame[1] // 4 : -frame[1] // 4].mean() > 0.9
    inner = there.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    edge = ((source < 1) | (source > torch.tensor([frame[1], frame[0]]) - 2)).any(-1).numpy()
    assert angles(vectors(colours), expected)[0][inner & ~edge].max() < 3


def test_zooming_and_shifting_turn_nothing() -> None:
    colours, theta = to_colours(directions(0, 1, 20, 20)), affine((20, 20), 0.0, 0.7, (0.2, -0.1)).float()
    moved = TASK.geometry.move(colours, theta, torch.tensor([False]), (20, 20))
    asked = moved_maps(colours, theta, 0)
    assert np.array_equal(known(moved, 0), known(asked, 0))
    assert angles(vectors(moved), vectors(asked))[known(moved, 0)].max() < 1
    outside = TASK.geometry.move(colours, affine((20, 20), shift=(1.0, 0.0)).float(), torch.tensor([False]), (20, 20))
    assert not outside[:, :, 10:].any(), "nothing is known of what comes in"


@given(st.integers(0, 1000), st.integers(12, 40), st.integers(12, 40))
@settings(max_examples=25, deadline=None)
def test_stretching_turns_normals_as_it_stretches_the_surface(seed: int, height: int, width: int) -> None:
    """A side that is stretched makes slopes along it smaller; both sides alike change nothing."""
    unit_vectors = directions(seed, 1, 20, 20)
    unit_vectors[..., 2] = np.abs(unit_vectors[..., 2])
    colours = np.repeat(np.repeat(to_colours(unit_vectors)[:, :1, :1], 20, 1), 20, 2)
    across, down = width / 20, height / 20
    moved = TASK.geometry.move(
        colours, torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), torch.tensor([False]), (height, width), (20, 20)
    )
    before = vectors(colours)[0, 0, 0]
    zoom = (across * down) ** 0.5  # of depth, as where nothing is stretched
    expected = before * [zoom / across, zoom / down, 1]
    assert moved.shape == (1, height, width, 3)
    assert angles(vectors(moved), expected / np.linalg.norm(expected)).max() < 1.5


def test_colours_of_vectors_that_are_a_little_too_long_stay_in_range() -> None:
    assert to_colours(np.array([[[1.01, 0, -1.01]]])).tolist() == [[[255, 128, 0]]]


# --- in learning ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_directions_come_back_within_a_degree(seed: int) -> None:
    unit_vectors = directions(seed, 2, 5, 4)
    target = TASK.learning.encode(to_colours(unit_vectors), (5, 4))
    assert target.shape == (2, 5, 4, 3)
    members = (target.movedim(-1, 1) * 3.5)[None].expand(4, -1, -1, -1, -1)
    colours, uncertainty = TASK.learning.decode(members)
    assert angles(vectors(colours), unit_vectors).max() < 1
    assert float(uncertainty.max()) < 1e-3
    assert colours.dtype == np.uint8


def test_uncertainty_is_how_far_members_point_apart() -> None:
    def say(*vector: float) -> torch.Tensor:
        return torch.tensor(vector, dtype=torch.float32).view(1, 1, 3, 1, 1)

    left, right = say(-0.5, 0, 3**0.5 / 2), say(1.0, 0, 3**0.5) * 7  # 30° to either side
    colours, uncertainty = TASK.learning.decode(torch.cat([left, right]))
    assert colours.flatten().tolist() == list(FACING)
    assert uncertainty.item() == pytest.approx(1 - np.cos(np.pi / 6), abs=1e-4)
    assert TASK.learning.decode(torch.cat([left, right]), torch.tensor([1.0, 0.0]))[1].item() == pytest.approx(
        0, abs=1e-6
    )
    colours, uncertainty = TASK.learning.decode(torch.cat([say(0, 1, 0), say(0, -1, 0)]))
    assert uncertainty.item() == pytest.approx(1)
    assert not colours.any(), "no direction is the mean of two opposite ones"
    assert TASK.scores.image_uncertainty(np.full((2, 3, 3), 0.25, np.float32)).tolist() == [0.25, 0.25]


def test_unknown_normals_neither_teach_nor_count() -> None:
    colours = to_colours(directions(0, 2, 6, 5))
    colours[:, 2:4, 1:3] = 0
    unknown = ~torch.from_numpy(known(colours, 0))
    assert unknown.sum() == 8
    said = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = TASK.learning.encode(colours, (6, 5))
    loss = TASK.learning.loss(said, target)
    assert (loss[unknown] == 0).all()
    loss.sum().backward()
    assert said.grad is not None
    assert said.grad.isfinite().all()
    assert (said.grad.movedim(1, -1)[unknown] == 0).all()
    assert (said.grad.movedim(1, -1)[~unknown].abs().sum(-1) > 0).all()
    cosine = (F.normalize(said.detach(), dim=1).movedim(1, -1) * target).sum(-1)
    torch.testing.assert_close(loss.detach()[~unknown], 1 - cosine[~unknown], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(TASK.learning.loss(said.flatten(2), target.flatten(1, 2)), loss.flatten(1))
    chances = TASK.learning.sampling_weights(colours, (6, 5), 0.25)
    assert torch.equal(chances.view(2, 6, 5) == 0, unknown)


def test_scores_are_those_computed_by_hand() -> None:
    tilted = [unit(np.sin(a), 0, np.cos(a)) for a in np.radians([0, 10, 20, 90])]
    truth, predicted = to_colours(np.array([[[tilted[0]] * 3]])), to_colours(np.array([[tilted[1:]]]))
    unknown = np.zeros((1, 1, 3, 3), np.uint8)
    scores = TASK.scores.score(iter([(predicted, truth), (predicted, unknown)]))
    assert scores["metrics"]["angle"] == pytest.approx((10 + 20 + 90) / 3, abs=0.5)
    assert scores["metrics"]["within_11.25"] == pytest.approx(1 / 3)
    assert list(scores["metrics"]) == list(Normals.metrics)
    assert TASK.scores.score([(truth, truth)])["metrics"] == pytest.approx({"angle": 0, "within_11.25": 1}, abs=1e-3)
    assert all(np.isnan(value) for value in TASK.scores.score([(truth, unknown)])["metrics"].values())
    assert TASK.scores.label_statistics(np.concatenate([truth, unknown])) == {"normals": (1, 0.5)}
    assert TASK.drawing.draw(unknown + 9, truth) is truth


# --- in files ---------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_elsewhere(tmp_path: Path) -> None:
    task, colours = Normals({"focal": 1.5}), to_colours(directions(0, 2, 4, 7))
    for index, label in enumerate(colours):
        write_sample(
            tmp_path / "here", str(index), np.zeros((4, 7, 3), np.uint8), {"normals": label}, {"normals": task}
        )
    write_cards(tmp_path / "here", {"normals": task})
    (tmp_path / "here").rename(tmp_path / "there")
    dataset = open_labelled(tmp_path / "there")
    assert list(dataset.kinds) == ["normals"]
    assert dataset.tasks["normals"].schema == task.schema
    for index, label in enumerate(colours):
        assert np.array_equal(dataset.label("normals", str(index)), label)


def depth_pack(folder: Path) -> np.ndarray:
    depth = plane(unit(0.3, 0.2, 1), (8, 6), 1.0)
    task = Depth({"unit": "metres"})
    for index in range(2):
        write_sample(folder, str(index), np.zeros((8, 6, 3), np.uint8), {"depth": depth}, {"depth": task})
    write_cards(folder, {"depth": task})
    return depth


def test_a_pack_with_depth_gives_normals_too_and_one_with_normals_gives_those(tmp_path: Path) -> None:
    depth = depth_pack(tmp_path)
    dataset = open_labelled(tmp_path)
    assert set(dataset.kinds) == {"depth", "normals"}
    assert np.array_equal(dataset.label("normals", "0"), of_depth(depth)[0])
    assert angles(vectors(dataset.label("normals", "0")), unit(0.3, 0.2, 1)).max() < 1
    (tmp_path / "normals").mkdir()
    for index in range(2):
        Image.new("RGB", (6, 8), FACING).save(tmp_path / "normals" / f"{index}.png")
    both = open_labelled(tmp_path)
    assert (both.label("normals", "0") == FACING).all()
    assert np.array_equal(both.label("depth", "0"), depth)
    assert open_like(tmp_path, {"normals": TASK.schema}).label("normals", "1").shape == (8, 6, 3)


@pytest.mark.parametrize("grey", [127, 128])
def test_the_zero_vector_of_other_tools_is_not_known(grey: int) -> None:
    colours = np.full((8, 6, 3), FACING, np.uint8)
    colours[:3] = grey
    read = parsed(TASK, png(colours), "x", (8, 6))
    assert (known(read[None], 0) == (np.arange(8) >= 3)[None, :, None]).all()
    assert (read[3:] == FACING).all()


def test_what_is_wrong_with_normals_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x is 3x4 pixels, its image 8x6: make it as large as the image"):
        parsed(TASK, png(np.zeros((3, 4, 3), np.uint8)), "x", (8, 6))
    with pytest.raises(InputError, match=r"x is not a readable image"):
        parsed(TASK, png(to_colours(directions(0, 8, 6)))[:90], "x", (8, 6))
    with pytest.raises(InputError, match=r"x is not a readable image \(not a known image format\)"):
        parsed(TASK, b"text", "x", (8, 6))
    with pytest.raises(
        InputError,
        match=r"The normals of dataset are black everywhere, which means not known: there is nothing to learn",
    ):
        TASK.learning.infer_schema(np.zeros((2, 8, 6, 3), np.uint8), "dataset")
    buffer = io.BytesIO()
    Image.new("RGBA", (6, 8), (*FACING, 7)).save(buffer, "PNG")
    assert (parsed(TASK, buffer.getvalue(), "x", (8, 6)) == FACING).all(), "transparency does not matter"
    grey, lossy = io.BytesIO(), io.BytesIO()
    Image.new("L", (6, 8), 134).save(grey, "PNG")
    with pytest.raises(InputError, match=r"x is grey, and normals are colours"):
        parsed(TASK, grey.getvalue(), "x", (8, 6))
    Image.new("RGB", (6, 8), FACING).save(lossy, "JPEG")
    with pytest.raises(InputError, match=r"x is a JPEG file, which changes numbers when it is saved"):
        parsed(TASK, lossy.getvalue(), "x", (8, 6))
    depth = depth_pack(tmp_path)
    for card in ('{"focal": 0}', '{"focal": "1"}', '{"width": 2}', "[]", "3", '{"focal": null}', '{"scale": 1}'):
        (tmp_path / "normals.json").write_text(card)
        with pytest.raises(
            InputError, match=r'normals.json must be {"focal": …}, a positive number of image widths, or be left out'
        ):
            open_labelled(tmp_path, tasks=["normals"])
    (tmp_path / "normals.json").write_text('{"focal": 2}')
    assert open_labelled(tmp_path).tasks["normals"].schema == {"focal": 2}
    read = open_like(tmp_path, {"normals": {"focal": 1.0}}).label("normals", "0")
    assert np.array_equal(read, to_colours(from_depth(depth, 2.0))), "each dataset by its own camera"
