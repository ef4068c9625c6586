"""DatasetGAN (Zhang et al. 2021, arXiv 2104.06490): people label generated images, whose latents are known.

Nobody sits beside a run, so an oracle labels: networks trained on the recipe's `reserve`, real labels that no arm
sees. How many these are, and how well the oracle does on the test, belongs to the result. The control has the same
oracle label the real photos of the budget, which are then inverted as HandsOff does: what differs is the inversion.
"""

from collections.abc import Iterator
from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.methods.handsoff import evaluated, fitted
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step

SETTINGS: Tables = {  # the paper's form; it truncates the first layers only, psi here truncates all
    "sample": {"psi": 0.7},
    "generate": {"psi": 0.7, "strata": "none"},
    "fit": {"features": ["generator"], "balance": 0.0, "networks": 0},
    "invert": {"encoder_steps": 0, "prior": 0.0},
}


def steps(recipe: Recipe) -> Iterator[Step]:
    """The paper's settings wherever the recipe itself says nothing."""
    yield from annotated_steps(recipe.with_defaults(SETTINGS))


def annotated_steps(recipe: Recipe, arms: tuple[str, ...] | None = None) -> Iterator[Step]:
    """One generator and one oracle; per budget samples that the oracle labels, labelers, a dataset, and reports.

    Args:
        recipe: with the settings of the method.
        arms: of the evaluation, where the recipe names none; without them the default ones.
    """
    generator, oracles = recipe.generator or recipe.output / "generator", oracles_of(recipe)
    yield from made_once(recipe)
    for budget in recipe.budgets:
        folder = recipe.output / str(budget)
        samples, annotated = folder / "samples", folder / "annotated"
        yield Step("sample", samples, {"generator": generator}, recipe.settings("sample", n=budget))
        yield Step("label", annotated, {"voters": oracles, "photos": samples}, recipe.for_annotation())
        inputs = {"generator": generator, "examples": annotated, "samples": samples}
        labelers = yield from fitted(recipe, budget, inputs)
        yield from measured(recipe, budget, labelers, arms)


def control_steps(recipe: Recipe) -> Iterator[Step]:
    """The same, but the oracle labels the real photos of the budgets, which are inverted."""
    recipe = recipe.with_defaults(SETTINGS)
    generator, oracles = recipe.generator or recipe.output / "generator", oracles_of(recipe)
    yield from made_once(recipe)
    annotated, latents = recipe.output / "annotated", recipe.output / "latents"
    yield Step("label", annotated, {"voters": oracles, "photos": recipe.labelled}, recipe.for_annotation())
    invert = recipe.for_invert().model_copy(update={"labels": {}})
    yield Step("invert", latents, {"generator": generator, "labelled": annotated}, invert)
    for budget in recipe.budgets:
        labelers = yield from fitted(recipe, budget, {"generator": generator, "examples": latents})
        yield from measured(recipe, budget, labelers)


def oracles_of(recipe: Recipe) -> list[Path]:
    """The folders of the oracles, one per task.

    Raises:
        InputError: there are no labels for them.
    """
    if not recipe.reserve:
        raise InputError(
            f"The method {recipe.method} has an oracle label images, which learns from labels that nothing else sees: "
            "say how many with reserve = N."
        )
    return [recipe.output / ("oracle" if len(recipe.tasks) == 1 else f"oracle-{task}") for task in recipe.tasks]


def made_once(recipe: Recipe) -> Iterator[Step]:
    """The generator, and the oracles."""
    if recipe.images is not None:
        yield Step("train", recipe.output / "generator", {"images": recipe.images}, recipe.for_train())
    for task, oracle in zip(recipe.tasks, oracles_of(recipe), strict=True):
        yield Step("evaluate", oracle, evaluated(recipe, []), recipe.for_oracle(task))


def measured(recipe: Recipe, budget: int, labelers: list[Path], arms: tuple[str, ...] | None = None) -> Iterator[Step]:
    """A dataset of generated images, and what it is worth."""
    dataset = recipe.output / str(budget) / "dataset"
    yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
    for task in recipe.tasks:
        report = recipe.folder(budget, "report", task)
        settings = recipe.for_evaluate(budget, task)
        chosen = settings.model_dump()["arms"] or arms
        inputs = evaluated(recipe, [dataset], before=recipe.of_first_budget(budget, "report", task))
        yield Step("evaluate", report, inputs, settings.model_copy(update={"arms": chosen}))
