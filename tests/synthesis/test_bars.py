"""Photos that do not fill their frame: nothing is said where a letterbox has bars, or the photo's edge goes on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.frames import Framing
from handsoff.core.images import IGNORE
from handsoff.datasets.generated import open_generated
from handsoff.datasets.likeness import save_seen
from handsoff.datasets.sources import open_source
from handsoff.jobs.progress import run_to_end
from handsoff.learning.models import build_model
from handsoff.learning.predictor import PredictorCard, save_predictor
from handsoff.synthesis.label import label
from handsoff.synthesis.photo_shard import FramedPhoto, framed, label_photos
from handsoff.synthesis.samples import SHOWN, LabelledSample, cut_off
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import read_voters
from handsoff.synthesis.voters import load_voter
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

FRAME, BARS = (16, 16), (slice(0, 4), slice(12, 16))  # of a photo twice as wide as high
TASKS = {
    "segmentation": make_task("segmentation", {"classes": ["ground", "thing"]}),
    "keypoints": make_task("keypoints", {"names": ["a", "b", "c"]}),
    "depth": make_task("depth", {"range": [1.0, 4.0]}),
}
ALL = LabelSettings(keep=1)


def model_of(folder: Path, task: Task, framing: Framing) -> Path:
    """An untrained model whose photos are framed so."""
    torch.manual_seed(3)
    card = PredictorCard(
        task.name, task.schema, "lite0", 2, 0, list(FRAME), framing, None, "real_only", "miou", [], [0.5, 0.5], 8
    )
    save_predictor(folder / "model", [build_model("lite0", task.channels).state_dict() for _ in range(2)], card)
    save_seen(folder / "model", np.zeros((1, *FRAME, 3), np.uint8))
    return folder / "model"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One photo twice as wide as high, and one that fills the frame."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, size in (("square", (32, 32)), ("wide", (32, 64))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["letterbox", "pad"])
def test_masks_and_uncertainty_say_nothing_around_the_photo(photos: Path, tmp_path: Path, framing: Framing) -> None:
    task = TASKS["segmentation"]
    run_to_end(label([model_of(tmp_path, task, framing)], photos, tmp_path / "out", ALL))
    dataset = open_generated(tmp_path / "out")
    records = {record["name"]: record for record in dataset.records()}
    found = {name: dataset.labelled(task.name).sample(name)[1][task.name] for name in records}
    maps = {name: dataset.uncertainty_map(name, task.name) for name in records}
    assert SHOWN not in records["square"]
    assert (found["square"] != IGNORE).all()
    assert records["wide"][SHOWN] == [0, 4, 16, 12]
    assert (found["wide"][4:12] != IGNORE).all()
    for rows in BARS:
        assert (found["wide"][rows] == IGNORE).all()
        assert maps["wide"] is not None
        assert (maps["wide"][rows] == 0).all()
    inside = task.scores.image_uncertainty(np.asarray(maps["wide"], np.float32)[None, 4:12])
    assert records["wide"]["uncertainties"][task.name] == pytest.approx(float(inside[0]), abs=4e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keypoints", "depth"])
def test_points_and_maps_of_other_kinds_are_not_there_either(photos: Path, tmp_path: Path, name: str) -> None:
    voter = load_voter(read_voters([model_of(tmp_path, TASKS[name], "letterbox")], ALL)[0], ALL)
    card = read_voters([tmp_path / "model"], ALL)[0]
    found = [photo for photo in framed(open_source(photos), ["wide.png"], card) if not isinstance(photo, InputError)]
    (whole,) = label_photos([voter], [FramedPhoto(found[0].image)])
    (cut,) = label_photos([voter], found)
    before, after = whole.labels[name], cut.labels[name]
    if name == "keypoints":
        assert np.array_equal(before[:, :2], after[:, :2])
        assert not after[(before[:, 1] < 3.4) | (before[:, 1] > 11.6), 2].any()
        seen = (before[:, 1] > 3.6) & (before[:, 1] < 11.4)
        assert np.array_equal(before[seen, 2], after[seen, 2])
    else:
        assert np.array_equal(before[4:12], after[4:12])
        assert all(not after[rows].any() for rows in BARS), "0: not known"


def test_what_is_not_there_is_not_uncertain() -> None:
    """The number of an image is that of the points and pixels that its label still has."""
    image, depth = np.zeros((*FRAME, 3), np.uint8), np.full(FRAME, 2, np.float32)
    doubt = np.full(FRAME, 0.3, np.float32)
    doubt[:4] = 0.8
    points = np.array([[8, 1, 2], [8, 8, 2], [3, 8, 0]], np.float32)
    sample = LabelledSample(
        image,
        {"keypoints": points, "depth": depth},
        {"keypoints": np.array([0.9, 0.2, 0.4], np.float32), "depth": doubt},
        {"keypoints": 0.9, "depth": 0.8},
        {},
    )
    tasks = [TASKS["keypoints"], TASKS["depth"]]
    cut = cut_off(sample, tasks, (0, 4, 16, 12))
    assert cut.labels["keypoints"][:, 2].tolist() == [0, 2, 0]
    assert cut.uncertainty["keypoints"].tolist() == pytest.approx([0, 0.2, 0.4])
    assert cut.uncertainties == pytest.approx({"keypoints": 0.4, "depth": 0.3})
    assert not cut.uncertainty["depth"][:4].any()
    whole = cut_off(sample, tasks, (0, 0, 16, 16))
    assert whole.uncertainty["keypoints"].tolist() == sample.uncertainty["keypoints"].tolist()
    assert whole.uncertainties == pytest.approx(sample.uncertainties)
    away = cut_off(sample, tasks, (0, 15.6, 16, 15.8))
    assert away.uncertainties == {"keypoints": pytest.approx(0.4), "depth": 0}, "a point that is not there counts on"
