"""Fitting again: from what a person accepted and corrected, into a labeler of its own; the queue follows it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.review.app import create_app
from handsoff.review.desk import Desk, open_desk
from handsoff.review.session import open_session
from handsoff.synthesis.generate import generate
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from toy import toy_generator, toy_labels

FIT = FitSettings(members=2, hidden=(8, 8), steps=5, images=2, pixels=20, networks=1, network_steps=2)


@pytest.fixture(scope="session")
def reviewed_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generator, labelled, latents, labeler, drawn (a generated dataset) and photos (a labelled one)."""
    root = tmp_path_factory.mktemp("reviewed")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    toy_labels(toy_generator(root / "other", seed=1), root / "strange", count=6)
    run_to_end(
        invert(root / "generator", root / "labelled", root / "latents", InvertSettings(encoder_steps=0, steps=2))
    )
    run_to_end(fit(root / "generator", root / "latents", root / "labeler", FIT))
    run_to_end(generate([root / "labeler"], root / "drawn", GenerateSettings(n=12, keep=1)))
    run_to_end(label([root / "labeler"], root / "strange" / "images", root / "photos", LabelSettings(keep=1)))
    return root


@pytest.fixture
def world(reviewed_world: Path, tmp_path: Path) -> Path:
    for name in ("drawn", "photos"):
        shutil.copytree(reviewed_world / name, tmp_path / name)
    return reviewed_world


def opened(dataset: Path, labeler: Path) -> Iterator[Desk]:
    desk = open_desk(open_session(dataset), labeler)
    yield desk
    desk.stop()


@pytest.mark.parametrize("kind", ["drawn", "photos"])
def test_the_labeler_learns_and_the_queue_is_sorted_anew(world: Path, tmp_path: Path, kind: str) -> None:
    desk = open_desk(open_session(tmp_path / kind), world / "labeler")
    client = TestClient(create_app(desk))
    assert client.post("/api/refit").status_code == 400
    names = desk.session.dataset.names
    mask = desk.session.label("segmentation", names[0])
    desk.session.correct("segmentation", names[0], np.roll(mask, 1, 0), 0)
    desk.session.decide(names[1], "accept", 0)
    desk.session.decide(names[2], "reject", 0)
    old = dict(desk.queue.numbers["uncertainty"])
    assert client.post("/api/refit", json={"names": [names[4]]}).json() == {"job": "labeler-1"}
    assert desk.refit is not None
    assert desk.refit.thread is not None
    desk.refit.thread.join()
    state = client.get("/api/refit").json()
    assert state["state"] == "done", state
    assert state["after"] > 0
    assert (state["before"] is None) == (kind == "photos")
    report = read_json(tmp_path / kind / "corrections" / "labeler-1" / "report.json")
    assert report["examples_used"] == 2 + 8
    assert desk.queue.numbers["uncertainty"].keys() == old.keys()
    assert desk.queue.numbers["uncertainty"] != old
    assert load_labeler(tmp_path / kind / "corrections" / "labeler-1").task.name == "segmentation"
    again = open_desk(open_session(tmp_path / kind), world / "labeler")
    assert again.queue.numbers == desk.queue.numbers
    assert again.refit is not None
    assert again.refit.folder().name == "labeler-2"


def test_a_labeler_of_another_generator_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(
        invert(world / "other", world / "strange", tmp_path / "latents", InvertSettings(encoder_steps=0, steps=2))
    )
    run_to_end(fit(world / "other", tmp_path / "latents", tmp_path / "labeler", FIT.model_copy(update={"networks": 0})))
    with pytest.raises(MismatchError, match="was drawn from generator"):
        open_desk(open_session(tmp_path / "drawn"), tmp_path / "labeler")


def test_what_is_no_labeler_or_no_dataset_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made by handsoff invert"):
        open_desk(open_session(tmp_path / "drawn"), world / "latents")
    with pytest.raises(InputError, match="is no dataset"):
        open_session(world / "labeler")
    with pytest.raises(InputError, match="does not exist"):
        open_session(tmp_path / "nothing")
