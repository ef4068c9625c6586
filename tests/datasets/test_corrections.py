"""Corrections: beside the dataset, applied by whoever opens it, and never silently about something else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discs import blobs, write_dataset, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.datasets.corrections import Correction, Corrections, corrections_folder
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.sources import image_names, open_source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.formats.convert import convert, plan
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.inspect import describe
from handsoff.jobs.progress import run_to_end
from handsoff.review.session import open_session
from handsoff.tasks import TASKS, make_task
from handsoff.tasks.base import Task
from matte import Matte
from toy import toy_generator, toy_several


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", blobs(4, 0))


def zeros() -> np.ndarray:
    return np.zeros((32, 32), np.uint8)


def test_they_are_applied_by_whoever_opens_the_dataset(dataset: Path, tmp_path: Path) -> None:
    fingerprint, schema = (
        open_labelled(dataset).describe()["fingerprint"],
        open_labelled(dataset).tasks["segmentation"].schema,
    )
    session = open_session(dataset)
    session.correct("segmentation", "001", zeros(), 0)
    session.decide("002", "reject", 0)
    session.decide("003", "accept", 0)
    moved = tmp_path / "moved"
    shutil.move(dataset, moved)
    for opened in (open_labelled(moved), open_like(moved, {"segmentation": schema})):
        assert opened.names == ("000", "001", "003")
        assert not opened.label("segmentation", "001").any()
        assert opened.touched("001") == ("segmentation",)
        assert opened.describe()["fingerprint"] != fingerprint
    ignored = open_labelled(moved, corrections="ignore")
    assert ignored.describe()["fingerprint"] == fingerprint
    assert ignored.names == ("000", "001", "002", "003")
    assert ignored.label("segmentation", "001").any()
    assert open_labelled(moved, corrections="only").names == ("001", "003")
    assert image_names(open_source(moved)) == [f"images/00{index}.png" for index in range(4)]


def test_a_conversion_tells_what_a_person_did(dataset: Path, tmp_path: Path) -> None:
    untouched = plan(dataset, ConvertSettings()).inputs
    session = open_session(dataset)
    session.correct("segmentation", "001", zeros(), 0)
    session.decide("002", "reject", 0)
    assert plan(dataset, ConvertSettings()).inputs != untouched
    assert plan(dataset, ConvertSettings(corrections="ignore")).inputs == untouched
    run_to_end(convert(dataset, tmp_path / "out", ConvertSettings()))
    assert read_json(tmp_path / "out" / "manifest.json")["review"] == {"accepted": 0, "rejected": 1, "corrected": 1}
    assert '"corrected": ["segmentation"]' in (tmp_path / "out" / "samples.jsonl").read_text()
    assert not open_labelled(tmp_path / "out").label("segmentation", "001").any()
    assert ("review", "1 corrected, 0 accepted, 1 rejected and left out") in describe(dataset)[1]


def test_those_of_a_zip_lie_beside_it(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(file for file in dataset.rglob("*") if file.is_file() and file.suffix in {".png", ".json"}):
            archive.write(file, file.relative_to(tmp_path))
    session = open_session(path)
    session.correct("segmentation", "001", zeros(), 0)
    assert corrections_folder(path) == tmp_path / "data.zip.corrections"
    (tmp_path / "photo.png").write_bytes(b"")
    assert not [name for name in open_source(tmp_path).sizes if "corrections" in name], "they are no photos"
    assert not open_labelled(path).label("segmentation", "001").any()


def fifth(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setitem(TASKS, "matte", Matte)
    return make_task("matte", {})


def test_every_task_can_be_corrected_a_fifth_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_several(toy_generator(tmp_path / "generator"), tmp_path / "data")
    matte = fifth(monkeypatch)
    for name in open_labelled(tmp_path / "data").names:
        image = open_labelled(tmp_path / "data", tasks=["segmentation"]).image(name)
        write_sample(tmp_path / "data", name, image, {"matte": np.zeros((16, 16), np.uint8)}, {"matte": matte})
    write_cards(tmp_path / "data", {"matte": matte})
    session = open_session(tmp_path / "data")
    assert set(session.tasks) == {"segmentation", "keypoints", "depth", "matte"}
    for version, task in enumerate(session.tasks):
        label = session.label(task, "photo03")
        changed = np.roll(label, 1, 0) if task != "matte" else np.full_like(label, 9)
        session.correct(task, "photo03", changed, version)
        assert np.allclose(open_labelled(tmp_path / "data").label(task, "photo03"), changed), task
    depth = open_labelled(tmp_path / "data", tasks=["depth"]).label("depth", "photo03")
    assert np.array_equal(depth, session.label("depth", "photo03"))
    normals = [
        open_labelled(tmp_path / "data", tasks=["normals"], corrections=use).label("normals", "photo03")
        for use in (None, "ignore")
    ]
    assert not np.array_equal(*normals), "normals are derived from the corrected depth"


PARTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='/\\:*?"<>|'), min_size=1, max_size=20
).filter(lambda text: not text.startswith(".") and text.strip() == text and text.strip(". ") == text)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=2).map("/".join))
def test_any_name_is_found_again(tmp_path: Path, name: str) -> None:
    root = tmp_path / "named"
    shutil.rmtree(root, ignore_errors=True)
    sample, task = blobs(1, 0), make_task("segmentation", {"classes": ["background", "blob", "core"]})
    write_sample(root, name, sample.images[0], {"segmentation": sample.labels[0]}, {"segmentation": task})
    write_cards(root, {"segmentation": task})
    session = open_session(root)
    (found,) = session.dataset.names
    session.correct("segmentation", found, zeros(), 0)
    session.decide(found, "accept", 1)
    again = open_session(root)
    assert again.record(found).version == 2
    assert {name: set(tasks) for name, tasks in again.corrected.items()} == {found: {"segmentation"}}


def test_a_killed_correction_is_whole_or_not_there(dataset: Path) -> None:
    code = (
        "import os, sys, numpy as np; from pathlib import Path\n"
        "from handsoff.review.session import open_session\n"
        "from handsoff.datasets.corrections import Corrections\n"
        "session = open_session(Path(sys.argv[1]))\n"
        "Corrections.write_record = lambda *_: os._exit(9)\n"  # between the label and its record
        "session.correct('segmentation', '001', np.zeros((32, 32), np.uint8), 0)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(dataset)], check=False).returncode == 9
    session = open_session(dataset)
    assert session.record("001").version == 0
    assert not session.label("segmentation", "001").any(), "the person's work is not lost"
    session.decide("001", "accept", 0)
    assert open_labelled(dataset).reviewed["001"].decision == "accept"


# --- what does not fit is said


def test_corrections_of_another_image_are_refused(dataset: Path) -> None:
    open_session(dataset).decide("001", "accept", 0)
    shutil.copy(dataset / "images" / "002.png", dataset / "images" / "001.png")
    with pytest.raises(InputError, match="was written for another image"):
        open_labelled(dataset)


def test_corrections_of_nothing_are_refused(dataset: Path) -> None:
    Corrections(dataset / "corrections").write_record("nobody", Correction("reject", 1))
    with pytest.raises(InputError, match="has a correction of 'nobody'"):
        open_labelled(dataset)
    with pytest.raises(InputError, match="has a correction of 'nobody'"):
        open_session(dataset)


def test_a_damaged_record_is_named(dataset: Path) -> None:
    open_session(dataset).decide("001", "accept", 0)
    (dataset / "corrections" / "samples" / "001.json").write_text('{"decision": "perhaps"}')
    with pytest.raises(InputError, match=r"001\.json is damaged"):
        open_labelled(dataset)


def test_nothing_left_is_said_and_can_still_be_reviewed(dataset: Path) -> None:
    session = open_session(dataset)
    for name in session.dataset.names:
        session.decide(name, "reject", 0)
    with pytest.raises(InputError, match="all of its samples are rejected"):
        open_labelled(dataset)
    assert open_session(dataset).counts()["reject"] == 4
    with pytest.raises(InputError, match="nobody accepted or corrected"):
        open_labelled(dataset, corrections="only")


def test_only_needs_corrections(dataset: Path) -> None:
    with pytest.raises(InputError, match="has no corrections"):
        open_labelled(dataset, corrections="only")


def test_corrections_of_a_part_are_not_forgotten(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_labelled(tmp_path / "data" / split, blobs(2, 0))
    open_session(tmp_path / "data" / "train").decide("000", "reject", 0)
    with pytest.raises(InputError, match="has corrections of its own"):
        open_labelled(tmp_path / "data")


def test_a_folder_that_is_only_called_so_is_data(tmp_path: Path) -> None:
    write_labelled(tmp_path / "photos" / "corrections", blobs(2, 0))
    assert len(open_labelled(tmp_path / "photos").names) == 2
