"""Fitting again: from what a person accepted and corrected, into a labeler of its own; the queue follows it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.review.app import create_app
from handsoff.review.desk import open_desk
from handsoff.review.queue import Filter
from handsoff.review.session import open_session
from handsoff.synthesis.generate import generate
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from toy import toy_generator, toy_labels

FIT = FitSettings(members=2, hidden=(8, 8), steps=5, images=2, pixels=20, networks=1, network_steps=2)


@pytest.fixture(scope="session")
def reviewed_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generator, labelled, latents, labeler, drawn (a generated dataset), photos (a labelled one) and splits."""
    root = tmp_path_factory.mktemp("reviewed")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    toy_labels(toy_generator(root / "other", seed=1), root / "strange", count=6)
    in_splits(root / "strange", root / "splits")
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


def in_splits(labelled: Path, out: Path) -> None:
    """The same photos in folders train and val, the last one twice as large."""
    for kind in ("images", "masks"):
        for index, file in enumerate(sorted((labelled / kind).iterdir())):
            folder = out / ("train" if index < 4 else "val") / kind
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
        with Image.open(folder / file.name) as last:
            larger = last.resize((32, 32), Image.Resampling.NEAREST)
        larger.save(folder / file.name)
    shutil.copy(labelled / "classes.json", out)


@pytest.mark.parametrize("kind", ["drawn", "photos", "latents", "splits"])
def test_the_labeler_learns_and_the_queue_is_sorted_anew(world: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(world / kind, tmp_path / kind, dirs_exist_ok=True)
    desk = open_desk(open_session(tmp_path / kind), world / "labeler")
    client = TestClient(create_app(desk))
    assert client.post("/api/refit").status_code == 400
    names = desk.session.dataset.names
    mask = desk.session.label("segmentation", names[0])
    desk.session.correct("segmentation", names[0], np.roll(mask, 1, 0), 0)
    desk.session.decide(names[1], "accept", 0)
    desk.session.decide(names[2], "reject", 0)
    old = dict(desk.queue.numbers.get("uncertainty", {}))
    assert bool(old) == (kind in {"drawn", "photos"})
    assert client.post("/api/refit", json={"names": [names[4]]}).json() == {"job": "labeler-1"}
    assert desk.refit is not None
    assert desk.refit.thread is not None
    desk.refit.thread.join()
    state = client.get("/api/refit").json()
    assert state["state"] == "done", state
    assert state["after"] > 0
    assert (state["before"] is None) == (kind != "drawn")
    made = desk.session.corrections.folder / "labeler-1"
    assert read_json(made / "report.json")["examples_used"] == 2 + 8
    assert desk.queue.numbers["uncertainty"].keys() == (old.keys() or {names[0], *names[3:]})
    assert desk.queue.numbers["uncertainty"] != old
    assert client.get("/api/dataset").json()["orders"][0] == "uncertainty"
    assert load_labeler(made).task.name == "segmentation"
    again = open_desk(open_session(tmp_path / kind), world / "labeler")
    assert again.queue.numbers == desk.queue.numbers
    assert again.refit is not None
    assert again.refit.folder().name == "labeler-2"


def test_a_review_of_what_the_labeler_learnt_from_corrects_that(world: Path, tmp_path: Path) -> None:
    """All of it is learnt from again, as it is now: without what was rejected."""
    latents = Path(shutil.copytree(world / "latents", tmp_path / "latents"))
    run_to_end(fit(world / "generator", latents, tmp_path / "labeler", FIT))
    desk = open_desk(open_session(latents), tmp_path / "labeler")
    names = desk.session.dataset.names
    desk.session.correct("segmentation", names[0], np.roll(desk.session.label("segmentation", names[0]), 1, 0), 0)
    desk.session.decide(names[2], "reject", 0)
    assert desk.refit is not None
    desk.refit.start([])
    assert desk.refit.thread is not None
    desk.refit.thread.join()
    assert desk.refit.state.state == "done", desk.refit.state
    made = read_json(desk.session.corrections.folder / "labeler-1" / "report.json")
    assert made["examples_used"] == len(names) - 1
    assert "corrected" not in made["inputs"]


def test_a_labeler_of_another_generator_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(
        invert(world / "other", world / "strange", tmp_path / "latents", InvertSettings(encoder_steps=0, steps=2))
    )
    run_to_end(fit(world / "other", tmp_path / "latents", tmp_path / "labeler", FIT.model_copy(update={"networks": 0})))
    with pytest.raises(MismatchError, match="was drawn from generator"):
        open_desk(open_session(tmp_path / "drawn"), tmp_path / "labeler")


def test_where_voters_disagree_and_inversion_fails_is_an_order(world: Path, tmp_path: Path) -> None:
    queue = open_desk(open_session(tmp_path / "drawn")).queue
    assert queue.orders() == ["uncertainty", "disagreement", "name", "smallest", "suggested"]
    numbers = queue.numbers["disagreement"]
    assert queue.names("disagreement", Filter()) == sorted(numbers, key=lambda name: (-numbers[name], name))
    assert all(0 <= value <= 1 for value in numbers.values())
    shutil.copytree(world / "latents", tmp_path / "latents")
    inverted = open_desk(open_session(tmp_path / "latents"))
    card = read_json(tmp_path / "latents" / "latents.json")
    worst = card["names"][int(np.argmax(card["perceptual"]))]
    assert inverted.queue.names("reconstruction_error", Filter())[0] == worst
    inverted.session.decide(worst, "reject", 0)
    assert worst not in open_labelled(tmp_path / "latents" / "labels").names
    assert open_desk(open_session(world / "labelled")).queue.numbers == {}


def test_what_is_no_labeler_or_no_dataset_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made by handsoff invert"):
        open_desk(open_session(tmp_path / "drawn"), world / "latents")
    with pytest.raises(InputError, match="made by handsoff fit and is no dataset"):
        open_session(world / "labeler")
    with pytest.raises(InputError, match="is no dataset"):
        open_session(world / "labeler")
    with pytest.raises(InputError, match="does not exist"):
        open_session(tmp_path / "nothing")


def test_what_was_stopped_goes_on_unless_something_was_corrected_since(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(open_session(tmp_path / "drawn"), world / "labeler")
    names, refit = desk.session.dataset.names, desk.refit
    assert refit is not None
    desk.session.decide(names[0], "accept", 0)
    with monkeypatch.context() as patched:
        patched.setattr(refit, "show", lambda _: refit.stopped.set())
        refit.run(refit.folder(), [])
    folder = refit.folder()
    assert folder.name == "labeler-1"
    assert not (folder / "DONE").exists()
    begun = (folder / "job.json").stat().st_mtime_ns
    refit.stopped.clear()
    refit.run(folder, [])
    assert refit.state.state == "done", refit.state
    assert (folder / "job.json").stat().st_mtime_ns == begun
    (folder / "DONE").unlink()
    desk.session.decide(names[1], "accept", 0)
    refit.run(refit.folder(), [])
    assert refit.state.state == "done", refit.state
    assert (folder / "job.json").stat().st_mtime_ns != begun
    assert read_json(folder / "report.json")["corrected_used"] == 2
