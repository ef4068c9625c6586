"""The registry of verbs: what it says is true of the modules it names, and the command line has every one of them."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from handsoff.cli.main import app
from handsoff.core.errors import InputError
from handsoff.formats.reading import refuse_inside
from handsoff.jobs.folder import Plan
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


def dataset(folder: Path, *kinds: str) -> None:
    """An image, and a file of the same name for every kind of label."""
    for kind in ("images", *kinds):
        (folder / kind).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3 if kind == "images" else 1), np.uint8).squeeze()).save(
            folder / kind / "a.png"
        )


@pytest.mark.parametrize(
    ("verb", "name", "source", "out"),
    [
        ("train", "images", "photos", "photos/generator"),
        ("train", "images", "photos", "photos"),
        ("train", "images", "labelled", "labelled/images/generator"),
        ("label", "photos", "photos", "photos/labelled"),
        ("label", "apart", "photos", "photos/labelled"),
        ("invert", "labelled", "labelled", "labelled/images/latents"),
        ("convert", "dataset", "labelled", "labelled/converted"),
    ],
)
def test_an_output_among_what_is_read_of_an_input_is_refused(
    verb: str, name: str, source: str, out: str, tmp_path: Path
) -> None:
    """What is written there would be read as more of it when the work goes on: images beside images/, for example."""
    dataset(tmp_path / "photos")
    dataset(tmp_path / "labelled", "masks")
    settings = VERBS[verb].settings.model_construct()
    with pytest.raises(InputError, match=r"lies inside .*, which is read: choose another output folder with -o"):
        VERBS[verb].work({name: tmp_path / source}, tmp_path / out, settings)


@pytest.mark.parametrize("out", ["labelled/latents", "made/report", "photos2"])
@pytest.mark.parametrize("source", ["photos", "labelled", "made"])
def test_an_output_beside_it_is_not(source: str, out: str, tmp_path: Path) -> None:
    dataset(tmp_path / "photos")
    dataset(tmp_path / "labelled", "masks")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "job.json").write_text("{}")
    refuse_inside(tmp_path / out, tmp_path / source, "labels")
    if source != "made":
        refuse_inside(tmp_path / out, tmp_path / source, "photos")


def test_optional_inputs_are_left_out() -> None:
    assert given({"a": None, "b": []}) == {"b": []}
