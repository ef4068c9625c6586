"""What a recipe says and no step of its method would look at: it is refused, so that nobody believes it counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.recipes.errors import shortened
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.tasks import task_type


def refuse_unused(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse what none of the steps would look at.

    Args:
        recipe: as it was read.
        steps: all that may look at it.

    Raises:
        InputError: the recipe states a setting that no step has, or that says nothing beside the others; photos, rounds
            or a diffusion model that no step reads; or labels of a task that it does not name.
        UnknownNameError: it says something of labels that there are not.
    """
    refuse_tables(recipe, steps)
    refuse_taught(recipe, [step for step in steps if step.verb == "fit"])
    refuse_patience(recipe)
    refuse_settings(recipe, steps)
    refuse_data(recipe, steps)
    refuse_labels(recipe)


def refuse_tables(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse a table of a verb that no step has; the resolution to train at is that of all images."""
    verbs = {step.verb for step in steps}
    for verb, table in sorted(recipe.tables.items()):
        shared = {"resolution"} if verb == "train" and recipe.generator is None else set()
        if verb not in verbs and table.keys() - shared:
            names = ", ".join(sorted(table.keys() - shared))
            raise InputError(f"The recipe has settings for [{verb}], and no step of that kind: leave {names} out.")


def refuse_taught(recipe: Recipe, fits: Sequence[Step]) -> None:
    """Refuse to be told of image networks what those that every labeler takes over are not asked for."""
    said = recipe.tables.get("fit", {})
    if fits and all("teacher" in step.inputs for step in fits):
        taken = "the image networks are those that [evaluate] trains on the labels alone"
        if "network_steps" in said:
            raise InputError(f"[fit] network_steps says nothing, for {taken}: set steps there.")
        seeds: int = recipe.settings("evaluate").model_dump()["seeds"]
        if said.get("networks", 0) > seeds:
            raise InputError(f"[fit] networks asks for {said['networks']}, and {taken}, {seeds}: raise seeds there.")


def refuse_patience(recipe: Recipe) -> None:
    """Refuse to be told how long to wait for a better score where there is none."""
    said = recipe.tables.get("evaluate", {})
    if "patience" in said and not recipe.validation:
        raise InputError(f"[evaluate] patience = {said['patience']} says nothing, for validation = 0: leave it out.")


def refuse_settings(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse a setting that the method replaces in every step, or that says nothing beside the others.

    How photos get into the frame is that of all images, where a generator is yet to be trained.
    """
    for verb, table in recipe.tables.items():
        found: list[Any] = [step.settings for step in steps if step.verb == verb]
        shared = {"framing"} if verb == "convert" and recipe.generator is None else set[str]()
        wanted = recipe.for_generate() if verb == "generate" else recipe.settings(verb)  # an aim may name the photos
        for name in [name for name in table if name not in shared] if found else ():
            value = getattr(wanted, name)
            carrying = [settings for settings in found if getattr(settings, name) == value]
            said = f"[{verb}] {name} = {shortened(table[name])} says nothing"
            if not carrying:
                raise InputError(
                    f"{said}: the method sets it to {shortened(getattr(found[0], name))} itself, leave it out."
                )
            idle = [getattr(settings, "idle", {}).get(name) for settings in carrying]
            if all(idle):
                raise InputError(f"{said}, for {idle[0]}: leave it out.")


def refuse_data(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse photos and a diffusion model that no step takes, and rounds where no step labels the photos."""
    if recipe.rounds > 1 and recipe.unlabelled is None:
        raise InputError('rounds says how often photos are labelled, and there are none: give photos = "FOLDER".')
    if recipe.rounds > 1 and not any(step.verb == "label" and recipe.unlabelled in step.paths() for step in steps):
        raise InputError(
            "rounds says how often photos are labelled, and no step of the method labels them: leave it out."
        )
    taken = {path for step in steps for path in (*step.paths(), *matched(step))}
    for name in ("photos", "diffusion"):
        path = getattr(recipe, name)
        if path is not None and path not in taken:
            raise InputError(f"{name} = {path} says nothing: no step of the method reads it, leave it out.")


def matched(step: Step) -> list[Path]:
    """The photos that an aim is to match, which are no input."""
    settings: Any = step.settings
    aim = settings.wanted if step.verb == "generate" else None
    return [] if aim is None or aim.match is None else [Path(aim.match)]


def refuse_labels(recipe: Recipe) -> None:
    """Refuse to be told of labels that are not generated."""
    for name in recipe.labels:
        if task_type(name).name not in recipe.tasks:
            raise InputError(
                f"[labels.{name}] says nothing, for tasks does not name {name}: add it there, or leave it out."
            )
    if recipe.classes is not None and not any(task_type(name).merges for name in recipe.tasks):
        raise InputError(
            f"[classes] says nothing, for {' and '.join(recipe.tasks)} have no classes to merge: leave it out, or add "
            "segmentation to tasks."
        )
