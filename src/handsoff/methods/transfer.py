"""Transfer learning as papers compare with, and its strongest form: all of it without unlabelled photos.

Papers train new last layers on a pretrained backbone that stays as it is. The report's arm, real only, trains the
backbone too, with strong augmentation, for as long as that helps.
"""

from collections.abc import Iterator

from handsoff.methods.handsoff import evaluated
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step

FROZEN = "lite0-frozen"  # the network whose backbone stays as it is


def steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget and task the frozen form, and the report of the other."""
    for budget in recipe.budgets:
        for task in recipe.tasks:
            frozen = recipe.for_real_only(budget, task, model=FROZEN, curve=None, curve_part=None)
            yield Step("evaluate", recipe.folder(budget, "frozen", task), evaluated(recipe, []), frozen)
            report = recipe.folder(budget, "report", task)
            inputs = evaluated(recipe, [], before=recipe.of_first_budget(budget, "report", task))
            yield Step("evaluate", report, inputs, recipe.for_real_only(budget, task))
