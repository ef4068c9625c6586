"""What every command has in common: -q, --verbose, --json, --device, harmless output, room on the disk."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handsoff.cli import main as cli
from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Progress, Work
from handsoff.training.settings import TrainSettings
from toy import write_classes, write_mask

Replace = Callable[[Callable[..., Work]], None]


def test_quiet_leaves_errors_only(
    replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    assert cli.main(["train", "photos", "-o", "out", "-q"]) == 0
    assert cli.main(["--quiet", "train", "photos", "-o", "out"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["-q", "inspect", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("handsoff: nowhere does not exist")


def test_quiet_does_not_hide_what_is_wrong(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mask(here / "labelled", "a", np.zeros((4, 8, 3), np.uint8), np.zeros((4, 8), np.uint8))
    write_classes(here / "labelled", ["background", "eye"])
    assert cli.main(["inspect", "labelled", "-q"]) == 0
    assert capsys.readouterr() == ("", "! eye occurs in no sample\n")


def test_verbose_tells_inputs_settings_device_and_times(
    replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    assert cli.main(["train", "photos", "-o", "out", "--verbose"]) == 0
    shown = capsys.readouterr().out
    for text in ("images: photos", "mirror = true", "minutes: not set", "device: cpu", "one took ", "two took "):
        assert text in shown
    cli.main(["train", "photos", "-o", "other"])
    assert "mirror" not in capsys.readouterr().out, "a process may run a second command"


@pytest.mark.parametrize(
    "words", [["train", "photos", "-o", "out", "--json"], ["--json", "train", "photos", "-o", "out"]]
)
def test_json_is_one_object_for_scripts(
    words: list[str], replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    for outcome in ("made", "done"):
        assert cli.main(words) == 0
        said = capsys.readouterr()
        result = json.loads(said.out)
        assert (result["verb"], result["out"], result["outcome"]) == ("train", "out", outcome)
        assert result["report"]["answer"] == [42]
        assert said.err
    assert cli.main([*words, "--sing"]) == 2
    assert "No such option: --sing" in json.loads(capsys.readouterr().out)["error"]


def test_json_of_an_inspection(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mask(here / "labelled", "a", np.zeros((4, 8, 3), np.uint8), np.zeros((4, 8), np.uint8))
    write_classes(here / "labelled", ["background", "eye"])
    assert cli.main(["inspect", "labelled", "--json", "-q"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["what"] == "a labelled dataset, HandsOff's folder format"
    assert "4 x 8 pixels" in result["facts"].values()
    assert "background" in result["classes"]
    assert result["problems"] == ["eye occurs in no sample"]


def test_a_device_is_chosen_for_the_process(
    replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    assert cli.main(["train", "photos", "-o", "out", "--device", "cpu", "--verbose"]) == 0
    assert "device: cpu (" in capsys.readouterr().out


# --- what reaches the terminal ---

NASTY = "a\x1b[31m\rb\n\u202ec\u2028\udcff"


def test_names_of_files_are_no_commands_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["inspect", NASTY.replace("\udcff", "")])
    said = capsys.readouterr().err
    assert said.startswith(r"handsoff: a\x1b[31m\rb\n\u202ec\u2028 does not exist")
    assert said.count("\n") == 1


def test_names_in_tables_progress_and_notes_are_no_commands_either(
    replace_train: Replace, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(images: Path, out: Path, settings: TrainSettings) -> Work:  # noqa: ARG001  # of a verb
        with open_job(out, Plan("train", {}, {})) as job:
            yield Progress(NASTY, 1, 1, NASTY)
            job.finish(name=NASTY.replace("\udcff", ""), notes=[NASTY.replace("\udcff", "")])
        return job.outcome

    replace_train(work)
    assert cli.main(["train", "photos", "-o", "out"]) == 0
    said = capsys.readouterr().out
    assert said.count(r"a\x1b[31m\rb\n\u202ec") == 4
    assert not {"\x1b", "\r", "\u202e", "\u2028"} & set(said)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_the_terminal_cannot_write_are_no_traceback(encoding: str) -> None:
    name = os.fsdecode(b"\xff\xe9") + "é中\u202e"
    result = subprocess.run(
        [sys.executable, "-m", "handsoff", "inspect", name],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(b"handsoff: ")
    assert b"\\udcff\\udce9" in result.stderr
    assert b"Traceback" not in result.stderr


# --- time and disk ---


def test_a_disk_that_will_be_full_is_known_before(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(70):
        write_mask(here / "labelled", f"{index:03}", np.full((8, 8, 3), index, np.uint8), np.ones((8, 8), np.uint8))
    write_classes(here / "labelled", ["background", "eye"])
    monkeypatch.setattr("handsoff.core.disk.free_bytes", lambda _: 100)
    assert cli.main(["convert", "labelled", "-o", "out"]) == 2
    said = capsys.readouterr().err
    assert "out needs about" in said
    assert "100 bytes free" in said
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert cli.main(["convert", "labelled", "-o", "out"]) == 0
