"""The registry of verbs: what it says is true of the modules it names, and the command line has every one of them."""

import inspect
import subprocess
import sys

import pytest
import typer

from handsoff.cli.main import app
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


def test_optional_inputs_are_left_out() -> None:
    assert given({"a": None, "b": []}) == {"b": []}
