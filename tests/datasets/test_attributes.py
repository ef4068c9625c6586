"""What an image shows in numbers, on pictures whose answer is known."""

from typing import Any

import numpy as np
import pytest

from handsoff.datasets.attributes import ATTRIBUTES, available, describe
from handsoff.geometry.surfaces import to_colours
from handsoff.tasks.base import Task
from handsoff.tasks.depth import Depth
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.normals import Normals
from handsoff.tasks.segmentation import Segmentation

MASKS: dict[str, Task] = {"segmentation": Segmentation({"classes": ["background", "disc", "hole"]})}
POINTS: dict[str, Task] = {
    "keypoints": Keypoints({"names": ["left_eye", "right_eye", "nose"], "mirror": [[0, 1]], "scale": None})
}


def told(image: np.ndarray, labels: dict[str, Any], tasks: dict[str, Task], *names: str) -> dict[str, Any]:
    found: dict[str, Any] = describe(image, labels, tasks, names, measures=False)
    return found


def grey(value: int, size: tuple[int, int] = (20, 40)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def test_labels_tell_the_parts_that_they_show() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:10, :4] = 1
    found = told(grey(51), {"segmentation": mask}, MASKS, "brightness", "size", "x", "y")
    assert found["shows"] == {"segmentation": {"background": 0.95, "disc": 0.05}}
    expected = {"brightness": 0.2, "size": 0.05, "x": 0.05, "y": 0.25}
    assert found["attributes"] == pytest.approx(expected, abs=1e-3)


def test_what_is_not_there_has_no_place() -> None:
    found = told(grey(0), {"segmentation": np.zeros((20, 40), np.uint8)}, MASKS, "brightness", "size", "x")
    assert found["attributes"] == {"brightness": 0.0}
    assert "attributes" not in told(grey(0), {"segmentation": np.zeros((20, 40), np.uint8)}, MASKS)


def test_sharpness_minds_neither_brightness_nor_contrast() -> None:
    columns = np.arange(40)
    edges, waves = columns // 4 % 2, (np.sin(columns / 6) + 1) / 2
    labels = {"segmentation": np.zeros((20, 40), np.uint8)}
    rows = (edges * 200, waves * 200, waves * 100 + 100)
    images = (np.tile(row[None, :, None], (20, 1, 3)).astype(np.uint8) for row in rows)
    sharp, soft, bright = (told(image, labels, MASKS, "sharpness")["attributes"]["sharpness"] for image in images)
    assert sharp > 1.3 * soft
    assert bright == pytest.approx(soft, rel=0.05)


@pytest.mark.parametrize(("nose", "turn"), [(20.0, 0.0), (24.0, 0.4), (15.0, -0.5)])
def test_points_tell_how_far_the_object_is_turned(nose: float, turn: float) -> None:
    points = np.array([[15, 5, 2], [25, 5, 2], [nose, 10, 2]], np.float32)
    found = told(grey(0), {"keypoints": points}, POINTS, "turn", "size")
    assert found["attributes"]["turn"] == pytest.approx(turn, abs=1e-5)
    assert found["shows"] == {"keypoints": {"left_eye": 1.0, "right_eye": 1.0, "nose": 1.0}}
    points[2, 2] = 0
    assert "attributes" not in told(grey(0), {"keypoints": points}, POINTS, "turn")


@pytest.mark.parametrize("direction", [(0.8, 0.0, 0.6), (-0.6, 0.3, 0.74), (0.0, -0.9, 0.43)])
def test_normals_tell_where_the_light_comes_from(direction: tuple[float, float, float]) -> None:
    y, x = np.mgrid[1:-1:40j, -1:1:40j]
    inside = x**2 + y**2 < 0.8
    ball = np.where(inside[..., None], np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], -1), 0)
    light = np.array(direction) / np.linalg.norm(direction)
    image = np.clip(120 + 100 * (ball @ light), 0, 255)[..., None].repeat(3, -1).astype(np.uint8)
    tasks: dict[str, Task] = {"normals": Normals({})}
    found = told(image, {"normals": to_colours(ball)}, tasks, "light_x", "light_y")["attributes"]
    assert (found["light_x"], found["light_y"]) == pytest.approx(light[:2], abs=0.03)


def test_an_attribute_is_only_offered_where_labels_tell_it() -> None:
    assert available(MASKS) == ["brightness", "sharpness", "size", "x", "y"]
    assert available(POINTS) == ["brightness", "sharpness", "size", "x", "y", "turn"]
    assert available({"depth": Depth({})}) == ["brightness", "sharpness", "light_x", "light_y"]
    assert all(attribute.about for attribute in ATTRIBUTES.values())


def test_labels_have_measures_of_their_own() -> None:
    points = np.array([[15, 5, 2], [25, 5, 0], [20, 10, 1]], np.float32)
    found = describe(grey(0), {"keypoints": points}, POINTS, (), measures=True)["attributes"]
    assert found == {"left_eye x": 15, "left_eye y": 5, "nose x": 20, "nose y": 10}
    depth = np.linspace(0, 10, 101, dtype=np.float32)[None]
    measured = Depth({}).scores.measures(depth)
    assert (measured["depth nearest"], measured["depth farthest"]) == pytest.approx((0.595, 9.505))
