"""The default method. Its settings are the defaults of every verb: what measured best so far, see docs/log.md."""

from collections.abc import Iterator

from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step


def steps(recipe: Recipe) -> Iterator[Step]:
    """One generator and the latents of all labels; per budget a dataset, and a labeler and a report for every task."""
    generator, latents = recipe.generator or recipe.output / "generator", recipe.output / "latents"
    test = recipe.test or recipe.labelled
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train())
    yield Step("invert", latents, {"generator": generator, "labelled": recipe.labelled}, recipe.for_invert())
    for budget in recipe.budgets:
        labelers = [recipe.folder(budget, "labeler", task) for task in recipe.tasks]
        dataset = recipe.output / str(budget) / "dataset"
        for task, labeler in zip(recipe.tasks, labelers, strict=True):
            yield Step("fit", labeler, {"generator": generator, "examples": latents}, recipe.for_fit(budget, task))
        yield Step("generate", dataset, {"labelers": labelers}, recipe.settings("generate"))
        for task in recipe.tasks:
            report, settings = recipe.folder(budget, "report", task), recipe.for_evaluate(budget, task)
            yield Step("evaluate", report, {"real": recipe.labelled, "synthetic": [dataset], "test": test}, settings)
