"""Names in settings that a step would only find unknown when its turn comes, hours later."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.datasets.attributes import available
from handsoff.evaluation.arms import PHOTOS, SYNTHETIC, choose_arms, pool_names
from handsoff.generators.stored import read_card
from handsoff.labeling.features import check_features
from handsoff.learning.models import check_model
from handsoff.recipes.steps import Step
from handsoff.sampling.aims import LABELLED, UNLABELLED, Aim
from handsoff.sampling.targets import CLUSTER, check_names
from handsoff.synthesis.pooled import given_names
from handsoff.tasks.base import Task

Steps = Mapping[Path, Step]  # output folder → the step that makes it
Tasks = Mapping[str, Task]  # of the labels


def check_settings(steps: Sequence[Step], tasks: Tasks) -> None:
    """Look at the names of arms, models, features and aims in the settings of steps.

    Args:
        steps: all of a run.
        tasks: of the labels that generated images will have.

    Raises:
        UnknownNameError: there is no such arm, model or features.
        InputError: an arm has a pool that is not there, or an aim names what is not there.
    """
    made = {step.folder: step for step in steps}
    for step in steps:
        settings: Any = step.settings
        if step.verb == "fit":
            check_features(settings.features)
        elif step.verb == "evaluate":
            check_arms(step, made)
        elif step.verb == "generate" and settings.wanted is not None:
            check_aim(settings.wanted, settings.attributes, made, tasks)


def check_arms(step: Step, made: Steps) -> None:
    settings: Any = step.settings
    check_model(settings.model)
    given = step.inputs.get("synthetic")
    datasets = given if isinstance(given, list) else []
    verbs = [made[folder].verb for folder in datasets]
    pools = pool_names(datasets, [PHOTOS if verb == "label" else SYNTHETIC for verb in verbs])
    drawn = [pool for pool, verb in zip(pools, verbs, strict=True) if verb == "generate"]
    choose_arms(settings, pools, drawn[0] if len(drawn) == 1 else None)


def check_aim(aim: Aim, given: str | None, made: Steps, tasks: Tasks) -> None:
    if aim.match not in {None, LABELLED, UNLABELLED} and not Path(aim.match).exists():
        raise InputError(f"The aim is to match {aim.match}, which does not exist: name another folder.")
    asked = askable(made)
    if asked is not None:
        known = [*available(tasks), CLUSTER, *given_names(given), *asked]
        check_names(aim, {name: task.parts for name, task in tasks.items()}, known)


def askable(made: Steps) -> list[str] | None:
    """The attributes that the run's generators can be asked for; None: one with conditions is yet to be trained."""
    names: list[str] = []
    for step in made.values():
        settings: Any = step.settings
        if step.verb == "train" and settings.conditions is not None:
            return None
        generator = step.inputs.get("generator")
        if isinstance(generator, Path) and generator not in made:
            conditions = read_card(generator).conditions
            names += conditions.names if conditions.kind == "attributes" else []
    return names
