"""Generated datasets: deterministic, resumable, honest about what was dropped."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import open_dataset
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis import generate as module
from handsoff.synthesis.generate import generate
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import GenerateSettings
from toy import CLASSES, toy_generator, toy_labels


@pytest.fixture(scope="module")
def labeler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    toy_labels(toy_generator(root / "generator", resolution=(32, 24)), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "codes", InvertSettings(encoder_steps=0, steps=5)))
    run_to_end(
        fit(
            root / "generator",
            root / "codes",
            root / "labeler",
            FitSettings(members=3, hidden=(8, 8), steps=5, images=2, pixels=20, networks=0),
        )
    )
    return root / "labeler"


def hashes(dataset: Path) -> dict[str, str]:
    files = [file for kind in ("images", "masks", "uncertainty") for file in (dataset / kind).iterdir()]
    return {file.relative_to(dataset).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_seed_is_the_same_sample_whatever_else_is_drawn(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to_end(generate([labeler], tmp_path / "many", GenerateSettings(n=40, seed=100, keep=1)))
    run_to_end(generate([labeler], tmp_path / "few", GenerateSettings(n=7, seed=119, keep=1)))
    monkeypatch.setattr(module, "CHUNK", 5)
    run_to_end(generate([labeler], tmp_path / "chunks", GenerateSettings(n=40, seed=100, keep=1)))
    many, few = hashes(tmp_path / "many"), hashes(tmp_path / "few")
    assert len(few) == 3 * 7
    assert few.items() <= many.items()
    assert hashes(tmp_path / "chunks") == many


def test_the_dataset_is_a_labelled_folder_with_an_account_of_itself(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=20)))
    (tmp_path / "dataset").rename(tmp_path / "moved")
    data = open_labelled(tmp_path / "moved")
    assert (len(data.names), data.tasks["segmentation"].schema["classes"]) == (18, CLASSES)
    assert data.image(data.names[0]).shape == (32, 24, 3)
    records = [json.loads(line) for line in (tmp_path / "moved" / "samples.jsonl").read_text().splitlines()]
    kept = {record["name"] for record in records if record["kept"]}
    assert kept == set(data.names)
    worst = min(record["uncertainty"] for record in records if not record["kept"])
    assert all(record["uncertainty"] <= worst for record in records if record["kept"])
    assert all(record["reason"] for record in records if not record["kept"])
    manifest = read_json(tmp_path / "moved" / "manifest.json")
    assert (manifest["licence"], manifest["drawn"], manifest["kept"], manifest["resolution"]) == (
        "CC0",
        20,
        18,
        [32, 24],
    )
    unsure = np.asarray(Image.open(tmp_path / "moved" / "uncertainty" / f"{data.names[0]}.png"))
    assert unsure.shape == (32, 24)


def test_a_killed_run_goes_on_without_redoing(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    settings = GenerateSettings(n=40, seed=3)
    work = generate([labeler], tmp_path / "killed", settings)
    next(work)
    work.close()
    (tmp_path / "killed" / "images" / ".00000032.png.123.part").write_bytes(b"half a file")
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "killed" / "images").glob("*.png")}
    assert len(made) == 32, "the first chunk, and the second, which was made while the first was written"
    run_to_end(generate([labeler], tmp_path / "killed", settings))
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    assert all(file.stat().st_mtime_ns == time for file, time in made.items() if file.is_file())
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")


def test_a_finished_dataset_is_left_alone(labeler: Path, tmp_path: Path) -> None:
    settings = GenerateSettings(n=4)
    run_to_end(generate([labeler], tmp_path / "dataset", settings))
    before = (tmp_path / "dataset" / "DONE").stat().st_mtime_ns
    run_to_end(generate([labeler], tmp_path / "dataset", settings))
    assert (tmp_path / "dataset" / "DONE").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="n = 4 instead of 5"):
        run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=5)))


def test_selection_keeps_the_share_asked_for() -> None:
    records = [{"seed": seed, "uncertainties": {"segmentation": 0.1}} for seed in range(10)]
    select(records, 0.75)
    assert [record["kept"] for record in records] == [True] * 8 + [False] * 2
    select(records[:1], 0.1)
    assert records[0]["kept"], "at least one sample stays"


def test_a_dataset_can_be_written_in_another_format_as_well(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=10, format="yolo")))
    kept, other = open_labelled(tmp_path / "dataset"), open_dataset(open_source(tmp_path / "dataset" / "yolo"))
    assert other.names == kept.names
    assert other.licence == read_json(tmp_path / "dataset" / "manifest.json")["licence"]
    for name in kept.names:
        np.testing.assert_array_equal(other.read(name).labels["segmentation"], kept.label("segmentation", name))
    with pytest.raises(UnknownNameError, match="Unknown format 'word'"):
        run_to_end(generate([labeler], tmp_path / "nothing", GenerateSettings(n=10, format="word")))
    assert not (tmp_path / "nothing").exists()
