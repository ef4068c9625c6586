"""Output folders: begun, continued, finished, refused and removed."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import BrokenImageError, HandsOffError, InputError, UselessError
from handsoff.core.files import read_json
from handsoff.jobs.folder import (
    Job,
    Plan,
    difference,
    discard,
    first_difference,
    refuse_foreign,
    require_done,
)
from handsoff.jobs.folder import open_job as opened_job

INPUTS = {"images": {"path": "/here/photos", "fingerprint": "abc"}}
SETTINGS: dict[str, Any] = {"seed": 0, "sizes": (3, 4)}


def open_job(out: Path, plan: Plan, *, beside: str | None = None) -> Job:
    """The job as it stands, without the lock."""
    with opened_job(out, plan, beside=beside) as job:
        return job


def test_a_job_begins_goes_on_and_ends(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    job = open_job(out, Plan("train", INPUTS, SETTINGS))
    assert not job.done
    assert [file.name for file in out.iterdir()] == ["job.json"]
    again = open_job(out, Plan("train", INPUTS, SETTINGS))
    assert not again.done
    with pytest.raises(InputError, match="not finished: run handsoff train again"):
        require_done(out, "train")
    again.finish(licence="CC0")
    assert open_job(out, Plan("train", INPUTS, SETTINGS)).done
    report = require_done(out, "train")
    assert report["licence"] == "CC0"
    assert report["settings"] == {"seed": 0, "sizes": [3, 4]}
    assert report["inputs"] == INPUTS
    assert {"verb", "version", "seconds"} <= report.keys()
    assert (out / "DONE").read_bytes() == b""


def test_reopening_takes_the_marker_away(tmp_path: Path) -> None:
    job = open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    job.finish()
    job = open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    job.reopen()
    assert not job.done
    assert not open_job(tmp_path, Plan("train", INPUTS, SETTINGS)).done


@pytest.mark.parametrize(
    ("verb", "inputs", "settings", "said"),
    [
        ("fit", INPUTS, SETTINGS, "begun with handsoff train"),
        (
            "train",
            {"images": {"path": "/here/photos", "fingerprint": "xyz"}},
            SETTINGS,
            r"begun with another images \(/here/photos\)",
        ),
        ("train", {**INPUTS, "more": {"path": "x", "fingerprint": "y"}}, SETTINGS, "begun with another more"),
        ("train", INPUTS, {**SETTINGS, "seed": 1}, "begun with seed = 0 instead of 1"),
        ("train", INPUTS, {"seed": 0}, r"begun with sizes = \[3, 4\] instead of None"),
    ],
)
def test_another_plan_is_refused(
    tmp_path: Path, verb: str, inputs: dict[str, dict[str, str]], settings: dict[str, Any], said: str
) -> None:
    open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    with pytest.raises(InputError, match=said):
        open_job(tmp_path, Plan(verb, inputs, settings))
    assert first_difference(Plan(**read_json(tmp_path / "job.json")), Plan(verb, inputs, settings))


def test_inputs_may_move(tmp_path: Path) -> None:
    open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    open_job(tmp_path, Plan("train", {"images": {"path": "/elsewhere", "fingerprint": "abc"}}, SETTINGS))


def test_foreign_folders_and_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty and was not made by handsoff train"):
        open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    with pytest.raises(InputError, match="is a file"):
        open_job(tmp_path / "thesis.tex", Plan("train", INPUTS, SETTINGS))
    with pytest.raises(InputError, match="was not made by handsoff fit"):
        require_done(tmp_path, "fit")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    open_job(tmp_path / "inside", Plan("train", INPUTS, SETTINGS))
    with pytest.raises(InputError, match="was made by handsoff train; a folder of handsoff fit"):
        require_done(tmp_path / "inside", "fit")


def test_a_named_folder_may_lie_there_already(tmp_path: Path) -> None:
    (tmp_path / "generator").mkdir()
    with pytest.raises(InputError, match="not empty"):
        open_job(tmp_path, Plan("run", {}, {}))
    assert not open_job(tmp_path, Plan("run", {}, {}), beside="generator").done


@pytest.mark.parametrize(
    "error", [BrokenImageError("a.png is not a readable image"), HandsOffError("The disk is full")]
)
def test_a_refused_input_leaves_no_folder(tmp_path: Path, error: HandsOffError) -> None:
    with pytest.raises(type(error)), opened_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS)):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_begun_work_and_bugs_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS)):
        raise ZeroDivisionError
    assert (tmp_path / "out" / "job.json").is_file()
    (tmp_path / "out" / "work").write_text("begun")
    with pytest.raises(InputError), opened_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS)):
        raise InputError
    assert (tmp_path / "out" / "work").is_file()


def test_a_new_folder_that_is_reopened_is_still_new(tmp_path: Path) -> None:
    job = open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    job.reopen()
    assert job.outcome == "made"
    job = open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    assert job.outcome == "continued"
    job.finish()
    job = open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    assert job.outcome == "done"
    job.reopen()
    assert job.outcome == "continued"


def test_plans_are_compared_as_they_are_recorded(tmp_path: Path) -> None:
    """A tuple is a list in `job.json`; that is no difference."""
    open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    assert difference(tmp_path, Plan("train", INPUTS, SETTINGS)) is None
    changed = difference(tmp_path, Plan("train", INPUTS, {**SETTINGS, "sizes": (3, 5)}))
    assert changed == "sizes = [3, 4] instead of [3, 5]"


def test_a_discarded_folder_is_gone(tmp_path: Path) -> None:
    job = open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    (job.out / "images").mkdir()
    (job.out / "images" / "a.png").write_bytes(b"")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "b.png").write_bytes(b"")
    (job.out / "link").symlink_to(tmp_path / "precious")
    job.finish()
    discard(job.out)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["b.png", "precious"]


def test_a_discarded_link_keeps_its_place(tmp_path: Path) -> None:
    """The folder lies on another disk, where the next one goes, too."""
    (tmp_path / "large disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large disk")
    open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS)).finish()
    discard(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_useless_work_takes_its_own_folder_away_and_no_other(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def work() -> None:
        with opened_job(run, Plan("run", {}, {})), opened_job(run / "photos", Plan("label", INPUTS, SETTINGS)) as job:
            (run / "generator").mkdir()
            (job.out / "images").mkdir()
            raise UselessError("nothing is left")

    with pytest.raises(InputError, match="nothing is left") as caught:
        work()
    assert not isinstance(caught.value, UselessError)
    assert sorted(file.name for file in run.iterdir()) == ["generator", "job.json"]


def test_a_half_discarded_folder_is_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    (job.out / "images").mkdir()
    job.finish()

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        discard(job.out)
    assert open_job(job.out, Plan("train", INPUTS, SETTINGS)).outcome == "continued"


def test_only_foreign_folders_are_refused(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "nothing", "fit")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        refuse_foreign(tmp_path / "file", "fit")
    with pytest.raises(InputError, match="is not empty and was not made by handsoff fit"):
        refuse_foreign(tmp_path, "fit")
    refuse_foreign(tmp_path, "fit", beside="file")
    open_job(tmp_path / "out", Plan("train", INPUTS, SETTINGS))
    refuse_foreign(tmp_path / "out", "fit")


@pytest.mark.parametrize("left", [[".job.json.4194305.part"], [".lock"], [".lock", ".job.json.4194305.part"]])
def test_a_process_killed_at_its_first_write_is_no_obstacle(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).write_bytes(b"{")
    assert open_job(tmp_path, Plan("train", INPUTS, SETTINGS)).outcome == "made"
    assert [file.name for file in tmp_path.iterdir()] == ["job.json"]


def test_what_was_half_written_goes_when_the_work_goes_on(tmp_path: Path) -> None:
    open_job(tmp_path, Plan("train", INPUTS, SETTINGS))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / ".a.png.4194305.part").write_bytes(b"half")
    assert open_job(tmp_path, Plan("train", INPUTS, SETTINGS)).outcome == "continued"
    assert list((tmp_path / "images").iterdir()) == []


def test_a_folder_is_locked_until_the_work_ends(tmp_path: Path) -> None:
    plan = Plan("train", INPUTS, SETTINGS)
    with opened_job(tmp_path, plan):
        for refused in (lambda: opened_job(tmp_path, plan).__enter__(), lambda: discard(tmp_path)):
            with pytest.raises(HandsOffError, match="is being written by another handsoff process"):
                refused()
        with opened_job(tmp_path, plan, alone=False) as job:
            assert job.outcome == "continued"
    discard(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"verb": 1}', '{"verb": "train", "inputs": [], "settings": {}}'])
def test_a_damaged_record_of_the_plan_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "job.json").write_text(content)
    for read in (lambda: open_job(tmp_path, Plan("train", INPUTS, SETTINGS)), lambda: require_done(tmp_path, "train")):
        with pytest.raises(InputError, match=r"job\.json is (damaged|not valid JSON)"):
            read()


def test_paths_that_are_not_utf8_are_said(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9")
    with pytest.raises(InputError, match="is not UTF-8: rename it"):
        open_job(tmp_path / strange, Plan("train", INPUTS, SETTINGS))
    with pytest.raises(InputError, match="is not UTF-8: rename it"):
        open_job(tmp_path / "out", Plan("train", {"images": {"path": strange, "fingerprint": "a"}}, SETTINGS))
    assert list(tmp_path.iterdir()) == []
