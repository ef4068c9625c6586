"""The default: whatever has won the measurements in docs/log.md so far, which is what the settings' defaults are."""

from collections.abc import Iterator
from functools import partial

from handsoff.evaluation.evaluate import evaluate
from handsoff.inversion.invert import invert
from handsoff.labeling.fit import fit
from handsoff.recipes.schema import Recipe, Step
from handsoff.synthesis.generate import generate
from handsoff.training.gan.train import train


def steps(recipe: Recipe) -> Iterator[Step]:
    """One generator and one set of codes; per budget a label generator and a report for every task, and one dataset."""
    out = recipe.output
    generator, codes = recipe.generator or out / "generator", out / "codes"
    if recipe.images is not None:
        yield Step(generator, partial(train, recipe.images, generator, recipe.for_train()))
    yield Step(codes, partial(invert, generator, recipe.labelled, codes, recipe.for_invert()))
    for budget in recipe.budgets:
        labelers, dataset = (
            [recipe.folder(budget, "labeler", task) for task in recipe.tasks],
            out / str(budget) / "dataset",
        )
        for labeler, task in zip(labelers, recipe.tasks, strict=True):
            yield Step(labeler, partial(fit, generator, codes, labeler, recipe.for_fit(budget, task)))
        yield Step(dataset, partial(generate, labelers, dataset, recipe.generate))
        for task in recipe.tasks:
            report, settings = recipe.folder(budget, "report", task), recipe.for_evaluate(budget, task)
            yield Step(
                report, partial(evaluate, recipe.labelled, dataset, recipe.test or recipe.labelled, report, settings)
            )
