"""The next command: chosen by the result, and one that the command line takes."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from handsoff.cli.main import app
from handsoff.core.files import write_json
from handsoff.report.next_step import next_step, written
from handsoff.report.parts import part_rows
from measured import GOOD, metrics

BAD = metrics((0.50, 0.51, 0.52), (0.30, 0.31, 0.32), (0.40, 0.41, 0.42))
EVEN = metrics((0.50, 0.51, 0.52), (0.30, 0.31, 0.32), (0.50, 0.515, 0.525))
ONCE = metrics((0.5,), (0.3,), (0.6,))
ARMS = {"real_only": {"real": 1.0}, "half": {"real": [0.5, 1.0], "synthetic": [0.5, 0.0]}}


def planned(root: Path, **settings: object) -> tuple[Path, Path]:
    """A report and a dataset; the report's folder says how it was made."""
    paths = {name: {"path": str(root / f"{name} data"), "fingerprint": ""} for name in ("real", "synthetic", "test")}
    write_json(root / "report" / "job.json", {"verb": "evaluate", "inputs": paths, "settings": settings})
    return root / "report", root / "50" / "dataset"


def command(report: Path, dataset: Path, found: dict[str, Any]) -> list[str]:
    step = next_step(found, report, {"synthetic": dataset}, part_rows(found, {}, 0))
    assert step is not None
    assert step.why
    return shlex.split(step.command)


def accepted(words: list[str]) -> None:
    """The command line parses it."""
    name, verb, *arguments = words
    assert name == "handsoff"
    group: Any = get_command(app)
    group.commands[verb].make_context(verb, arguments)


@pytest.mark.parametrize(
    ("found", "verb", "part"),
    [(GOOD, "convert", "coco"), (BAD, "inspect", "samples"), (EVEN, "evaluate", "5"), (ONCE, "evaluate", "3")],
)
def test_the_result_chooses_the_command(tmp_path: Path, found: dict[str, Any], verb: str, part: str) -> None:
    words = command(*planned(tmp_path, first=50, steps=700, seeds=1, note=None, arms=ARMS, curve=[16, "all"]), found)
    accepted(words)
    assert verb != "evaluate" or 'curve=[16, "all"]' in words
    assert words[1] == verb
    assert part in " ".join(words)


def test_in_a_run_it_is_diagnosed(tmp_path: Path) -> None:
    report, dataset = planned(tmp_path)
    write_json(tmp_path / "job.json", {"verb": "run", "inputs": {}, "settings": {}})
    assert command(report, dataset, BAD)[1] == "inspect", "a diagnosis is about generated images, and there are none"
    dataset.mkdir(parents=True)
    words = command(report, dataset, BAD)
    accepted(words)
    assert words == ["handsoff", "diagnose", str(tmp_path)]


def test_the_same_evaluation_is_repeated_with_its_settings(tmp_path: Path) -> None:
    words = command(*planned(tmp_path, first=50, lr=0.003, note="So.", group="it's (.*)_", seeds=1), ONCE)
    assert words[2:] == [
        "--real", str(tmp_path / "real data"), "--synthetic", str(tmp_path / "synthetic data"),
        "--test", str(tmp_path / "test data"), "--first", "50", "--set", "lr=0.003", "--set", "group=it's (.*)_",
        "--seeds", "3", "-o", str(tmp_path / "report-3-runs"),
    ]  # fmt: skip


def test_parts_that_a_recipe_states_are_repeated_with_what_they_are_about_alone(tmp_path: Path) -> None:
    """Evaluate refuses them where they would do nothing."""
    parts = {"labels_part": ":150", "curve_part": ":150", "group": None, "curve": None}
    alone = command(*planned(tmp_path, seeds=1, **parts), ONCE)
    assert not any(word.startswith(("labels_part", "curve_part")) for word in alone)
    both = command(*planned(tmp_path, seeds=1, **parts | {"group": "(.*)_", "curve": [16]}), ONCE)
    assert {"labels_part=:150", "curve_part=:150"} <= set(both)


def test_other_tasks_become_formats_that_can_hold_them(tmp_path: Path) -> None:
    found = metrics((0.50, 0.51, 0.52), (0.30, 0.31, 0.32), (0.40, 0.41, 0.42), "nmse") | {"task": "depth"}
    assert "huggingface" in command(*planned(tmp_path), found)


def test_where_nothing_is_known_nothing_is_advised(tmp_path: Path) -> None:
    assert next_step(GOOD, tmp_path, {"synthetic": tmp_path}, []) is None
    report, dataset = planned(tmp_path)
    assert next_step({"arms": {}}, report, {"synthetic": dataset}, []) is None
    (report / "job.json").write_text("[]")
    assert next_step(GOOD, report, {"synthetic": dataset}, []) is None


def test_tables_are_written_as_toml() -> None:
    from handsoff.cli.options import parsed  # noqa: PLC0415  # what reads them

    assert parsed(written(ARMS)) == ARMS
