"""Methods: which steps they make of a recipe, and where those lie."""

from pathlib import Path
from typing import Any

import pytest

from handsoff.methods import METHODS, handsoff, paper
from handsoff.recipes.schema import Recipe
from handsoff.verbs import VERBS


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"images": Path("photos.zip"), "labelled": Path("labelled"), "output": Path("out"), **values})


def test_methods_lay_out_one_folder_per_step() -> None:
    several = recipe(budgets=[8, 4])
    layout = ["generator", "latents", "8/labeler", "8/dataset", "8/report", "4/labeler", "4/dataset", "4/report"]
    assert [step.folder for step in handsoff.steps(several)] == [Path("out") / name for name in layout]
    assert [step.folder for step in paper.steps(several)] == [Path("out") / name for name in layout]
    made = recipe(images=None, generator=Path("gan"))
    assert [step.folder.name for step in handsoff.steps(made)] == ["latents", "labeler", "dataset", "report"]


def test_several_tasks_share_latents_and_dataset() -> None:
    steps = list(handsoff.steps(recipe(tasks=["segmentation", "depth"])))
    names = [step.folder.relative_to("out").as_posix() for step in steps]
    assert names[2:4] == ["50/labeler-segmentation", "50/labeler-depth"]
    assert names[4:] == ["50/dataset", "50/report-segmentation", "50/report-depth"]
    assert steps[4].inputs["labelers"] == [step.folder for step in steps[2:4]]


@pytest.mark.parametrize("method", METHODS)
def test_every_step_gives_its_verb_what_it_takes(method: str) -> None:
    for step in METHODS[method](recipe()):
        verb = VERBS[step.verb]
        taken = {taken.name: taken for taken in verb.inputs}
        assert isinstance(step.settings, verb.settings)
        assert step.inputs.keys() <= taken.keys()
        assert all(name in step.inputs or taken[name].optional for name in taken)
        assert all(isinstance(value, list) == taken[name].several for name, value in step.inputs.items())


def test_the_papers_form_differs_only_in_settings() -> None:
    ours, theirs = list(handsoff.steps(recipe())), list(paper.steps(recipe()))
    assert [(step.verb, step.folder, step.inputs) for step in ours] == [
        (step.verb, step.folder, step.inputs) for step in theirs
    ]
    changed = {a.verb for a, b in zip(ours, theirs, strict=True) if a.settings != b.settings}
    assert changed == set(paper.SETTINGS)
