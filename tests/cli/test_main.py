"""The command line: exit code 2 and one sentence for what the user can mend, 130 when stopped, a bug's traceback."""

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import handsoff
from handsoff.cli import main as cli
from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Progress, Work
from handsoff.training.settings import TrainSettings
from toy import toy_generator, write_classes, write_mask

VERBS = [
    "train",
    "import",
    "invert",
    "fit",
    "generate",
    "evaluate",
    "run",
    "demo",
    "convert",
    "inspect",
    "export",
    "push",
]


Replace = Callable[[Callable[..., Work]], None]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("train nowhere -o out", "nowhere does not exist"),
        ("train empty -o out", "empty holds no images"),
        ("train text -o out", "text is neither a folder nor a readable zip"),
        ("train empty", "Missing option '-o'"),
        ("train empty -o out --resolution 50", "cannot be reached by doubling"),
        ("train empty -o out --kimg -1", "train: kimg = -1.0 cannot be: input should be greater than 0"),
        ("train empty -o out --set kimg=lots", "train: kimg = lots cannot be"),
        ("train empty -o out --set color=red", "train has no setting 'color': choose one of augment"),
        ("train empty -o out --set kimg", "--set kimg lacks a value"),
        ("train empty -o out --seed one", "--seed"),
        ("invert nowhere labelled -o out", "nowhere holds no generator"),
        ("invert nowhere empty -o out", "empty has no images/ folder"),
        ("invert nowhere nothing -o out", "nothing does not exist"),
        ("invert nowhere labelled -o out --first 2", "at least 4"),
        ("invert nowhere labelled -o out --first 0", "first = 0 cannot be"),
        ("invert nowhere labelled -o out --set labels={eye=", "is not valid TOML"),
        ('invert nowhere labelled -o out --set labels={segmentation={merge={nose="eye"}}}', "the class 'nose'"),
        ("fit nowhere empty -o out", "empty has no images/ folder"),
        ("import text -o out --framing cut", "import: framing = cut cannot be"),
        ("evaluate --real labelled --synthetic labelled --test labelled -o out --arms {", "is not valid TOML"),
        (
            "evaluate --real labelled --synthetic labelled --test labelled -o out --curve 1,50",
            "evaluate: curve = 1,50 cannot be: 1 is too few labels to learn from: begin with 2 or more",
        ),
        ("generate nowhere -o out -n 3 --format coco", "No such option: --format"),
        ("generate nowhere -o out -n 3", "nowhere was not made by handsoff fit"),
        ("generate nowhere -o out -n 0", "n = 0 cannot be"),
        ("generate nowhere -o out", "Missing option '-n'"),
        ("generate nowhere -o out -n 3 --keep 2", "keep = 2.0 cannot be"),
        ("generate nowhere -o out -n 3 --aim hat=2", "hat = 2 is no share: write a number from 0 to 1"),
        ("generate nowhere -o out -n 3 --aim hat", "'hat' is no NAME=VALUE"),
        ("generate nowhere -o out -n 3 --aim hat=0.1 --aim hat=0.2", "hat is asked for twice"),
        (
            "evaluate --real labelled --synthetic labelled --test labelled -o out",
            "The masks of labelled hold only the class background",
        ),
        ("evaluate --real labelled --synthetic labelled -o out", "Missing option '--test'"),
        ("run nowhere.toml", "nowhere.toml does not exist"),
        ("run text", "not a readable TOML recipe"),
        ("run empty", "not a readable TOML recipe"),
        ("inspect nowhere", "nowhere does not exist"),
        ("convert nowhere -o out", "nowhere does not exist"),
        ("convert empty -o out", "empty is in no format that HandsOff knows"),
        ("convert empty -o out --format word", "Unknown format 'word': choose one of"),
        ("convert empty -o out --set source=word", "Unknown format 'word': choose one of"),
        ("convert labelled -o out --format voc", "Unknown format 'voc': did you mean cvat? choose one of coco,"),
        ("convert labelled -o out --format Panoptic", "did you mean coco-panoptic?"),
        ("convert labelled -o out --format label_studio", "did you mean labelstudio?"),
        ("train empty -o out --device gpu", "'gpu' is no device: choose one of cpu, cuda, cuda:N, mps"),
        ("train empty -o out --device cuda:99", "The device cuda:99 does not exist: this machine has"),
        ("--device cuda:99 inspect empty", "The device cuda:99 does not exist: this machine has"),
        ("trian empty -o out", "No such command 'trian'"),
        ("convert empty -o out --set frame=big", "frame = big cannot be: write height x width in pixels"),
        ("inspect empty", "empty is no folder of HandsOff"),
        ("inspect text", "text is neither"),
        ("export labelled -o model.onnx", "labelled holds no model: give the report of handsoff evaluate"),
        ("export labelled", "Missing option '-o'"),
        (
            "evaluate --real labelled --synthetic labelled --test labelled -o out --arms ,",
            "arms = , cannot be: it names no arm",
        ),
        ("paint labelled", "No such command 'paint'"),
        ("diagnose labelled", "labelled was not made by handsoff run: give the folder that handsoff run wrote"),
        ("diagnose empty", "empty was not made by handsoff run: give the folder that handsoff run wrote"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    command: str, sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty").mkdir()
    (here / "text").write_text("= not what it should be")
    for index in range(5):
        write_mask(here / "labelled", str(index), np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8))
    write_classes(here / "labelled", ["background", "eye"])
    assert cli.main(command.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith("handsoff: ")
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not (here / "out").exists()


def test_a_process_of_its_own_says_the_same(here: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "handsoff", "train", "nowhere", "-o", "out"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "handsoff: nowhere does not exist: give a folder or a zip of images.\n"
    assert not (here / "out").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert f"handsoff {verb}" in capsys.readouterr().out


def test_help_lists_every_verb_and_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in VERBS)
    cli.main(["train", "--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in TrainSettings.model_fields)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"handsoff {handsoff.__version__}\n"


@pytest.mark.parametrize("arguments", [["--json", "--version"], ["--version", "--json"]])
def test_the_version_is_told_as_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"version": handsoff.__version__}


def test_shells_complete_verbs_and_options() -> None:
    """What a shell asks when somebody presses Tab; `handsoff --install-completion` sets it up."""
    for words, expected in {"handsoff ev": "evaluate", "handsoff run --dry": "--dry-run"}.items():
        asked = {"_HANDSOFF_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [sys.executable, "-m", "handsoff"]
        result = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
        assert result.stdout.split() == [expected]


def test_completion_for_a_shell_can_be_printed() -> None:
    told = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", "handsoff", "--show-completion", "bash"]
    result = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "_HANDSOFF_COMPLETE=complete_bash" in result.stdout


def test_help_loads_no_torch() -> None:
    code = "import sys, handsoff.cli.main as cli; cli.main(['train', '--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_progress_and_facts_are_shown(
    replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    assert cli.main(["train", "photos", "-o", "out", "--seed", "5"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [["one", "100", "%", "note", "2"], ["two", "100", "%", "note", "2"]]
    assert ["seed", "5"] in lines
    assert ["deep", "er", "1,234.5"] in lines


def test_what_is_done_is_said_to_be_done(
    replace_train: Replace, three_stages: Callable[..., Work], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(three_stages)
    cli.main(["train", "photos", "-o", "out"])
    capsys.readouterr()
    assert cli.main(["train", "photos", "-o", "out"]) == 0
    assert (
        capsys.readouterr().out
        == "out is finished already: nothing to do. For another result choose another output folder with -o.\n"
    )


def failing(error: BaseException) -> Callable[..., Work]:
    def work(**_inputs: object) -> Work:
        yield Progress("working", 1, 3)
        raise error

    return work


def test_an_interrupt_says_how_to_go_on(replace_train: Replace, capsys: pytest.CaptureFixture[str]) -> None:
    replace_train(failing(KeyboardInterrupt()))
    assert cli.main(["train", "photos", "-o", "out"]) == 130
    assert capsys.readouterr().err == "stopped; run the same command again to continue\n"


def test_a_full_disk_is_a_sentence(replace_train: Replace, capsys: pytest.CaptureFixture[str]) -> None:
    replace_train(failing(OSError(errno.ENOSPC, "No space left on device", "out/log.jsonl")))
    assert cli.main(["train", "photos", "-o", "out"]) == 2
    assert capsys.readouterr().err.startswith("handsoff: The disk is full: could not write out/log.jsonl.")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP])
def test_what_is_wrong_with_a_path_is_a_sentence(
    replace_train: Replace, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    replace_train(failing(OSError(code, os.strerror(code), "photos/a.png")))
    assert cli.main(["train", "photos", "-o", "out"]) == 2
    assert re.fullmatch(r"handsoff: photos/a\.png (may|lies|leads|is) .*: .*\.\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("inspect " + "x" * 300, "xxx… has a longer name than a file or folder may have: shorten it"),
        (
            "train pictures -o loop/out",
            r"loop/out (leads through a link that goes in a circle|\(Too many levels)",  # as Python ≤ 3.12, and later
        ),
        ("train pictures -o file/out", r"Could not write file/out \(Not a directory\)"),
        ("inspect pictures -o .", r"handsoff: \. is a folder, and a file is needed"),
    ],
)
def test_paths_that_cannot_be_are_sentences(
    here: Path, capsys: pytest.CaptureFixture[str], photos: Callable[..., Path], command: str, sentence: str
) -> None:
    with zipfile.ZipFile(photos()) as archive:
        archive.extractall(here / "pictures")
    (here / "loop").symlink_to("loop")
    (here / "file").touch()
    assert cli.main(command.split()) == 2
    said = capsys.readouterr().err
    assert re.search(sentence, said)
    assert said.count("\n") == 1


def wrapped(message: str, cause: OSError) -> RuntimeError:
    """An error that was raised while another one was handled."""
    error = RuntimeError(message)
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ENOENT, "No such file or directory", "report.json"),
        PermissionError(errno.EACCES, "Permission denied"),
        RuntimeError("a bug"),
        wrapped("a bug", PermissionError(errno.EACCES, "Permission denied", "photos")),
    ],
)
def test_a_bug_shows_itself(replace_train: Replace, error: Exception) -> None:
    replace_train(failing(error))
    with pytest.raises(type(error)):
        cli.main(["train", "photos", "-o", "out"])


def test_several_processes_are_for_training_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(["generate", "nowhere", "-o", "out", "-n", "3"]) == 2
    assert "without torchrun" in capsys.readouterr().err


def test_inspect_tells_what_it_sees(
    here: Path, capsys: pytest.CaptureFixture[str], photos: Callable[..., Path]
) -> None:
    write_mask(
        here / "labelled", "a", np.zeros((4, 8, 3), np.uint8), np.array([[0] * 8] * 3 + [[1] * 4 + [255] * 4], np.uint8)
    )
    write_classes(here / "labelled", ["background", "eye"])
    (here / "labelled" / "depth").mkdir()
    np.savez(here / "labelled" / "depth" / "a.npz", depth=np.array([[0.25] * 8, [0] * 8, [3] * 8, [40] * 8]))
    with open_job(here / "begun", Plan("fit", {"examples": {"path": "latents", "fingerprint": ""}}, {})) as job:
        for what in ("labelled", str(photos()), "begun"):
            assert cli.main(["inspect", what]) == 0
        job.finish(held_out=0.25)
    assert cli.main(["inspect", "begun"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "labelled: a labelled dataset",
        "depth 0.25 to 40",
        "4 x 8 pixels",
        "eye in 1 of 1, 12.5 %",
        "ignored in 1 of 1",
        "unlabelled images images 12",
        "made by handsoff fit, not finished",
    ):
        assert text in shown
    assert cli.main(["inspect", "begun", "-o", "sheet.png"]) == 2
    assert "made by handsoff fit, finished examples latents" in shown
    assert "held out 0.25" in shown


def test_inspect_tells_a_generator(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_generator(here / "gan")
    assert cli.main(["inspect", "gan"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "gan: a generator of handsoff train or handsoff import architecture stylegan2 image size 16x16" in shown
    assert cli.main(["inspect", "gan", "-o", "sheet.png"]) == 2


def test_inspect_tells_what_is_wrong_and_draws_a_sheet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcd":
        write_mask(
            here / "labelled",
            name,
            np.full((4, 8, 3), name == "d", np.uint8),
            np.full((4, 8), 255 if name == "c" else 0, np.uint8),
        )
    write_classes(here / "labelled", ["background", "eye"])
    (here / "labelled" / "images" / "b.png").write_bytes(b"no image")
    assert cli.main(["inspect", "labelled", "-o", "sheet.png"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!")]
    assert "b.png is not a readable image" in told[0]
    assert told[1:] == [
        "! c: its label for segmentation says nothing about any place",
        "! a, c are the same image",
        "! eye occurs in no sample",
    ]
    with Image.open(here / "sheet.png") as sheet:
        assert sheet.width > 256


def test_convert_writes_what_inspect_reads(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train/a", "val/b"):
        write_mask(here / "labelled", name, np.full((9, 12, 3), len(name), np.uint8), np.eye(9, 12, dtype=np.uint8) * 2)
    write_classes(here / "labelled", ["background", "eye", "ear"])
    words = [
        "convert",
        "labelled",
        "-o",
        "out",
        "--set",
        "split=val",
        "--set",
        "frame=6x6",
        "--set",
        "classes={'background,eye' = 'rest', 'ear' = 'ear'}",
    ]
    assert cli.main(words) == 0
    assert sorted(file.relative_to(here / "out").as_posix() for file in (here / "out").rglob("b.*")) == [
        "images/b.png",
        "masks/b.png",
    ]
    assert cli.main(words) == 0
    assert "finished already" in capsys.readouterr().out
    assert cli.main(["inspect", "out"]) == 0
    assert "6 x 6 pixels" in capsys.readouterr().out
    assert cli.main([*words[:-2], "--set", "frame=7x7"]) == 2
    assert "was begun with" in capsys.readouterr().err
    assert cli.main(["convert", "labelled", "-o", "other", "--set", "split=test"]) == 2
    assert "has no split 'test': choose one of train, val" in capsys.readouterr().err
    assert cli.main(["convert", "labelled", "-o", "other", "--set", "tasks=['depth']"]) == 2
    assert not (here / "other").exists()
