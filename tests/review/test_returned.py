"""The way to another tool and back: a queue goes out, corrections come in."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discs import CLASSES, blobs, write_dataset
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.review.returned import take_back
from handsoff.review.session import open_session


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", blobs(6, 0))


def test_label_studio_gets_the_queue_and_gives_it_back(dataset: Path, tmp_path: Path) -> None:
    session = open_session(dataset)
    session.decide("005", "accept", 0)
    out = tmp_path / "tasks"
    run_to_end(convert(dataset, out, ConvertSettings(format="labelstudio", queue=3)))
    stems = sorted(file.stem for file in (out / "images").iterdir())
    assert stems == ["002", "003", "004"], "the most uncertain undecided"
    tasks = next(file for file in out.glob("*.json") if isinstance(read_json(file), list))
    entries = read_json(tasks)
    for entry, left in ((entries[1], -1), (entries[2], None)):  # somebody removes a region, and finds nothing amiss
        entry["annotations"] = [{"result": entry["predictions"][0]["result"][:left], "was_cancelled": False}]
    tasks.write_text(json.dumps(entries))
    before = open_labelled(dataset).load((32, 32))[1]["segmentation"]
    found = take_back(dataset, out)
    run_to_end(found.work())
    assert (found.finished, found.changed) == (2, 1)
    after = open_labelled(dataset)
    assert np.flatnonzero((after.load((32, 32))[1]["segmentation"] != before).any((1, 2))).tolist() == [3]
    assert {name: after.reviewed[name].decision for name in after.reviewed} == dict.fromkeys(
        ["003", "004", "005"], "accept"
    )
    versions = {name: record.version for name, record in after.reviewed.items()}
    run_to_end(take_back(dataset, out).work())
    assert {name: record.version for name, record in open_labelled(dataset).reviewed.items()} == versions


def test_nobody_has_looked_at_what_comes_back_from_label_studio_as_it_went(dataset: Path, tmp_path: Path) -> None:
    run_to_end(convert(dataset, tmp_path / "tasks", ConvertSettings(format="labelstudio", queue=3)))
    with pytest.raises(InputError, match="predictions alone do not count"):
        take_back(dataset, tmp_path / "tasks")


def test_cvat_gives_it_back_with_fewer_classes_in_another_order(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "cvat"
    run_to_end(convert(dataset, out, ConvertSettings(format="cvat")))
    found = take_back(dataset, out)
    run_to_end(found.work())
    assert (found.finished, found.changed) == (6, 0)


def test_what_was_corrected_here_stays(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "theirs")
    Image.fromarray(np.ones((32, 32), np.uint8)).save(tmp_path / "theirs" / "masks" / "001.png")
    session = open_session(dataset)
    session.correct("segmentation", "001", np.zeros((32, 32), np.uint8), 0)
    found = take_back(dataset, tmp_path / "theirs")
    run_to_end(found.work())
    assert found.changed == 0
    assert "stay, such as 001" in found.notes[-1]
    assert not open_labelled(dataset).label("segmentation", "001").any()


def test_what_was_saved_while_the_export_was_read_stays(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "theirs")
    Image.fromarray(np.ones((32, 32), np.uint8)).save(tmp_path / "theirs" / "masks" / "001.png")
    found = take_back(dataset, tmp_path / "theirs")
    session = open_session(dataset)
    session.correct("segmentation", "001", np.zeros((32, 32), np.uint8), 0)
    session.decide("002", "reject", 0)
    run_to_end(found.work())
    assert "stay, such as 001" in found.notes[-1]
    after = open_session(dataset)
    assert not after.label("segmentation", "001").any()
    assert (after.record("001").version, after.record("001").decision) == (2, "accept")
    assert (after.record("002").version, after.record("002").decision) == (1, "reject")


def test_strangers_are_refused(dataset: Path, tmp_path: Path) -> None:
    more = write_dataset(tmp_path / "more", blobs(7, 0))
    with pytest.raises(InputError, match="has '006', and"):
        take_back(dataset, more)
    other = write_dataset(tmp_path / "other", blobs(6, 0))
    (other / "classes.json").write_text(json.dumps([*CLASSES[:2], "heart"]))
    (other / "manifest.json").unlink()
    with pytest.raises(InputError, match="the class 'heart'"):
        take_back(dataset, other)
