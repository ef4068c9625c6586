"""The default method. Its settings are the defaults of every verb: what measured best so far, see docs/experiments/."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.labeling.settings import FitSettings
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.verbs import Inputs

UNUSED: int = FitSettings.model_fields["network_steps"].default  # where networks are taken over


def steps(recipe: Recipe, *, photos: bool = True) -> Iterator[Step]:
    """One generator and the latents of all labels; per budget labelers, datasets, and a report for every task.

    The real-only runs come first: their networks are the image networks of the labelers.

    Args:
        recipe: the data and the settings.
        photos: whether the unlabelled ones become a dataset too, labelled by these networks.
    """
    generator, latents = recipe.generator or recipe.output / "generator", recipe.output / "latents"
    labelling = photos and recipe.unlabelled is not None
    inverted = recipe.for_label().model_dump()["inversion"] != "none"
    taught: dict[int, list[Path]] = {}
    if has_networks(recipe) or (labelling and not inverted):
        for budget in recipe.budgets:
            taught[budget] = yield from real_only_runs(recipe, budget)
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train())
    yield Step("invert", latents, {"generator": generator, "labelled": recipe.labelled}, recipe.for_invert())
    for budget in recipe.budgets:
        teachers = taught.get(budget, [])
        labelers = yield from fitted(recipe, budget, {"generator": generator, "examples": latents}, teachers)
        dataset = recipe.output / str(budget) / "dataset"
        yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
        datasets = [dataset]
        if labelling:
            voters = labelers if inverted else teachers
            datasets += yield from labelled_photos(recipe, budget, voters, models=not inverted)
        yield from reports(recipe, budget, datasets, teachers)


def has_networks(recipe: Recipe) -> bool:
    """Whether image networks label beside the pixel classifiers."""
    count: int = recipe.settings("fit").model_dump()["networks"]
    return count > 0


def fitted(
    recipe: Recipe,
    budget: int,
    inputs: dict[str, Path],
    teachers: Sequence[Path] = (),
    owned: Mapping[str, Any] | None = None,
) -> Generator[Step, None, list[Path]]:
    """The folders of labelers, one per task.

    Args:
        recipe: the data and the settings.
        budget: of the labels.
        inputs: of all of them.
        teachers: the real-only runs of every task, whose networks become image networks where there are to be such.
        owned: settings that the method fixes.
    """
    labelers = [recipe.folder(budget, "labeler", task) for task in recipe.tasks]
    for index, (task, labeler) in enumerate(zip(recipe.tasks, labelers, strict=True)):
        settings, given = recipe.for_fit(budget, task).model_copy(update=dict(owned or {})), dict(inputs)
        if teachers and has_networks(recipe):
            given["teacher"] = teachers[index]
            settings = settings.model_copy(update={"network_steps": UNUSED})
        yield Step("fit", labeler, given, settings)
    return labelers


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
        inputs = evaluated(recipe, [], before=recipe.of_first_budget(budget, "teacher", task))
        yield Step("evaluate", folder, inputs, recipe.for_real_only(budget, task))
    return folders


def reports(recipe: Recipe, budget: int, datasets: list[Path], teachers: Sequence[Path] = ()) -> Iterator[Step]:
    """What the datasets are worth, task by task; runs of teachers are taken over."""
    for index, task in enumerate(recipe.tasks):
        before = teachers[index] if teachers else recipe.of_first_budget(budget, "report", task)
        inputs = evaluated(recipe, datasets, before)
        yield Step("evaluate", recipe.folder(budget, "report", task), inputs, recipe.for_evaluate(budget, task))


def scored(recipe: Recipe, budget: int, task: str, labeler: Path) -> Step:
    """A labeler's own score on the test photos, none of them of a group whose labels anybody learnt from."""
    settings: Any = recipe.for_score()
    labelled = None if settings.group is None else recipe.labelled
    inputs: Inputs = {"voters": [labeler], "test": recipe.test or recipe.labelled, "labelled": labelled}
    return Step("score", recipe.folder(budget, "report", task), inputs, settings)


def evaluated(recipe: Recipe, datasets: list[Path], before: Path | None = None) -> Inputs:
    """The inputs of an evaluation: whatever labels these datasets hold, the real ones and the test stay the same.

    Args:
        recipe: names them.
        datasets: to be measured.
        before: an evaluation whose runs are taken over.
    """
    test = recipe.test or recipe.labelled
    return {"real": recipe.labelled, "synthetic": datasets, "test": test, "before": before}
