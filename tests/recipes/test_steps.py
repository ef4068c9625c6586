"""Steps: a verb, its inputs and settings."""

from collections.abc import Callable
from pathlib import Path

from handsoff.core.files import write_json
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.folder import Plan
from handsoff.recipes.steps import Step
from handsoff.training.settings import TrainSettings


def test_a_steps_plan_is_what_its_verb_would_begin_a_folder_with(photos: Callable[..., Path], tmp_path: Path) -> None:
    step = Step("train", tmp_path, {"images": photos()}, TrainSettings(seed=5))
    plan = step.plan()
    assert isinstance(plan, Plan)
    assert (plan.verb, list(plan.inputs), plan.settings["seed"]) == ("train", ["images"], 5)
    assert step.paths() == [photos()]


def test_several_and_left_out_inputs_are_one_list(tmp_path: Path) -> None:
    inputs = {"real": Path("a"), "synthetic": [Path("b"), Path("c")], "test": Path("a"), "validation": None}
    assert Step("evaluate", tmp_path, inputs, ConvertSettings()).paths() == [Path(name) for name in "abca"]


def test_a_marker_says_that_a_step_is_finished(tmp_path: Path) -> None:
    step = Step("convert", tmp_path, {"dataset": tmp_path}, ConvertSettings())
    assert not step.finished()
    write_json(tmp_path / "DONE", {})
    assert step.finished()
