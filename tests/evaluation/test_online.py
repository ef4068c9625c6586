"""Arms whose samples are drawn while the predictor trains."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import read_json
from handsoff.evaluation.data import load_data
from handsoff.evaluation.evaluate import evaluate, plan
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.online import OnlinePool, with_online
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings
from toy import FIT, toy_generator, toy_labels

TINY = EvaluateSettings(first=4, steps=3, batch=4, seeds=1, arms="real_plus_online", test_part="4:")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels, a labeler and a dataset of six samples."""
    root = tmp_path_factory.mktemp("online")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    run_to_end(
        invert(
            root / "generator", root / "labelled", root / "latents", InvertSettings(first=4, encoder_steps=0, steps=0)
        )
    )
    quick = FIT.model_copy(update={"steps": 10, "features": ("generator",)})
    run_to_end(fit(root / "generator", root / "latents", root / "labeler", quick))
    run_to_end(generate([root / "labeler"], root / "dataset", GenerateSettings(n=6, psi=0.8, seed=50)))
    return root


def pool_of(world: Path, settings: EvaluateSettings = TINY) -> OnlinePool:
    inputs = open_inputs(world / "labelled", [world / "dataset"], world / "labelled", settings, None)
    pool = with_online(inputs, run_to_end(load_data(inputs, None)), settings).online
    assert isinstance(pool, OnlinePool)
    return pool


def test_a_sample_follows_from_its_place_alone(world: Path) -> None:
    """Seeds begin where those of the dataset end; truncation is the dataset's."""
    pool = pool_of(world)
    found, alone = pool.take(np.array([7, 3, 7])), pool.take(np.array([3]))
    labeler = load_labeler(world / "labeler")
    images, labels, _ = labeler.sample([56 + 3, 56 + 7], psi=0.8)
    assert np.abs(alone.images[0].astype(int) - images[0]).max() <= 1
    assert (alone.labels[0] == labels[0]).mean() > 0.98
    assert np.array_equal(found.images[1], alone.images[0])
    assert np.array_equal(found.labels[0], found.labels[2])
    assert not np.array_equal(found.images[0], found.images[1])
    assert found.pseudo is not None
    assert found.pseudo.all()
    weighted = replace(pool, least=0.0).take(np.array([3])).weights
    assert weighted is not None
    assert weighted.shape == (1, 16, 16)


def test_the_arm_is_trained_and_goes_on_alike(world: Path, tmp_path: Path) -> None:
    inputs = world / "labelled", [world / "dataset"], world / "labelled"
    run_to_end(evaluate(*inputs, tmp_path / "whole", TINY))
    metrics = read_json(tmp_path / "whole" / "metrics.json")
    assert metrics["shares"]["real_plus_online"] == {"real": [0.25, 1.0], "online": [0.75, 0.0]}
    assert read_json(tmp_path / "whole" / "report.json")["licence"] == "CC0"
    work = evaluate(*inputs, tmp_path / "stopped", TINY)
    for progress in work:
        if progress.stage.startswith("real plus online") and progress.done == 1:
            break
    work.close()
    assert run_to_end(evaluate(*inputs, tmp_path / "stopped", TINY)) == "continued"
    again = read_json(tmp_path / "stopped" / "metrics.json")
    assert again["arms"] == metrics["arms"]


def test_arms_without_their_labeler_are_refused(world: Path, tmp_path: Path) -> None:
    inputs = world / "labelled", [world / "dataset"], world / "labelled"
    moved = world / "labeler"
    moved.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"was labelled by .*labeler, which is gone: leave out the online arms"):
        plan(*inputs, TINY)
    (tmp_path / "elsewhere").rename(moved)
    plan(*inputs, TINY)
    weights = moved / "examples.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    with pytest.raises(MismatchError, match="another labeler than that of"):
        plan(*inputs, TINY)
    weights.write_bytes(before)
    with pytest.raises(UnknownNameError):
        plan(world / "labelled", [], world / "labelled", TINY.model_copy(update={"arms": ("real_plus_online",)}))


def test_a_labeler_that_learnt_from_the_test_is_refused(world: Path) -> None:
    inputs = open_inputs(
        world / "labelled", [world / "dataset"], world / "labelled",
        TINY.model_copy(update={"first": 2, "test_part": "2:"}), None,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"come from .*labeler, which learnt from 2 photos of the test"):
        run_to_end(load_data(inputs, None))
