"""The default method. Its settings are the defaults of every verb: what measured best so far, see docs/log.md."""

from collections.abc import Iterator
from pathlib import Path

from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step


def steps(recipe: Recipe) -> Iterator[Step]:
    """One generator and the latents of all labels; per budget labelers, datasets, and a report for every task."""
    generator, latents = recipe.generator or recipe.output / "generator", recipe.output / "latents"
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train())
    yield Step("invert", latents, {"generator": generator, "labelled": recipe.labelled}, recipe.for_invert())
    for budget in recipe.budgets:
        labelers = [recipe.folder(budget, "labeler", task) for task in recipe.tasks]
        for task, labeler in zip(recipe.tasks, labelers, strict=True):
            yield Step("fit", labeler, {"generator": generator, "examples": latents}, recipe.for_fit(budget, task))
        made = [*datasets(recipe, recipe.output / str(budget), labelers)]
        yield from made
        for task in recipe.tasks:
            folders = [step.folder for step in made]
            yield Step(
                "evaluate",
                recipe.folder(budget, "report", task),
                {"real": recipe.labelled, "synthetic": folders, "test": recipe.test or recipe.labelled},
                recipe.for_evaluate(budget, task),
            )


def datasets(recipe: Recipe, folder: Path, labelers: list[Path]) -> Iterator[Step]:
    """Generated images and, where there are unlabelled photos and networks that label them, those photos."""
    yield Step("generate", folder / "dataset", {"labelers": labelers}, recipe.for_generate())
    if recipe.photos_to_label is not None:
        yield Step(
            "label",
            folder / "photos",
            {"voters": labelers, "photos": recipe.photos_to_label, "apart": recipe.apart},
            recipe.for_label(),
        )
