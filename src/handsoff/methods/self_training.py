"""Self-training: networks label the photos, and others learn from those (Lee 2013; Xie et al. 2020, arXiv 1911.04252).

It needs no generator. The networks that label first are those of the real-only arm.
"""

from collections.abc import Iterator

from handsoff.core.errors import InputError
from handsoff.methods.handsoff import evaluated, labelled_photos, real_only_runs
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step

ARMS = ("real_only", "real_plus_photos")  # the students of the papers learn from labels and photos


def steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget teachers, the photos that they label (in rounds, as the recipe says), and a report for every task.

    Raises:
        InputError: the recipe names no photos.
    """
    if recipe.unlabelled is None:
        raise InputError("The method self-training learns from unlabelled photos: name them as images or photos.")
    for budget in recipe.budgets:
        teachers = yield from real_only_runs(recipe, budget)
        photos = yield from labelled_photos(recipe, budget, teachers, models=True)
        for task, teacher in zip(recipe.tasks, teachers, strict=True):
            settings = recipe.for_evaluate(budget, task)
            if settings.model_dump()["arms"] is None:
                settings = settings.model_copy(update={"arms": ARMS})
            inputs = evaluated(recipe, photos, before=teacher)
            yield Step("evaluate", recipe.folder(budget, "report", task), inputs, settings)
