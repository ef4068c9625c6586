"""The default: whatever has won the measurements in docs/log.md so far, which is what the settings' defaults are."""

from collections.abc import Iterator
from functools import partial

from handsoff.inversion.invert import invert
from handsoff.labeling.fit import fit
from handsoff.methods.plan import Recipe, Step
from handsoff.report.evaluate import evaluate
from handsoff.synthesis.generate import generate
from handsoff.training.train import train


def steps(recipe: Recipe) -> Iterator[Step]:
    """One generator and one set of codes; a label generator, a dataset and a report per budget."""
    out = recipe.output
    generator, codes = recipe.generator or out / "generator", out / "codes"
    if recipe.images is not None:
        yield Step(generator, partial(train, recipe.images, generator, recipe.train))
    yield Step(codes, partial(invert, generator, recipe.labelled, codes, recipe.for_invert()))
    for budget in recipe.budgets:
        labeler, dataset, report = (out / str(budget) / name for name in ("labeler", "dataset", "report"))
        yield Step(labeler, partial(fit, generator, codes, labeler, recipe.for_fit(budget)))
        yield Step(dataset, partial(generate, [labeler], dataset, recipe.generate))
        yield Step(report, partial(evaluate, recipe.labelled, dataset, recipe.test or recipe.labelled, report, recipe.for_evaluate(budget)))
