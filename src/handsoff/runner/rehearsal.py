"""What evaluations and edits will read, read once before the long steps begin."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsoff.editing.edit import all_donors
from handsoff.evaluation.curve import load_curve
from handsoff.evaluation.data import load_data
from handsoff.evaluation.inputs import open_inputs
from handsoff.inversion.chunk import chosen_samples
from handsoff.jobs.progress import Part
from handsoff.learning.supervised import require_usable
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.tasks.segmentation import Segmentation


def rehearse(recipe: Recipe, ahead: Sequence[Step]) -> Part:
    """Read labels, validation and test as every evaluation will, with the largest budget; for a curve the smallest too.

    And the masks as every edit will.

    Args:
        recipe: as it was read.
        ahead: steps that are still to be done; data that is to be converted lies there already.

    Raises:
        InputError: a label or image is not whole, nothing can be learnt, validation or test has nothing left once what
            was seen before is taken out, or the learning curve has too few labels once those are taken out that show
            what validation or test shows; or edits are to add a class that no mask shows, or find no rare one.
        HandsOffError: a model cannot be built here, or not for these labels and this frame.
    """
    made = {step.folder for step in ahead}
    read: dict[str, tuple[Path, Path]] = {}
    models: dict[str, set[str]] = defaultdict(set)
    for step in (step for step in ahead if step.verb == "evaluate"):
        settings: Any = step.settings
        real, test = step.inputs["real"], step.inputs["test"]
        if isinstance(real, Path) and isinstance(test, Path) and made.isdisjoint((real, test)):
            read.setdefault(settings.task, (real, test))
            models[settings.task].add(settings.model)
    for task, (real, test) in read.items():
        ready = recipe.model_copy(update={"test": None if test == real else test})
        for budget in sorted({ready.largest, min(ready.budgets)}, reverse=True):
            alone: Any = ready.for_real_only(budget, task)
            if budget == ready.largest or alone.curve is not None:
                inputs = open_inputs(real, [], test, alone, None)
                for model in models.pop(task, ()):
                    require_usable(inputs.task, inputs.frame, model)
                yield from load_curve(inputs, (yield from load_data(inputs, alone.group)), alone)
    masks = Segmentation.name
    inverted: Any = recipe.for_invert()
    for step in (step for step in ahead if step.verb == "edit" and masks in read):
        settings = step.settings
        photos = chosen_samples(read[masks][0], inverted).part(0, settings.first)
        all_donors(settings, photos.tasks[masks].parts, photos.load(recipe.frame, recipe.framing)[1][masks])
