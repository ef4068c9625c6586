"""What the evaluations at the end will read, read once before the long steps begin."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsoff.evaluation.data import load_data
from handsoff.evaluation.inputs import open_inputs
from handsoff.jobs.progress import Part
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step


def rehearse(recipe: Recipe, ahead: Sequence[Step]) -> Part:
    """Read labels, validation and test as every evaluation will, with the largest budget.

    Args:
        recipe: as it was read.
        ahead: steps that are still to be done; data that is to be converted lies there already.

    Raises:
        InputError: a label or image is not whole, nothing can be learnt, or validation or test has nothing left once
            what was seen before is taken out.
    """
    made = {step.folder for step in ahead}
    read: dict[str, tuple[Path, Path]] = {}
    for step in (step for step in ahead if step.verb == "evaluate"):
        settings: Any = step.settings
        real, test = step.inputs["real"], step.inputs["test"]
        if isinstance(real, Path) and isinstance(test, Path) and made.isdisjoint((real, test)):
            read.setdefault(settings.task, (real, test))
    for task, (real, test) in read.items():
        ready = recipe.model_copy(update={"test": None if test == real else test})
        alone: Any = ready.for_real_only(ready.largest, task)
        yield from load_data(open_inputs(real, [], test, alone, None), alone.group)
