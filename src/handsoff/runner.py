"""`handsoff run`: the steps of a recipe as a graph; what is done is skipped, what was interrupted goes on.

Which steps are done, and which are out of date because an input or a setting changed, is decided by comparing what a
step is to be made by now (`plan`) with what its folder was begun with (`job.json`).
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_json, read_record, write_json
from handsoff.datasets.corrections import corrections_folder, is_corrections
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.evaluation.inputs import named_datasets
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import chosen
from handsoff.formats.exchange import FOLDER, format_of, open_dataset
from handsoff.formats.photos import photos_in
from handsoff.inversion.invert import MIN_LABELLED
from handsoff.jobs.folder import REPORT, Job, Plan, difference, discard, open_job, refuse_foreign
from handsoff.jobs.progress import Outcome, Part, Progress, Work, named
from handsoff.learning.predictor import FOLDER as MODEL
from handsoff.methods import METHODS
from handsoff.recipes.schema import Recipe, Role
from handsoff.recipes.steps import Step
from handsoff.verbs import given

State = Literal["done", "begun", "to do", "stale"]
RUN = Plan("run", {}, {})  # the output folder of a recipe belongs to no data in particular: its steps do
SECONDS = "seconds.json"


@dataclass(frozen=True)
class Node:
    """A step of a run and where it stands.

    Attributes:
        name: its folder, relative to the run's output.
        state: "done"; "begun": it goes on; "to do": it has no folder yet; "stale": its folder was made by other inputs
            or settings than it would be now, or it depends on a step that is not done.
        why: what changed, for a stale step.
    """

    step: Step
    name: str
    state: State
    why: str = ""


def run(recipe: Recipe, *, redo: bool = False) -> Work:
    """Do every step of the recipe's method below `recipe.output`, then sum up in its `report.json`.

    Args:
        recipe: what to do.
        redo: remove stale steps and make them again.

    Raises:
        InputError: data that cannot be used (seen before any work), stale steps without `redo`, or an output folder
            that holds something else.
    """
    nodes = graph(recipe)
    stale = [node for node in nodes if node.state == "stale"]
    if stale and not redo:
        raise InputError(stale_sentence(stale, recipe.output))
    with open_job(recipe.output, RUN, beside="generator") as job:
        yield from do_steps(job, recipe, nodes)
    return job.outcome


def do_steps(job: Job, recipe: Recipe, nodes: Sequence[Node]) -> Part:
    """Do what is to be done, and sum up."""
    stale = [node for node in nodes if node.state == "stale"]
    for node in stale:
        if is_corrections(corrections_folder(node.step.folder)):
            raise InputError(
                f"{corrections_folder(node.step.folder)} holds what a person corrected, and {node.name} is to be made "
                "again: move that folder away first."
            )
    if stale or any(node.state != "done" for node in nodes):
        job.reopen()
    for node in stale:
        discard(node.step.folder)
    spent = {name: value for name, value in seconds_in(job.out).items() if name not in {node.name for node in stale}}
    outcomes: dict[str, Outcome] = {}
    with job.undone_if_refused():
        for node in nodes:
            if node.state == "done":
                yield Progress(node.name, 1, 1, "done before, skipped")
                spent.setdefault(node.name, seconds_of(node.step.folder))  # a kill came before it was noted
                outcomes[node.name] = "done"
            else:
                outcomes[node.name] = yield from timed(node, job.out, spent)
    if not job.done:
        sum_up(job, recipe, nodes, outcomes, spent)


def seconds_of(folder: Path) -> float:
    """What the last part of a finished step took, by its own report."""
    seconds = read_record(folder / REPORT, dict).get("seconds")
    return seconds if isinstance(seconds, float) else 0.0


def seconds_in(out: Path) -> dict[str, float]:
    """Step → seconds spent on it so far; nothing where that was not written whole."""
    try:
        found = read_record(out / SECONDS, dict)
    except InputError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, float)}


def timed(node: Node, out: Path, spent: dict[str, float]) -> Generator[Progress, None, Outcome]:
    """Do one step; the seconds of all its parts, interrupted ones too, are added up in `seconds.json`."""
    began = time.monotonic()
    try:
        return (yield from named(node.name, node.step.work()))
    finally:
        if node.step.folder.is_dir():
            spent[node.name] = round(spent.get(node.name, 0.0) + time.monotonic() - began, 1)
            write_json(out / SECONDS, spent)


def sum_up(
    job: Job, recipe: Recipe, nodes: Sequence[Node], outcomes: dict[str, Outcome], spent: dict[str, float]
) -> None:
    """Write the run's `report.json`: the recipe, every step with what it was made from, and all metrics."""
    found = results(recipe)
    job.finish(
        recipe=recipe.model_dump(mode="json"),
        steps={
            node.name: {
                "verb": node.step.verb,
                "inputs": shown_inputs(node.step, job.out),
                "seconds": spent.get(node.name),
                "outcome": outcomes[node.name],
            }
            for node in nodes
        },
        results=found,
        delivered=delivered(recipe, found, {node.step.folder: node.step for node in nodes}),
    )


def shown_inputs(step: Step, out: Path) -> dict[str, str | list[str]]:
    """The inputs of a step: what lies in the run's output relative to it, everything else with its whole path."""

    def shown(path: Path) -> str:
        return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path.resolve())

    return {
        name: [shown(path) for path in value] if isinstance(value, list) else shown(value)
        for name, value in given(step.inputs).items()
    }


