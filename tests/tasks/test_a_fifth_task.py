"""A task that the package does not know, in this one file: all below works once it is in the registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from discs import blobs
from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import decode_mask
from handsoff.datasets.labelled import open_labelled, open_like, write_cards, write_sample
from handsoff.datasets.sources import image_names, open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.statistics import collect_statistics
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import LabelledArrays
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import Choice, score_predictor, train_predictor
from handsoff.tasks import TASKS, make_task
from handsoff.tasks.base import Drawing, Labels, Metric, Pairs, Parse, Schema, StorageLocation, Task, equal_weights
from handsoff.tasks.maps import MapGeometry, MapLearning, MapScores, MapStorage, known

# --- the task: how much of a pixel is foreground, in 254 steps; 255 = not known

UNKNOWN, WHOLE = 255, 254


class MatteStorage(MapStorage):
    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:  # noqa: ARG002  # nothing to translate
        def parse(data: bytes, where: str, size: Frame) -> np.ndarray:
            matte = decode_mask(data, where)
            if matte.shape != size:
                raise InputError(f"{where} is not as large as its image: resize it.")
            return matte

        return parse

    def serialise(self, label: np.ndarray) -> bytes:
        return png(label)


class MatteLearning(MapLearning):
    def encode(self, labels: Labels, frame: Frame) -> Tensor:  # noqa: ARG002  # maps know their size
        values = torch.from_numpy(labels.astype(np.float32) / WHOLE)
        return torch.where(torch.from_numpy(known(labels, UNKNOWN)), values, torch.nan)

    def loss(self, outputs: Tensor, target: Tensor, class_weights: Tensor | None = None) -> Tensor:  # noqa: ARG002  # no classes
        return (outputs[:, 0].float().sigmoid() - target.nan_to_num()).abs() * target.isfinite()

    def decode(self, outputs: Tensor, weights: Tensor | None = None) -> tuple[Labels, Tensor]:
        share, weights = outputs[:, :, 0].float().sigmoid(), equal_weights(outputs, weights)
        mean = torch.einsum("e,enhw->nhw", weights, share)
        spread = torch.einsum("e,enhw->nhw", weights, (share - mean).abs())
        return (mean * WHOLE).round().to(torch.uint8).cpu().numpy(), spread


class MatteScores(MapScores):
    def score(self, pairs: Pairs) -> dict[str, Any]:
        errors = [np.abs(predicted.astype(float) - truth)[known(truth, UNKNOWN)] / WHOLE for predicted, truth in pairs]
        return {"metrics": {"matte_mae": float(np.concatenate(errors).mean())}, "per_class": {}}


class MatteDrawing(Drawing):
    def draw(self, images: np.ndarray, labels: Labels) -> np.ndarray:
        return (images * (labels[..., None] / WHOLE).clip(0, 1)).astype(np.uint8)


class Matte(Task):
    name = "matte"
    locations = (StorageLocation("alpha", (".png",)),)
    card = "alpha.json"
    aliases = ("alpha", "matte")
    metrics: ClassVar = {"matte_mae": Metric("mean absolute error", lower_is_better=True)}

    def __init__(self, schema: Schema) -> None:
        learning, scores = MatteLearning(schema, UNKNOWN), MatteScores(self.name, UNKNOWN)
        super().__init__(schema, 1, MatteStorage(UNKNOWN), MapGeometry(UNKNOWN), learning, scores, MatteDrawing())

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:  # noqa: ARG003  # nothing is open
        return {}


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
    training = train_predictor(task, lambda _: [(real, 8)], 0, LearnSettings(steps=8, batch=8), "", Choice(None))
    try:
        while True:
            next(training)
    except StopIteration as end:
        found = score_predictor(end.value, task, test)["metrics"]
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
