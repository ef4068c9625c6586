"""Names, files and settings that a step would only refuse when its turn comes, hours later."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.editing.edit import check_parts
from handsoff.evaluation.arms import PHOTOS, SYNTHETIC, choose_arms, pool_names
from handsoff.evaluation.pseudo import check_confidence
from handsoff.generators.conditions import words_of
from handsoff.generators.stored import read_card
from handsoff.inspection.paths import TABLE_PATHS
from handsoff.labeling.features import check_features
from handsoff.learning.models import check_model
from handsoff.learning.paste import check_paste
from handsoff.recipes.steps import Step
from handsoff.sampling.aims import LABELLED, UNLABELLED
from handsoff.synthesis.ignoring import check_ignoring
from handsoff.synthesis.references import check_aim
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks.base import Task
from handsoff.tasks.segmentation import Segmentation

Steps = Mapping[Path, Step]  # output folder → the step that makes it
Tasks = Mapping[str, Task]  # of the labels


def check_settings(steps: Sequence[Step], tasks: Tasks) -> None:
    """Look at the settings of steps: files, arms, models, features, classes, aims, and what the labels have.

    Args:
        steps: all of a run.
        tasks: of the labels that generated images will have.

    Raises:
        UnknownNameError: there is no such arm, model or features.
        InputError: a file does not exist, an arm, an edit or an aim names what is not there, the labels have no such
            pixels, or two steps would write to one URL.
    """
    made = {step.folder: step for step in steps}
    check_urls(steps)
    for step in steps:
        settings: Any = step.settings
        check_files(step)
        if step.verb == "fit":
            check_features(settings.features)
        elif step.verb == "evaluate":
            check_arms(step, made)
            if settings.task in tasks:
                check_confidence(settings, tasks[settings.task])
            check_paste(settings.paste, tasks.values())
        elif step.verb in {"generate", "label"}:
            check_ignoring(settings.ignore_pixels, tasks)
        if step.verb == "edit":
            check_parts(settings, tasks[Segmentation.name])
        if step.verb == "generate":
            check_composition(settings, made, tasks)


def check_files(step: Step) -> None:
    """Refuse files and folders that a step's settings name and that do not exist."""
    for verb, name in TABLE_PATHS:
        path = getattr(step.settings, name) if verb == step.verb else None
        if path is not None and not Path(path).exists():
            raise InputError(f"[{verb}] {name} = {path} does not exist: correct the path, or leave {name} out.")


def check_urls(steps: Sequence[Step]) -> None:
    """Refuse one URL for the shards of several steps: they would lie over each other."""
    writes: dict[str, Step] = {}
    for step in steps:
        url = getattr(step.settings, "url", None)
        if url is not None and writes.setdefault(url, step) is not step:
            names = " and ".join("/".join(one.folder.parts[-2:]) for one in (writes[url], step))
            raise InputError(
                f"[{step.verb}] url = {url} is one place, and {names} would both write there: leave url out, so that "
                "shards lie in the folder of each, or ask for one of them."
            )


def check_arms(step: Step, made: Steps) -> None:
    settings: Any = step.settings
    check_model(settings.model)
    given = step.inputs.get("synthetic")
    datasets = given if isinstance(given, list) else []
    verbs = [made[folder].verb for folder in datasets]
    pools = pool_names(datasets, [PHOTOS if verb == "label" else SYNTHETIC for verb in verbs])
    drawn = [pool for pool, verb in zip(pools, verbs, strict=True) if verb == "generate"]
    choose_arms(settings, pools, drawn[0] if len(drawn) == 1 else None)


def check_composition(settings: GenerateSettings, made: Steps, tasks: Tasks) -> None:
    """Refuse an aim at what is not there; what a generator that is yet to be trained can be asked for, nobody knows."""
    match = None if settings.wanted is None else settings.wanted.match
    if match not in {None, LABELLED, UNLABELLED} and not Path(match).exists():
        raise InputError(f"The aim is to match {match}, which does not exist: name another folder.")
    asked = askable(made)
    if asked is not None:
        check_aim(settings, tasks, asked)


def askable(made: Steps) -> dict[str, tuple[str, ...]] | None:
    """The attributes that the run's generators can be asked for, with their words, none where one is a number.

    None: a generator with conditions is yet to be trained.
    """
    found: dict[str, tuple[str, ...]] = {}
    for step in made.values():
        settings: Any = step.settings
        if step.verb == "train" and settings.conditions is not None:
            return None
        generator = step.inputs.get("generator")
        if isinstance(generator, Path) and generator not in made:
            found |= words_of(read_card(generator).conditions)
    return found
