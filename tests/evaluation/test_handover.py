"""The model that an evaluation hands over: chosen on validation, whole, and as good as the report says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discs import CLASSES, SEGMENTATION, blobs, write_dataset, write_labelled
from handsoff.core.files import read_json
from handsoff.core.frames import Framing
from handsoff.core.tensors import read_tensors
from handsoff.datasets.likeness import known, read_seen, thumbnails
from handsoff.evaluation.arms import default_arms
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.handover import choose
from handsoff.evaluation.model_card import model_card
from handsoff.evaluation.runs import Result
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import LabelledArrays
from handsoff.learning.predictor import PredictorCard, find_predictor, load_predictor
from handsoff.learning.supervised import score_predictor
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import LabelSettings
from handsoff.tasks import make_task

ARMS = default_arms(["synthetic"])
PHOTOS = blobs(16, seed=1)


def run_of(arm: str, seed: int, test: float, validation: dict[str, float]) -> Result:
    step = 200 if validation else 300
    return Result(arm, seed, {"miou": test}, {}, 300, step, validation, 1.0)


def finished(*validation: tuple[float, float]) -> dict[str, list[Result]]:
    """Two runs of each arm; on test, which must not choose, the first arm is best."""
    return {
        arm.name: [
            run_of(arm.name, seed, 0.9 if not index else 0.1, {"100": 0.99, "200": score})
            for seed, score in enumerate(scores)
        ]
        for index, (arm, scores) in enumerate(zip(ARMS, validation, strict=True))
    }


def test_the_arm_that_is_best_on_validation_is_chosen() -> None:
    found = finished((0.5, 0.6), (0.4, 0.9), (0.6, 0.6))
    assert choose(SEGMENTATION, ARMS, found) == (ARMS[1], "validation")
    depth = make_task("depth", {"unit": "metres", "range": [1.0, 9.0]})
    assert choose(depth, ARMS, found) == (ARMS[0], "validation"), "of errors the lowest"
    assert choose(SEGMENTATION, ARMS, finished((0.5, 0.5), (np.nan, 0.9), (0.4, 0.4)))[0] == ARMS[0]


def test_without_validation_nothing_chooses() -> None:
    found = {arm.name: [run_of(arm.name, 0, 1 / (index + 1), {})] for index, arm in enumerate(ARMS)}
    assert choose(SEGMENTATION, ARMS, found) == (ARMS[-1], "nothing")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four labels, four validation and eight test photos of one folder; a dataset; the report about them."""
    root = tmp_path_factory.mktemp("handover")
    write_labelled(root / "labelled", PHOTOS)
    write_dataset(root / "dataset", blobs(6, seed=2))
    settings = EvaluateSettings(
        first=4, validation_part="4:8", test_part="8:", steps=6, seeds=2, batch=2, arms="real_only,real_plus_synthetic"
    )
    run_to_end(evaluate(root / "labelled", [root / "dataset"], root / "labelled", root / "report", settings))
    return root


@pytest.mark.slow
def test_the_model_scores_as_the_report_says(world: Path) -> None:
    report = world / "report"
    handed, metrics = read_json(report / "metrics.json")["handed_over"], read_json(report / "metrics.json")
    assert find_predictor(report) == report / "model"
    model = load_predictor(report / "model")
    test = LabelledArrays(PHOTOS.images[8:], PHOTOS.labels[8:])
    scores = [score_predictor(network, model.task, test)["metrics"]["miou"] for network in model.networks]
    assert scores == pytest.approx(model.card.test, abs=1e-4)
    assert model.card.test == metrics["arms"][handed["arm"]]["miou"]["runs"]
    assert handed["test"] == pytest.approx(np.mean(scores), abs=1e-4)
    assert handed["validation"] == pytest.approx(np.mean(model.card.validation))
    assert (handed["by"], handed["metric"], model.card.arm) == ("validation", "miou", handed["arm"])
    assert model.card.best == int(np.argmax(model.card.validation))
    assert (model.card.image_size, model.card.framing, model.card.examples) == ([32, 32], "crop", 4)
    assert model.card.schema["classes"] == CLASSES
    assert not (report / "weights").exists()


