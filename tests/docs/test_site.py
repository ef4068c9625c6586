"""The site has every page, the reference every name, and nothing of it is fetched from elsewhere."""

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml

import handsoff
from pages import ROOT
from shell import check_command, commands

DOCS = ROOT / "docs"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
EXPERIMENTS = sorted(path for path in (DOCS / "experiments").glob("*.md") if path.name != "index.md")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pages_of(nav: list[Any]) -> Iterator[str]:
    """The files in a part of the navigation, in order."""
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [value] if isinstance(value, str) else pages_of(value)


def test_every_page_has_one_place_in_the_navigation() -> None:
    listed = sorted(pages_of(PROJECT["nav"]))
    there = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert listed == there, "give every page of docs/ one place in nav of zensical.toml"


def test_the_navigation_has_its_six_parts() -> None:
    parts = [name for entry in PROJECT["nav"] for name in entry]
    assert parts == ["Start", "Tutorial", "How-to", "Reference", "How it works", "Experiments"]


def test_no_font_is_fetched() -> None:
    assert PROJECT["theme"]["font"] is False


@pytest.mark.parametrize("page", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_is_a_question_in_the_index(page: Any) -> None:
    title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    assert f"| [{title}]({page.name}) |" in (DOCS / "experiments" / "index.md").read_text(encoding="utf-8")


def test_the_reference_shows_what_there_is() -> None:
    named = re.findall(r"^::: (\S+)", (DOCS / "reference" / "contracts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) >= 20
    for name in named:
        home, _, last = name.rpartition(".")
        module = import_module(home)
        assert hasattr(module, last) or import_module(name), name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_commands_that_exist(workflow: Any) -> None:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    for step in (step for job in jobs.values() for step in job["steps"] if "run" in step):
        for words in commands(re.sub(r"\${{.*?}}", "EXPRESSION", step["run"])):
            check_command(words)


def test_one_version_is_told_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert {citation["version"], newest[1], handsoff.__version__} == {PYPROJECT["version"]}
    assert citation["license"] == PYPROJECT["license"]
