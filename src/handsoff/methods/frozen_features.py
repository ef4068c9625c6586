"""Pixel classifiers on frozen features of real photos, the stand-in for probing self-supervised features.

The features are those of EfficientNet-Lite0, pretrained on ImageNet. Nothing is generated: the classifiers are tested
as they are. The generator only says in which frame photos are seen, so one that has hardly been trained does.
"""

from collections.abc import Iterator

from handsoff.methods.handsoff import scored
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step

FRAME = {"kimg": 0.001, "minutes": None}  # a generator of the frame, after one step
PROBE = {"features": ("lite0",), "networks": 0}  # whatever else the recipe says of labelers


def steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget and task a labeler that was fitted to photos, and its score."""
    generator = recipe.generator or recipe.output / "frame"
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train().model_copy(update=FRAME))
    for budget in recipe.budgets:
        for task in recipe.tasks:
            labeler = recipe.folder(budget, "labeler", task)
            fit = recipe.for_fit(budget, task).model_copy(update={**PROBE, "labels": recipe.options})
            yield Step("fit", labeler, {"generator": generator, "examples": recipe.labelled}, fit)
            yield scored(recipe, budget, task, labeler)