def results(recipe: Recipe) -> dict[str, Any]:
    """Budget (and task, where there are several) → its `metrics.json`, for those that have one."""
    files = {name: folder / "metrics.json" for name, folder in recipe.reports().items()}
    return {name: read_json(file) for name, file in files.items() if file.is_file()}


def delivered(recipe: Recipe, metrics: dict[str, Any], steps: dict[Path, Step]) -> dict[str, Any]:
    """Budget (and task) → the `arm` that won on validation, its `model`, and the `datasets` that it learnt from."""

    def shown(path: Path) -> str:
        return path.relative_to(recipe.output).as_posix()

    won = {}
    for name, found in metrics.items():
        report, arm = recipe.reports()[name], found["handed_over"]["arm"]
        made = steps[report].inputs["synthetic"]
        pools = named_datasets(made if isinstance(made, list) else [])
        used = [shown(folder) for pool, folder in pools.items() if pool in found["shares"][arm]]
        won[name] = {"arm": arm, "model": shown(report / MODEL), "datasets": used}
    return won


# --- the graph -----------------------------------------------------------------------------------------------------


def graph(recipe: Recipe) -> list[Node]:
    """Every step of a recipe in the order of doing, and where it stands. Nothing is written.

    Raises:
        HandsOffError: what a step would refuse later: unusable data, too few labels, a foreign folder in the way.
    """
    if recipe.method not in METHODS:
        raise UnknownNameError("method", recipe.method, METHODS)
    conversions, ready = prepared(recipe)
    steps = [*conversions, *METHODS[recipe.method](ready)]
    refuse_unused(recipe, steps)
    check(recipe, ready, converted={step.folder for step in conversions})
    refuse_foreign(recipe.output, "run", beside="generator")
    nodes: list[Node] = []
    for step in steps:
        nodes.append(stand(step, step.folder.relative_to(recipe.output).as_posix(), nodes))
    return nodes


def refuse_unused(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse settings that no step would look at.

    Raises:
        InputError: the recipe has a table for a verb that it does not use.
    """
    unused = {verb for verb, table in recipe.tables.items() if table} - {step.verb for step in steps}
    if unused:
        raise InputError(f"The recipe has settings for [{min(unused)}], and no step of that kind: leave them out.")


def stand(step: Step, name: str, before: Sequence[Node]) -> Node:
    """Where a step stands, given the steps before it."""
    if not (step.folder / "job.json").is_file():
        refuse_foreign(step.folder, step.verb)
        return Node(step, name, "to do")
    inputs = step.paths()
    waiting = next((node for node in before if node.step.folder in inputs and node.state != "done"), None)
    if waiting is not None:
        why = {"stale": "is out of date", "begun": "goes on", "to do": "is to be made"}[waiting.state]
        return Node(step, name, "stale", f"{waiting.name} {why}")
    changed = difference(step.folder, step.plan())
    if changed:
        return Node(step, name, "stale", f"it was begun with {changed}")
    return Node(step, name, "done" if step.finished() else "begun")


def stale_sentence(stale: Sequence[Node], out: Path) -> str:
    """Which steps are out of date, why, and what to do."""
    first, *others = stale
    also = f" (and {', '.join(node.name for node in others)})" if others else ""
    return (
        f"{out / first.name} is out of date: {first.why}{also}; run again with --redo to make "
        f"{'them' if others else 'it'} again, or choose another output folder with -o."
    )


# --- before any work -----------------------------------------------------------------------------------------------


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


def check(recipe: Recipe, ready: Recipe, converted: set[Path]) -> None:
    """Refuse now what a step would refuse hours later.

    Args:
        recipe: as it was read.
        ready: the recipe that goes on from the converted datasets.
        converted: their folders, which need not exist yet.

    Raises:
        HandsOffError: a step would refuse its inputs or settings.
    """
    for photos in filter(None, (recipe.images, recipe.photos)):
        photos_in(open_source(photos))
    if ready.labelled in converted:
        names = names_to_convert(recipe, "labelled")
    else:
        names = open_labelled(ready.labelled, recipe.options, recipe.tasks).names
    if ready.test in converted:
        names_to_convert(recipe, "test")
    elif ready.test is not None:
        open_labelled(ready.test, tasks=recipe.tasks)
    if min(recipe.budgets) < MIN_LABELLED:
        raise InputError(f"A budget of {min(recipe.budgets)} labels is too small: use at least {MIN_LABELLED}.")
    needed = recipe.largest + recipe.validation + recipe.reserve + (ready.test is None)
    if len(names) < needed:
        reserve = f", {recipe.reserve} in reserve" if recipe.reserve else ""
        rest = " and at least one for the test" if ready.test is None else ""
        wanted = f"{recipe.largest} labels, {recipe.validation} for validation{reserve}{rest}"
        raise InputError(
            f"{recipe.labelled} holds {len(names)} labelled samples, too few for {wanted}: "
            f"lower budgets{', validation or reserve' if reserve else ' or validation'}, or label more."
        )
    check_curve(ready, len(names))


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


def names_to_convert(recipe: Recipe, role: Role) -> tuple[str, ...]:
    """The names of the samples of a dataset that is to be converted."""
    path, settings = labelled_data(recipe)[role], recipe.for_convert(role)
    return chosen(open_dataset(open_source(path), settings.source), settings, str(path)).names
