"""One way of a photo and its labels into a frame, whoever takes it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import IGNORE
from handsoff.datasets.framing import frame_photo, frame_sample, part_shown
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.geometry.views import Visible
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task
from handsoff.tasks.depth import Depth

TASKS = {
    "segmentation": make_task("segmentation", {"classes": ["a", "b"]}),
    "keypoints": make_task("keypoints", {"names": ["first", "second"]}),
    "depth": make_task("depth", {}),
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rng, rests = np.random.default_rng(0), {}
    for name in ("one", "two"):
        image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        labels = {
            "segmentation": rng.integers(0, 2, (40, 60), dtype=np.uint8),
            "keypoints": np.column_stack([rng.uniform(0, 59, 2), rng.uniform(0, 39, 2), [2, 2]]).astype(np.float32),
            "depth": rng.uniform(1, 2, (40, 60)).astype(np.float32),
        }
        rests[name] = write_sample(tmp_path / "data", name, image, labels, TASKS)
    write_cards(tmp_path / "data", TASKS, rests)
    return tmp_path / "data"


@pytest.mark.parametrize("frame", [(20, 20), (24, 16), (16, 31)])
@pytest.mark.parametrize("framing", ["crop", "letterbox", "pad", "stretch"])
def test_loading_agrees_with_converting(dataset: Path, tmp_path: Path, framing: Framing, frame: Frame) -> None:
    images, labels = open_labelled(dataset, tasks=list(TASKS)).load(frame, framing)
    settings = ConvertSettings(framing=framing, frame=f"{frame[0]}x{frame[1]}")
    run_to_end(convert(dataset, tmp_path / "out", settings))
    expected_images, expected = open_labelled(tmp_path / "out", tasks=list(TASKS)).load(frame)
    np.testing.assert_array_equal(images, expected_images)
    np.testing.assert_array_equal(labels["segmentation"], expected["segmentation"])
    np.testing.assert_array_equal(labels["depth"], expected["depth"])
    np.testing.assert_allclose(labels["keypoints"], expected["keypoints"], atol=1e-3)
    list(load_photos(open_source(dataset), frame, tmp_path / "cache", framing))
    np.testing.assert_array_equal(map_photos(tmp_path / "cache", frame), images, "unlabelled photos too")


def test_nothing_is_known_of_the_bars_of_a_letterbox(dataset: Path) -> None:
    image, labels = open_labelled(dataset, tasks=list(TASKS)).sample("one")
    shown, moved = frame_sample(image, labels, TASKS, (30, 30), "letterbox", "one")
    assert not shown[:5].any()
    assert not shown[-5:].any()
    assert (moved["segmentation"][:5] == IGNORE).all()
    assert (moved["depth"][-5:] == 0).all()
    assert (moved["segmentation"][5:25] != IGNORE).all()


@pytest.mark.parametrize("framing", ["letterbox", "pad", "stretch"])
@pytest.mark.parametrize("frame", [(3, 3), (8, 9), (60, 57), (7, 50)])
def test_a_point_on_the_border_of_the_photo_stays_visible(framing: Framing, frame: Frame) -> None:
    """However little of a frame's pixel the photo covers there."""
    edge = [(x, y, 2.0) for x in (-0.5, 58.9, 59.5) for y in (-0.5, 0.1, 39.5)]
    task = make_task("keypoints", {"names": [str(index) for index in range(len(edge))]})
    points = np.array(edge, np.float32)
    image = np.zeros((40, 60, 3), np.uint8)
    _, moved = frame_sample(image, {"keypoints": points}, {"keypoints": task}, frame, framing, "it", enlarge=True)
    assert (moved["keypoints"][:, 2] == 2).all()


@given(st.integers(1, 8), st.integers(1, 8))
def test_an_image_of_the_frames_shape_is_left_alone(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(frame_photo(image, (height, width), "crop", "a"), image)


def test_image_and_mask_are_cropped_alike() -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[5:25, 20:40] = 7
    image = np.repeat((mask * 30)[..., None], 3, -1)
    small, labels = frame_sample(image, {"depth": mask}, {"depth": Depth({})}, (10, 12), "crop", "a")
    ids = labels["depth"]
    assert set(np.unique(ids)) == {0, 7}
    assert ((small[..., 0] > 105) == (ids == 7)).mean() > 0.9


@pytest.mark.parametrize("framing", ["letterbox", "pad"])
def test_a_strip_is_refused_before_it_is_padded_to_a_square(framing: Framing) -> None:
    """Ten gigabytes for one photo would end the process without a word."""
    strip = np.zeros((60_000, 100, 3), np.uint8)
    with pytest.raises(InputError, match=r"a.png is 60000x100 pixels, too long to be padded: crop it"):
        frame_photo(strip, (64, 64), framing, "a.png")
    assert frame_photo(strip[:1_000], (64, 64), framing, "a.png").shape == (64, 64, 3)
    assert frame_photo(strip, (64, 64), "crop", "a.png").shape == (64, 64, 3)


def test_a_too_small_image_is_refused() -> None:
    with pytest.raises(InputError, match="smaller than the resolution 8x8"):
        frame_photo(np.zeros((7, 20, 3), np.uint8), (8, 8), "crop", "a.png")


@given(
    height=st.integers(8, 60), width=st.integers(8, 60), tall=st.integers(6, 24), wide=st.integers(6, 24),
    framing=st.sampled_from(["crop", "stretch", "pad", "letterbox"]),
)  # fmt: skip
def test_the_part_that_shows_a_photo_is_where_its_labels_are(
    height: int, width: int, tall: int, wide: int, framing: Framing
) -> None:
    """A label of a whole photo is known exactly there, and in crop and stretch everywhere."""
    frame, task = (tall, wide), TASKS["segmentation"]
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    _, labels = frame_sample(image, {task.name: mask}, TASKS, frame, framing, "photo", enlarge=True)
    shown = part_shown((height, width), frame, framing)
    inside = np.full(frame, fill_value=True) if shown is None else Visible.of_box(shown, frame).pixels()
    known = labels[task.name] != IGNORE
    assert (known == inside).mean() > 1 - 1.5 * max(frame) / known.size, "but for a row that rounding decides"
    assert inside.all() or framing in {"pad", "letterbox"}
