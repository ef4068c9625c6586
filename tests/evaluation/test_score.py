"""Labelers and models as they are: their labels are scored, and nobody is tested on what it learnt from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from discs import CLASSES, SEGMENTATION, blobs, write_labelled
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.datasets.likeness import save_seen
from handsoff.evaluation.score import score
from handsoff.evaluation.settings import ScoreSettings
from handsoff.jobs.progress import run_to_end
from handsoff.learning.models import build_model
from handsoff.learning.predictor import PredictorCard, save_predictor
from handsoff.learning.supervised import predictions
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

LEARNT, TESTED = blobs(3, seed=1), blobs(5, seed=2)


def model_of(folder: Path, task: Task = SEGMENTATION, seed: int = 1, size: int = 32) -> Path:
    """An untrained model that says it learnt from `LEARNT` and was tested on `TESTED`."""
    torch.manual_seed(seed)
    card = PredictorCard(
        task.name, task.schema, "lite0", 1, 0, [size, size], "crop", "CC0", "real_only", "miou", [], [0.5], 3
    )
    save_predictor(folder, [build_model("lite0", task.channels).state_dict()], card)
    save_seen(folder, LEARNT.images, TESTED.images)
    return folder


@pytest.fixture
def test_photos(tmp_path: Path) -> Path:
    """The three photos that the models learnt from, then five others."""
    both = [np.concatenate([getattr(part, name) for part in (LEARNT, TESTED)]) for name in ("images", "labels")]
    return write_labelled(tmp_path / "test", type(TESTED)(*both))


def test_a_model_scores_what_its_labels_are_worth(tmp_path: Path, test_photos: Path) -> None:
    torch.manual_seed(1)
    network = build_model("lite0", 3).eval()
    found = np.concatenate(list(predictions(network, SEGMENTATION, TESTED.images)))
    expected = SEGMENTATION.scores.score([(found, TESTED.labels)])
    models = [model_of(tmp_path / "one"), model_of(tmp_path / "other", seed=5)]
    run_to_end(score(models, test_photos, tmp_path / "out", ScoreSettings(mirror=False)))
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert list(metrics["arms"]) == ["one", "other"]
    (miou,) = metrics["arms"]["one"]["miou"]["runs"]
    assert miou == pytest.approx(expected["metrics"]["miou"], abs=1e-3)
    assert metrics["arms"]["other"]["miou"]["mean"] != miou
    assert metrics["per_class"]["one"].keys() == set(CLASSES)
    assert metrics["voters"]["one"] == {"networks": 1, "classifiers": 0, "n_real": 3}
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (5, 3), "photos that a model learnt from do not count"
    assert {file.name for file in (tmp_path / "out" / "predictions").iterdir()} == {"one.png", "other.png"}
    assert run_to_end(score(models, test_photos, tmp_path / "out", ScoreSettings(mirror=False))) == "done"


def test_nobody_of_a_group_that_was_learnt_is_tested(tmp_path: Path, test_photos: Path) -> None:
    """The model learnt from Anna twice and from Ben once, so that Ben's other photo is no test."""
    for index, name in enumerate(("anna_0", "anna_1", "ben_0", "ben_1", "carl_0", "carl_1", "dora_0", "dora_1")):
        for kind in ("images", "masks"):
            (test_photos / kind / f"{index:03d}.png").rename(test_photos / kind / f"{name}.png")
    model, settings = model_of(tmp_path / "model"), ScoreSettings(group="(.*)_", labels_part=":3")
    run_to_end(score([model], test_photos, tmp_path / "out", settings, test_photos))
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (4, 4)
    for alone, labelled in ((settings, None), (ScoreSettings(), test_photos)):
        with pytest.raises(InputError, match="--labelled and --set group=… belong together"):
            run_to_end(score([model], test_photos, tmp_path / "no", alone, labelled))


def test_what_cannot_be_scored_is_refused_in_a_sentence(tmp_path: Path, test_photos: Path) -> None:
    one, out = model_of(tmp_path / "one"), tmp_path / "out"
    with pytest.raises(InputError, match="nothing to score: give the folder of handsoff fit"):
        run_to_end(score([], test_photos, out, ScoreSettings()))
    with pytest.raises(InputError, match="No test samples are left"):
        run_to_end(score([one], test_photos, out, ScoreSettings(test_part=":3")))
    with pytest.raises(InputError, match="Nothing here reads latents, so inversion = encoder is no use: leave it out"):
        run_to_end(score([one], test_photos, out, ScoreSettings(inversion="encoder")))
    with pytest.raises(InputError, match="given twice"):
        run_to_end(score([one, one], test_photos, out, ScoreSettings()))
    with pytest.raises(MismatchError, match="differ in their frame"):
        run_to_end(score([one, model_of(tmp_path / "large", size=64)], test_photos, out, ScoreSettings()))
    others = make_task("segmentation", {"classes": ["background", "blob"]})
    with pytest.raises(MismatchError, match="differ in their labels"):
        run_to_end(score([one, model_of(tmp_path / "others", others)], test_photos, out, ScoreSettings()))
    with pytest.raises(InputError, match="neither a labeler nor a model"):
        run_to_end(score([tmp_path / "test"], test_photos, out, ScoreSettings()))
    assert not out.exists()
