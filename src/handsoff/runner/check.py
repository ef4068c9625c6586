"""What is looked at before any work: the data of a recipe, and whether it is enough."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import decode_image
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.sources import Source, open_source
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import chosen
from handsoff.formats.exchange import FOLDER, format_of, open_dataset
from handsoff.formats.photos import photos_in, spread
from handsoff.formats.reading import refuse_inside
from handsoff.formats.samples import Dataset
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.stored import read_card
from handsoff.inversion.chunk import MIN_LABELLED
from handsoff.inversion.invert import encoder_input
from handsoff.recipes.schema import Recipe, Role
from handsoff.recipes.steps import Step
from handsoff.runner.names import check_settings
from handsoff.tasks import make_task, task_type
from handsoff.tasks.base import Task

LOOKED_AT = 20  # photos, at the most, until one can be used


def prepared(recipe: Recipe) -> tuple[list[Step], Recipe]:
    """The steps that convert labelled data where that is needed, and the recipe that goes on from their folders.

    Data stays where it is if it is in the folder format, no split of it is asked for and [convert] says nothing.
    """
    steps: list[Step] = []
    found: dict[str, Path] = {}
    for role, path in labelled_data(recipe).items():
        if not recipe.tables.get("convert") and role not in recipe.split and format_of(open_source(path)) == FOLDER:
            found[role] = path
        else:
            found[role] = recipe.output / role
            steps.append(Step("convert", found[role], {"dataset": path}, recipe.for_convert(role)))
    return steps, recipe.model_copy(update=found)


def labelled_data(recipe: Recipe) -> dict[Role, Path]:
    """The labelled dataset and, where it is another or another split of it, the test."""
    test = recipe.test or (recipe.labelled if "test" in recipe.split else None)
    return {"labelled": recipe.labelled, **({} if test is None else {"test": test})}


def check(recipe: Recipe, ready: Recipe, converted: set[Path], steps: Sequence[Step]) -> None:
    """Refuse now what a step would refuse hours later.

    Args:
        recipe: as it was read.
        ready: the recipe that goes on from the converted datasets.
        converted: their folders, which need not exist yet.
        steps: what is to be done with them.

    Raises:
        HandsOffError: a step would refuse its inputs or settings.
    """
    for photos in filter(None, (recipe.images, recipe.photos)):
        refuse_inside(recipe.output, photos, "photos")
        check_photos(photos_in(open_source(photos)), recipe)
    for role, path in labelled_data(recipe).items():
        refuse_inside(recipe.output, path, "all" if getattr(ready, role) in converted else "labels")
    if recipe.diffusion is not None and (kind := read_card(recipe.diffusion).architecture) != Diffusion.architecture:
        raise InputError(f"{recipe.diffusion} is a {kind}: give what handsoff train --kind diffusion made.")
    if ready.labelled in converted:
        dataset = to_convert(recipe, "labelled")
        names, tasks = dataset.names, as_wanted(recipe, dataset)
    else:
        labelled = open_labelled(ready.labelled, recipe.options, recipe.tasks)
        names, tasks = labelled.names, labelled.tasks
    if ready.test in converted:
        check_likeness(tasks, to_convert(recipe, "test").tasks, ready.test)
    elif ready.test is not None:
        open_like(ready.test, {name: tasks[name].schema for name in recipe.tasks if name in tasks})
    if min(recipe.budgets) < MIN_LABELLED:
        raise InputError(f"A budget of {min(recipe.budgets)} labels is too small: use at least {MIN_LABELLED}.")
    needed = recipe.apart_from_test + (ready.test is None)
    if len(names) < needed:
        reserve = f", {recipe.reserve} in reserve" if recipe.reserve else ""
        rest = " and at least one for the test" if ready.test is None else ""
        wanted = f"{recipe.largest} labels, {recipe.validation} for validation{reserve}{rest}"
        raise InputError(
            f"{recipe.labelled} holds {len(names)} labelled samples, too few for {wanted}: "
            f"lower budgets{', validation or reserve' if reserve else ' or validation'}, or label more."
        )
    check_curve(ready, len(names))
    check_settings(steps, {name: task for name, task in tasks.items() if name in recipe.tasks})
    check_inversion(steps, recipe)
    check_plans(steps, converted)


def check_inversion(steps: Sequence[Step], recipe: Recipe) -> None:
    """Refuse photos and encoders that inversion would refuse, which comes after the training of a generator."""
    for step in steps:
        settings: Any = step.settings
        if step.verb == "invert" and settings.photos is not None:
            refuse_inside(recipe.output, Path(settings.photos), "photos")
            check_photos(photos_in(open_source(Path(settings.photos))), recipe)
        elif step.verb == "invert" and settings.encoder is not None:
            encoder_input(Path(settings.encoder))


def check_plans(steps: Sequence[Step], converted: set[Path]) -> None:
    """Plan the steps that read the user's data alone: what they refuse is known now."""
    made = converted | {step.folder for step in steps}
    for step in steps:
        if step.verb != "convert" and made.isdisjoint(step.paths()):
            step.plan()


def check_photos(photos: Source, recipe: Recipe) -> None:
    """Refuse photos none of which gets into the frame, of those that are looked at.

    Raises:
        InputError: they are smaller, or cannot be read.
    """
    broken: list[InputError] = []
    for name in spread([*photos.sizes], LOOKED_AT):
        try:
            frame_photo(decode_image(photos.read(name), name), recipe.frame, recipe.framing, name)
        except InputError as error:
            broken.append(error)
        else:
            return
    raise InputError(f"None of the photos in {photos.path} that were looked at can be used. The first: {broken[0]}")


def check_likeness(tasks: Mapping[str, Task], others: Mapping[str, Task], where: Path) -> None:
    """Refuse a test that is to be converted and whose labels mean something else than those of the labelled data.

    Raises:
        MismatchError: they do.
    """
    for name, task in tasks.items():
        if name in others:
            task.storage.bind(others[name].storage.cards().get(task.card), str(where), task.locations[0])


def check_curve(ready: Recipe, samples: int) -> None:
    """Refuse a learning curve with a point beyond the labels there are.

    Raises:
        InputError: there is such a point.
    """
    curve = EvaluateSettings(**ready.tables.get("evaluate", {})).curve or ()
    last, most = max((point for point in curve if isinstance(point, int)), default=0), ready.curve_labels(samples)
    if last > most:
        raise InputError(
            f"[evaluate] curve asks for {last:,} labels, and the recipe leaves {most:,} for it: lower that point, or "
            "raise reserve, the labelled samples that are neither validation nor test."
        )


def to_convert(recipe: Recipe, role: Role) -> Dataset:
    """A dataset that is to be converted, as it will be then."""
    path, settings = labelled_data(recipe)[role], recipe.for_convert(role)
    return chosen(open_dataset(open_source(path), settings.source), settings, str(path))


def as_wanted(recipe: Recipe, dataset: Dataset) -> dict[str, Task]:
    """Its tasks with what the recipe says about the labels.

    Raises:
        UnknownNameError: the recipe says something about a kind of labels that there is not.
        InputError: what it says does not go with the labels.
    """
    kinds = {name: task_type(name) for name in {**recipe.options, **dataset.tasks}}
    found = {}
    for name, task in dataset.tasks.items():
        card, points = task.storage.cards().get(kinds[name].card), [[0, 0]] * len(task.parts)
        schema = kinds[name].declare(card, str(recipe.labelled), recipe.options.get(name, {}), points)
        found[name] = make_task(name, schema)
    return found
