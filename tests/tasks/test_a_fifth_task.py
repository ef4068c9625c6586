"""A task that the package does not know, in one file (`tests/matte.py`): all works once it is in the registry."""

from pathlib import Path

import numpy as np
import pytest

from discs import blobs
from handsoff.core.errors import InputError
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.sources import image_names, open_source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.statistics import collect_statistics
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import LabelledArrays
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import score_predictor, train_predictor
from handsoff.tasks import TASKS, make_task
from matte import UNKNOWN, WHOLE, Matte

# --- what the package does with it


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "matte", Matte)


def mattes(count: int, seed: int) -> LabelledArrays:
    """Discs whose core is half transparent, with an unknown corner."""
    samples = blobs(count, seed)
    alpha = np.array([0, WHOLE, WHOLE // 2], np.uint8)[samples.labels]
    alpha[:, :4, :4] = UNKNOWN
    return LabelledArrays(samples.images, alpha)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    samples, task = mattes(3, 0), make_task("matte", {})
    for index, (image, alpha) in enumerate(zip(samples.images, samples.labels, strict=True)):
        write_sample(tmp_path / "data", f"{index}", image, {"matte": alpha}, {"matte": task})
    write_cards(tmp_path / "data", {"matte": task})
    return tmp_path / "data"


def test_it_is_read_back_from_a_folder(dataset: Path) -> None:
    expected = mattes(3, 0)
    for opened in (open_labelled(dataset), open_labelled(dataset, tasks=["matte"]), open_like(dataset, {"matte": {}})):
        images, labels = opened.load((32, 32))
        assert np.array_equal(images, expected.images)
        assert np.array_equal(labels["matte"], expected.labels)
    assert image_names(open_source(dataset)) == [f"images/{index}.png" for index in range(3)], (
        "its labels are no photos"
    )


def test_a_letterbox_hides_it(dataset: Path) -> None:
    _, labels = open_labelled(dataset).load((16, 32), "letterbox")
    assert (labels["matte"][:, :, :8] == UNKNOWN).all()
    assert (labels["matte"][:, 4:, 8:24] != UNKNOWN).all()


@pytest.mark.parametrize("name", ["folder", "huggingface", "webdataset"])
def test_it_goes_through_every_format_with_room_for_it(dataset: Path, tmp_path: Path, name: str) -> None:
    run_to_end(convert(dataset, tmp_path / name, ConvertSettings(format=name)))
    run_to_end(convert(tmp_path / name, tmp_path / "back", ConvertSettings()))
    there, back = open_dataset(open_source(tmp_path / name)), open_labelled(tmp_path / "back")
    assert list(there.tasks) == list(back.tasks) == ["matte"]
    assert np.array_equal(back.load((32, 32))[1]["matte"], mattes(3, 0).labels)


def test_a_format_without_room_for_it_says_so(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="COCO holds segmentation and keypoints, not matte"):
        run_to_end(convert(dataset, tmp_path / "coco", ConvertSettings(format="coco")))
    with pytest.raises(InputError, match="gives no masks here"):
        run_to_end(convert(dataset, tmp_path / "out", ConvertSettings(ignore="background")))


def test_it_is_learnt_and_scored() -> None:
    task, real, test = make_task("matte", {}), mattes(8, 1), mattes(4, 2)
    training = train_predictor(task, lambda _: [(real, 8)], 0, LearnSettings(steps=8, batch=8), "")
    found = score_predictor(run_to_end(training).model, task, test)["metrics"]
    assert set(found) == set(Matte.metrics)
    nothing = task.scores.score([(np.zeros_like(test.labels), test.labels)])["metrics"]
    assert found["matte_mae"] < 0.6 * nothing["matte_mae"], "better than saying that nothing is foreground"


def test_it_is_drawn_and_counted(dataset: Path) -> None:
    task, samples = make_task("matte", {}), mattes(3, 0)
    drawn = task.drawing.draw(samples.images, samples.labels)
    assert drawn.shape == samples.images.shape
    assert not drawn[samples.labels == 0].any()
    assert task.scores.label_statistics(samples.labels) == {"matte": (3, 1 - 16 / 32**2)}
    statistics = collect_statistics(open_dataset(open_source(dataset)))
    assert statistics.parts == [("matte", "in 3 of 3, 98.4 %")]
    assert not statistics.problems
