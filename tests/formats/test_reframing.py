"""Photos placed in a frame, and labels placed back in the photos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.reframing import NothingThereError, framed, restored
from handsoff.formats.samples import LabelledImage
from handsoff.formats.settings import ConvertSettings
from handsoff.geometry.views import warped
from handsoff.inspection.inspect import describe
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

TASKS: dict[str, Task] = {
    "segmentation": make_task("segmentation", {"classes": ["background", "car", "left", "right"]}),
    "keypoints": make_task("keypoints", {"names": ["nose", "tail"]}),
    "depth": make_task("depth", {}),
}
SIZES = st.tuples(st.integers(8, 60), st.integers(8, 60))
FRAMINGS = st.sampled_from(["crop", "letterbox", "pad", "stretch"])


def scene(
    size: tuple[int, int], box: tuple[int, int, int, int], points: Any = ((1.0, 1.0, 2), (3.0, 2.0, 2))
) -> LabelledImage:
    """A bright car (class 1) in a box (left, top, right, bottom) on black."""
    mask = np.zeros(size, np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    image = np.repeat((mask * 200)[..., None], 3, -1)
    labels = {
        "segmentation": mask,
        "keypoints": np.array(points, np.float32),
        "depth": np.where(mask > 0, 2.0, 1.0).astype(np.float32),
    }
    return LabelledImage(
        "photo", image, labels, "photo.png", b"x", (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    )


def settings_of(**values: Any) -> ConvertSettings:
    return ConvertSettings(**values)


@given(SIZES, SIZES, FRAMINGS)
@settings(max_examples=80, deadline=None)
def test_image_and_labels_go_together(size: tuple[int, int], frame: tuple[int, int], framing: Any) -> None:
    """Wherever the frame shows the photo, the mask is the image's; elsewhere it is ignored."""
    there = framed(
        scene(size, (size[1] // 4, size[0] // 4, size[1], size[0])),
        TASKS,
        settings_of(frame=f"{frame[0]}x{frame[1]}", framing=framing),
    )
    assert there.image.shape == (*frame, 3)
    mask = there.labels["segmentation"]
    assert mask.shape == frame
    assert ((mask == IGNORE) == (there.labels["depth"] == 0)).all()
    assert framing in {"letterbox", "pad"} or not (mask == IGNORE).any()
    known = mask != IGNORE
    assert ((there.image[..., 0] > 100) == (mask == 1))[known].mean() > 0.75
    if framing == "letterbox":
        assert (there.image[~known] == 0).all()


@given(SIZES, SIZES, FRAMINGS, st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_points_come_back_to_the_photo(size: tuple[int, int], frame: tuple[int, int], framing: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(0, size[1] - 1, 2), rng.uniform(0, size[0] - 1, 2), [2, 2]])
    photo = scene(size, (1, 1, 4, 4), points)
    there = framed(photo, TASKS, settings_of(frame=f"{frame[0]}x{frame[1]}", framing=framing))
    back = restored(TASKS["keypoints"], there.labels["keypoints"], there.account, frame)
    np.testing.assert_allclose(back[:, :2], points[:, :2], atol=1e-3)
    if framing != "crop":
        assert (back[:, 2] == 2).all()


@given(SIZES, st.integers(1, 4), FRAMINGS)
@settings(max_examples=40, deadline=None)
def test_masks_come_back_exactly_from_an_enlarged_frame(size: tuple[int, int], factor: int, framing: Any) -> None:
    photo = scene(size, (2, 3, 6, 7))
    frame = size[0] * factor, size[1] * factor
    there = framed(photo, TASKS, settings_of(frame=f"{frame[0]}x{frame[1]}", framing=framing))
    back = restored(TASKS["segmentation"], there.labels["segmentation"], there.account, frame)
    np.testing.assert_array_equal(back, photo.labels["segmentation"])


def test_what_the_frame_does_not_show_is_not_known_afterwards() -> None:
    photo = scene((20, 40), (0, 0, 5, 20))
    there = framed(photo, TASKS, settings_of(frame="20x20"))
    back = restored(TASKS["segmentation"], there.labels["segmentation"], there.account, (20, 20))
    assert (back[:, :10] == IGNORE).all()
    assert (back[:, 10:30] == 0).all()


def test_a_crop_around_the_labels_fills_the_frame() -> None:
    photo = scene((60, 80), (20, 10, 60, 30), ((25.0, 15.0, 2), (70.0, 50.0, 0)))  # the tail is not to be seen
    there = framed(photo, TASKS, settings_of(frame="20x40", around="labels", margin=0))
    assert (there.labels["segmentation"] == 1).all()
    np.testing.assert_allclose(there.labels["keypoints"][0], [5, 5, 2], atol=1e-5)
    by_class = framed(photo, TASKS, settings_of(around="car", margin=0.5))
    assert by_class.size == (40, 80)
    boxed = framed(photo, TASKS, settings_of(around="box", margin=0.0))
    assert boxed.size == (20, 40)


def test_pad_shows_more_of_the_photo_and_letterbox_bars() -> None:
    photo = scene((60, 60), (20, 20, 40, 30))
    wide = settings_of(frame="20x20", around="car", margin=0)
    padded = framed(photo, TASKS, wide.model_copy(update={"framing": "pad"}))
    assert set(np.unique(padded.labels["segmentation"])) == {0, 1}
    barred = framed(photo, TASKS, wide.model_copy(update={"framing": "letterbox"}))
    assert (barred.labels["segmentation"] == 1).sum() == 200
    assert (barred.labels["segmentation"] == IGNORE).sum() == 200
    assert (barred.labels["keypoints"][:, 2] == 0).all()  # both lie under a bar


def test_a_squashed_photo_gets_its_shape_back() -> None:
    photo = scene((40, 40), (10, 10, 30, 30))
    there = framed(photo, TASKS, settings_of(aspect=1.5))
    assert there.size == (40, 60)
    assert there.labels["segmentation"][:, 15:45].sum() == 20 * 30
    assert framed(scene((40, 50), (10, 10, 30, 30)), TASKS, settings_of(aspect=1.5)).size == (
        40,
        50,
    )  # was never squashed


@given(st.floats(-3, 3), st.floats(0.3, 2.0), st.tuples(st.floats(-4, 4), st.floats(-4, 4)))
@settings(max_examples=40, deadline=None)
def test_aligned_points_lie_in_their_places(angle: float, scale: float, shift: tuple[float, float]) -> None:
    """At any rotation and scale of the photo, the anchors reach their targets, and `restored` brings them back."""
    wanted = np.array([[0.3 * 32, 0.4 * 48], [0.7 * 32, 0.6 * 48]])
    factor = scale * np.exp(1j * angle)
    turned = (wanted - wanted.mean(0)) @ [1, 1j] * factor
    here = np.column_stack([turned.real, turned.imag]) + np.array([30.0, 30.0]) + shift
    photo = scene((60, 60), (5, 5, 9, 9), np.column_stack([here - 0.5, [2, 2]]))
    there = framed(photo, TASKS, settings_of(frame="48x32", align={"nose": (0.3, 0.4), "tail": (0.7, 0.6)}))
    np.testing.assert_allclose(there.labels["keypoints"][:, :2], wanted - 0.5, atol=1e-3)
    back = restored(TASKS["keypoints"], there.labels["keypoints"], there.account, (48, 32))
    np.testing.assert_allclose(back[:, :2], here - 0.5, atol=1e-3)


@pytest.mark.parametrize("angle", [0.3, 1.5707963267948966, 3.141592653589793, -2.2])
def test_a_turned_image_and_its_mask_agree(angle: float) -> None:
    photo = scene((40, 40), (12, 14, 30, 22))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, np.array([20, 20]) - turn @ [20, 20]])
    image = warped(photo.image, matrix, (40, 40), None)
    mask = TASKS["segmentation"].geometry.place(photo.labels["segmentation"], matrix, (40, 40), (40, 40))
    assert ((image[..., 0] > 100) == (mask == 1)).mean() > 0.98