@pytest.mark.slow
def test_the_model_knows_the_photos_that_it_must_not_be_tested_on(world: Path) -> None:
    seen = read_seen(world / "report" / "model")
    assert len(seen) == 16
    assert known(thumbnails(PHOTOS.images), seen).all()
    assert not known(thumbnails(blobs(6, seed=2).images), seen).any()


@pytest.mark.slow
def test_without_validation_the_last_arm_is_handed_over_and_the_card_says_so(world: Path, tmp_path: Path) -> None:
    settings = EvaluateSettings(first=4, test_part="8:", steps=2, seeds=1, batch=2)
    run_to_end(evaluate(world / "labelled", [world / "dataset"], world / "labelled", tmp_path / "report", settings))
    handed = read_json(tmp_path / "report" / "metrics.json")["handed_over"]
    assert (handed["arm"], handed["by"], handed["validation"]) == ("real_plus_synthetic", "nothing", None)
    card = read_json(tmp_path / "report" / "model" / "model.json")
    assert (card["validation"], card["best"], card["licence"]) == ([], 0, "CC0")
    assert "Nothing chose this mixture" in (tmp_path / "report" / "model" / "README.md").read_text()
    assert read_tensors(tmp_path / "report" / "model" / "network-0.safetensors")


def card(framing: Framing = "crop", licence: str | None = "CC BY 4.0") -> PredictorCard:
    return PredictorCard(
        "segmentation", {"classes": CLASSES}, "lite0", 2, 1, [64, 48], framing, licence, "real_plus_photos", "miou",
        [0.7, 0.75], [0.6, float("nan")], 50,
    )  # fmt: skip


def test_the_card_says_what_it_is_and_how_to_use_it() -> None:
    text = model_card(SEGMENTATION, card(), {"real": 50, "photos": 9000}, "validation")
    for words in (
        "license: cc-by-4.0", "pipeline_tag: image-segmentation", "- 2: core", "64 x 48 pixels", "2 networks",
        "“real + photos”: 50 of real, 9,000 of photos", "scored best on validation", "| 1 (best) | 0.750 | – |",
        "ImageOps.fit", "labels, scores = model.run", "handsoff label model photos -o labelled", "CC BY 4.0",
    ):  # fmt: skip
        assert words in text
    unknown = model_card(SEGMENTATION, card("stretch", None), {"real": 50}, "nothing")
    assert "license" not in unknown.partition("# A model")[0]
    assert "Unknown: ask whoever made the labelled photos" in unknown
    assert "photo.resize(size)" in unknown


@pytest.mark.slow
def test_the_model_labels_photos_and_they_are_arms_of_the_next_evaluation(world: Path, tmp_path: Path) -> None:
    """Of the photos all that the evaluation knew are left out, so that none is in the next one's test."""
    new = blobs(5, seed=7)
    (tmp_path / "photos").mkdir()
    for index, image in enumerate([*PHOTOS.images, *new.images]):
        Image.fromarray(image).save(tmp_path / "photos" / f"{index}.png")
    run_to_end(label([world / "report"], tmp_path / "photos", tmp_path / "found", LabelSettings(keep=1.0)))
    left_out = read_json(tmp_path / "found" / "report.json")["left_out"]
    assert left_out["labelled"] == 16
    settings = EvaluateSettings(first=4, validation_part="4:8", test_part="8:", steps=2, seeds=1, batch=4)
    datasets = [world / "dataset", tmp_path / "found"]
    run_to_end(evaluate(world / "labelled", datasets, world / "labelled", tmp_path / "report", settings))
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert list(metrics["arms"]) == [
        "real_only", "photos_only", "synthetic_only", "real_plus_photos", "real_plus_synthetic",
        "real_plus_photos_plus_synthetic",
    ]  # fmt: skip
    assert metrics["pools"] == {"real": 4, "synthetic": 6, "photos": 5}
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (8, 0)
    assert (tmp_path / "report" / "model" / "model.json").is_file()
