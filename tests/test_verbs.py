"""The registry of verbs: what it says is true of the modules it names, and the command line has every one of them."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from handsoff.cli.main import app
from handsoff.core.errors import InputError
from handsoff.jobs.folder import Plan, refuse_inside
from handsoff.verbs import VERBS, given

OTHERS = {"run", "demo", "inspect", "diagnose", "export", "push", "compare", "review", "correct"}  # no steps


@pytest.mark.parametrize("name", VERBS)
def test_plan_and_work_take_the_inputs_by_name(name: str) -> None:
    verb = VERBS[name]
    inputs = {given.name: given.optional for given in verb.inputs}
    plan, work = (inspect.signature(verb.load(function)).parameters for function in ("plan", verb.function))
    assert verb.name == name
    assert plan.keys() == inputs.keys() | {"settings"}
    assert work.keys() >= inputs.keys() | {"out", "settings"}
    others = work.keys() - inputs.keys() - {"out", "settings"}
    assert all(work[name].default is not inspect.Parameter.empty for name in others)
    assert all((plan[name].default is None) == optional for name, optional in inputs.items())
    assert inspect.signature(verb.load("plan")).return_annotation is Plan
    assert verb.extends == hasattr(sys.modules[verb.module], "finished")


def test_the_command_line_has_every_verb_and_no_other_step() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group has commands
    assert commands >= VERBS.keys()
    assert commands - VERBS.keys() <= OTHERS


def test_the_registry_loads_no_torch() -> None:
    code = "import sys, handsoff.verbs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "out"), [("photos", "photos/generator"), ("photos", "photos"), ("labelled", "labelled/images/latents")]
)
def test_an_output_among_the_images_of_an_input_is_refused(source: str, out: str, tmp_path: Path) -> None:
    """What is written there would be read as further images when the work goes on."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "labelled" / "images").mkdir(parents=True)
    inputs, settings = {"images": tmp_path / source}, VERBS["train"].settings()
    with pytest.raises(InputError, match=r"lies inside .*, which is read: choose another output folder with -o"):
        VERBS["train"].work(inputs, tmp_path / out, settings)


@pytest.mark.parametrize("out", ["labelled/latents", "made/report", "photos2"])
def test_an_output_beside_them_is_not(out: str, tmp_path: Path) -> None:
    for folder in ("photos", "labelled/images", "made"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "made" / "job.json").write_text("{}")
    for source in ("photos", "labelled", "made"):
        refuse_inside(tmp_path / out, tmp_path / source)


def test_optional_inputs_are_left_out() -> None:
    assert given({"a": None, "b": []}) == {"b": []}