def test_anchors_may_be_classes() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:14, 8:12], mask[10:14, 28:32] = 2, 3
    photo = LabelledImage("a", np.repeat((mask * 80)[..., None], 3, -1), {"segmentation": mask}, "a.png")
    tasks = {"segmentation": TASKS["segmentation"]}
    there = framed(photo, tasks, settings_of(frame="20x40", align={"left": (0.25, 0.5), "right": (0.75, 0.5)}))
    middle = [np.argwhere(there.labels["segmentation"] == part).mean(0) for part in (2, 3)]
    np.testing.assert_allclose(middle, [[9.5, 9.5], [9.5, 29.5]], atol=0.6)


def test_a_sample_without_what_it_is_framed_by_is_left_out(tmp_path: Path) -> None:
    tasks = {"segmentation": TASKS["segmentation"]}
    for name, box in (("a", (2, 2, 9, 9)), ("b", (0, 0, 0, 0))):
        photo = scene((12, 12), box)
        write_sample(tmp_path / "dataset", name, photo.image, {"segmentation": photo.labels["segmentation"]}, tasks)
    write_cards(tmp_path / "dataset", tasks)
    run_to_end(convert(tmp_path / "dataset", tmp_path / "out", settings_of(frame="8x8", around="labels")))
    assert open_labelled(tmp_path / "out").names == ("a",)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["left_out"] == ["b has no labels to crop around."]
    with pytest.raises(InputError, match=r"No class and no point of the dataset is called 'boat'"):
        run_to_end(convert(tmp_path / "dataset", tmp_path / "other", settings_of(around="boat")))
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="Nothing is left of the dataset: a has no right"):
        run_to_end(convert(tmp_path / "dataset", tmp_path / "other", settings_of(around="right")))
    assert not (tmp_path / "other").exists()


