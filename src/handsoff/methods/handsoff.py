"""The default method. Its settings are the defaults of every verb: what measured best so far, see docs/experiments/."""

from collections.abc import Generator, Iterator
from pathlib import Path

from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.verbs import Inputs


def steps(recipe: Recipe, *, photos: bool = True) -> Iterator[Step]:
    """One generator and the latents of all labels; per budget labelers, datasets, and a report for every task.

    Args:
        recipe: the data and the settings.
        photos: whether the unlabelled ones become a dataset too. The image networks of the labelers label them or,
            where labelers have none, those of the real-only runs.
    """
    generator, latents = recipe.generator or recipe.output / "generator", recipe.output / "latents"
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train())
    yield Step("invert", latents, {"generator": generator, "labelled": recipe.labelled}, recipe.for_invert())
    for budget in recipe.budgets:
        labelers = [recipe.folder(budget, "labeler", task) for task in recipe.tasks]
        for task, labeler in zip(recipe.tasks, labelers, strict=True):
            yield Step("fit", labeler, {"generator": generator, "examples": latents}, recipe.for_fit(budget, task))
        dataset = recipe.output / str(budget) / "dataset"
        yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
        datasets, teachers = [dataset], list[Path]()
        if photos and recipe.unlabelled is not None:
            inverted = recipe.for_label().model_dump()["inversion"] != "none"
            if recipe.settings("fit").model_dump()["networks"] == 0 and not inverted:
                teachers = yield from real_only_runs(recipe, budget)
            datasets += yield from labelled_photos(recipe, budget, teachers or labelers, models=bool(teachers))
        for index, task in enumerate(recipe.tasks):
            inputs = evaluated(recipe, datasets, before=teachers[index] if teachers else None)
            yield Step("evaluate", recipe.folder(budget, "report", task), inputs, recipe.for_evaluate(budget, task))


def labelled_photos(
    recipe: Recipe, budget: int, voters: list[Path], *, models: bool = False
) -> Generator[Step, None, list[Path]]:
    """The unlabelled photos as a dataset, where there are any.

    In the first round the voters label them. In every further one those label that learnt from the real labels and the
    photos of the round before (self-training).

    Args:
        recipe: the data and the settings.
        budget: of the labels.
        voters: labelers, or reports with `models`: those look at the photos alone, so that nothing is inverted.
        models: which of both the voters are.
    """
    if recipe.unlabelled is None:
        return []
    folder = recipe.output / str(budget)
    for number in range(1, recipe.rounds + 1):
        before = f"round-{number}/" if number < recipe.rounds else ""
        photos = folder / f"{before}photos"
        inputs: Inputs = {"voters": voters, "photos": recipe.unlabelled, "apart": recipe.apart}
        settings = recipe.for_label()
        yield Step("label", photos, inputs, settings.model_copy(update={"inversion": "none"}) if models else settings)
        if before:
            models, voters = True, [recipe.folder(budget, f"{before}report", task) for task in recipe.tasks]
            for task, report in zip(recipe.tasks, voters, strict=True):
                yield Step("evaluate", report, evaluated(recipe, [photos]), recipe.for_round(budget, task))
    return [photos]


def real_only_runs(recipe: Recipe, budget: int) -> Generator[Step, None, list[Path]]:
    """The folders of evaluations of the labels alone, one per task: their networks label, and their runs stay."""
    folders = [recipe.folder(budget, "teacher", task) for task in recipe.tasks]
    for task, folder in zip(recipe.tasks, folders, strict=True):
        settings = recipe.for_real_only(budget, task, curve=None, curve_part=None)
        yield Step("evaluate", folder, evaluated(recipe, []), settings)
    return folders


def evaluated(recipe: Recipe, datasets: list[Path], before: Path | None = None) -> Inputs:
    """The inputs of an evaluation: whatever labels these datasets hold, the real ones and the test stay the same.

    Args:
        recipe: names them.
        datasets: to be measured.
        before: an evaluation whose runs are taken over.
    """
    test = recipe.test or recipe.labelled
    return {"real": recipe.labelled, "synthetic": datasets, "test": test, "before": before}