def test_too_few_anchors() -> None:
    photo = scene((20, 20), (5, 5, 9, 9), ((3.0, 3.0, 0), (5.0, 5.0, 2)))
    with pytest.raises(NothingThereError, match="fewer than two"):
        framed(photo, TASKS, settings_of(frame="8x8", align={"nose": (0.3, 0.4), "tail": (0.7, 0.6)}))
    with pytest.raises(InputError, match="align needs the size"):
        framed(photo, TASKS, settings_of(align={"nose": (0.3, 0.4)}))


def test_a_photo_that_would_be_enlarged_is_refused() -> None:
    image = np.zeros((10, 40, 3), np.uint8)
    assert frame_photo(image, (20, 40), "letterbox", "a").shape == (20, 40, 3)
    for framing in ("crop", "stretch"):
        with pytest.raises(InputError, match="smaller than the resolution"):
            frame_photo(image, (20, 40), framing, "a")


@pytest.mark.parametrize("form", ["folder", "huggingface", "webdataset"])
def test_normals_of_a_stated_focal_length_stay_what_they_are(tmp_path: Path, form: str) -> None:
    """A crop changes what the focal length is in widths of the image, and other formats derive nothing."""
    x = np.mgrid[:16, :32][1]
    slope = {"depth": (2 + 0.02 * x).astype(np.float32)}
    tasks = {"depth": make_task("depth", {})}
    for name in "ab":
        write_sample(tmp_path / "data", name, np.zeros((16, 32, 3), np.uint8), slope, tasks)
    write_cards(tmp_path / "data", tasks)
    (tmp_path / "data" / "normals.json").write_text('{"focal": 3.0}')
    before = open_labelled(tmp_path / "data").label("normals", "a")
    for out, frame, expected in (("copy", None, before), ("crop", "16x16", before[:, 8:24])):
        run_to_end(convert(tmp_path / "data", tmp_path / out, ConvertSettings(format=form, frame=frame)))
        again = open_dataset(open_source(tmp_path / out))
        assert list(again.tasks) == ["depth", "normals"]
        moved = again.read("a").labels["normals"].astype(int)
        assert np.abs(moved - expected).max() <= 1


def test_sparse_depth_that_a_crop_leaves_empty_is_read_again(tmp_path: Path) -> None:
    tasks = {"depth": make_task("depth", {})}
    for name, column in (("a", 0), ("b", 16)):
        depth = np.zeros((16, 32), np.float32)
        depth[:, column] = 2
        write_sample(tmp_path / "data", name, np.full((16, 32, 3), column, np.uint8), {"depth": depth}, tasks)
    run_to_end(convert(tmp_path / "data", tmp_path / "out", ConvertSettings(format="folder", frame="16x16")))
    found = open_labelled(tmp_path / "out")
    assert [float(found.label("depth", name).max()) for name in "ab"] == [0, 2]
    assert "a: its label for depth says nothing about any place" in describe(tmp_path / "out")[3]
