"""`handsoff run`: the steps of a recipe; what is done is skipped, what was interrupted goes on."""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, read_record, write_json
from handsoff.core.memory import forget_peak, peak_memory
from handsoff.datasets.corrections import corrections_in
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.evaluation.inputs import named_datasets
from handsoff.jobs.folder import REPORT, Job, discard, open_job
from handsoff.jobs.progress import Outcome, Progress, Work, named, watched
from handsoff.learning.predictor import FOLDER as MODEL
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.runner.graph import RUN, Node, graph, refuse_inputs_changed, refuse_stale
from handsoff.runner.rehearsal import rehearse
from handsoff.verbs import given

COSTS = "costs.json"
NOTED_SECONDS = 30.0  # between two notes of what a step has cost: so much is lost at the most when a run is killed
Cost = dict[str, float]  # of a step: `seconds`, and its memory at the peak, see `core.memory`


def run(recipe: Recipe, *, redo: bool = False, engine: Engine = LOCAL) -> Work:
    """Do every step of the recipe's method below `recipe.output`, then sum up in its `report.json`.

    Args:
        recipe: what to do.
        redo: remove stale steps and make them again.
        engine: computes the steps that are cut into shards.

    Raises:
        InputError: data that cannot be used (seen before any work), stale steps without `redo`, an output folder that
            holds something else, or an input that was changed while the run worked.
    """
    return (yield from carry_out(recipe, graph(recipe), redo=redo, engine=engine))


def carry_out(recipe: Recipe, nodes: Sequence[Node], *, redo: bool = False, engine: Engine = LOCAL) -> Work:
    """As `run`, where the recipe's `graph` is known already."""
    if not redo:
        refuse_stale(nodes, recipe.output)
    with open_job(recipe.output, RUN, beside="generator") as job:
        reopen_if_edited(job, recipe)
        outcomes, costs = yield from do_steps(job, recipe, nodes, engine)
        if not job.done:
            refuse_inputs_changed(nodes, recipe.output)
            sum_up(job, recipe, nodes, outcomes, costs)
    return job.outcome


def reopen_if_edited(job: Job, recipe: Recipe) -> None:
    """Let a finished folder be summed up again where its report tells of another recipe.

    Raises:
        InputError: its report is damaged.
    """
    if job.done and read_record(job.out / REPORT, dict).get("recipe") != recipe.model_dump(mode="json"):
        job.reopen()


def do_steps(
    job: Job, recipe: Recipe, nodes: Sequence[Node], engine: Engine = LOCAL
) -> Generator[Progress, None, tuple[dict[str, Outcome], dict[str, Cost]]]:
    """Do what is to be done; step → its outcome, and what it has cost so far.

    What the evaluations will read is read before, or once the data is converted.
    """
    due = [node.step for node in nodes if node.state != "done"]
    converts = any(step.verb == "convert" for step in due)
    if not converts:
        yield from rehearse(recipe, due)
    stale = [node for node in nodes if node.state == "stale"]
    for node in stale:
        if corrections := corrections_in(node.step.folder):
            raise InputError(
                f"{corrections} holds what a person corrected, and {node.name} is to be made again: "
                "move that folder away first."
            )
    if stale or any(node.state != "done" for node in nodes):
        job.reopen()
    for node in stale:
        discard(node.step.folder)
    anew = {node.name for node in nodes if node.state in {"stale", "to do"}}
    costs = {name: cost for name, cost in costs_in(job.out).items() if name not in anew}
    outcomes: dict[str, Outcome] = {}
    for index, node in enumerate(nodes):
        if converts and node.step.verb != "convert":
            converts = False
            yield from rehearse(recipe, [step for step in due if step.verb != "convert"])
        if node.state == "done":
            yield Progress(node.name, 1, 1, "done before, skipped")
            costs.setdefault(node.name, cost_of(node.step.folder))  # a kill came before it was noted
            outcomes[node.name] = "done"
        else:
            refuse_inputs_changed(sharing(node, nodes[:index], job.out), job.out)
            outcomes[node.name] = yield from measured(node, job.out, costs, engine)
    return outcomes, costs


def sharing(node: Node, before: Sequence[Node], out: Path) -> list[Node]:
    """Of the steps before, those that read data of the user which this one reads, too."""
    data = {path for path in node.step.paths() if not path.is_relative_to(out)}
    return [other for other in before if not data.isdisjoint(other.step.paths())]


def cost_of(folder: Path) -> Cost:
    """What the last part of a finished step took, by its own report."""
    seconds = read_record(folder / REPORT, dict).get("seconds")
    return {"seconds": seconds if isinstance(seconds, float) else 0.0}


def costs_in(out: Path) -> dict[str, Cost]:
    """Step → what it has cost so far; nothing where that was not written whole."""
    try:
        found = read_record(out / COSTS, dict)
    except InputError:
        return {}
    return {
        name: cost for name, cost in found.items() if isinstance(cost, dict) and isinstance(cost.get("seconds"), float)
    }


def measured(node: Node, out: Path, costs: dict[str, Cost], engine: Engine) -> Generator[Progress, None, Outcome]:
    """Do one step; the seconds of all its parts, interrupted ones too, are added up in `costs.json` while it works."""
    before, began = costs.get(node.name, {}), time.monotonic()
    noted = began
    forget_peak()

    def note_at_times(progress: Progress) -> Progress:
        nonlocal noted
        if time.monotonic() - noted >= NOTED_SECONDS:
            note()
            noted = time.monotonic()
        return progress

    def note() -> None:
        if node.step.folder.is_dir():
            seconds = round(before.get("seconds", 0.0) + time.monotonic() - began, 1)
            peaks = {name: max(before.get(name, 0.0), value) for name, value in peak_memory().items()}
            costs[node.name] = {"seconds": seconds, **peaks}
            write_json(out / COSTS, costs)

    try:
        return (yield from watched(named(node.name, node.step.work(engine)), note_at_times))
    finally:
        note()


def sum_up(
    job: Job, recipe: Recipe, nodes: Sequence[Node], outcomes: dict[str, Outcome], costs: dict[str, Cost]
) -> None:
    """Write the run's `report.json`: the recipe, every step with what it was made from, and all metrics."""
    found = results(recipe)
    job.finish(
        recipe=recipe.model_dump(mode="json"),
        steps=summary(nodes, job.out, outcomes, costs),
        results=found,
        delivered=delivered(recipe, found, {node.step.folder: node.step for node in nodes}),
    )


def summary(
    nodes: Sequence[Node], out: Path, outcomes: dict[str, Outcome], costs: dict[str, Cost]
) -> dict[str, dict[str, Any]]:
    """Step → what it was made from, and what it took: `seconds`, `ram_mib` and, where there is a GPU, `gpu_mib`."""
    return {
        node.name: {
            "verb": node.step.verb,
            "inputs": shown_inputs(node.step, out),
            **costs[node.name],
            "outcome": outcomes[node.name],
        }
        for node in nodes
    }


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
    """Budget (and task) → the `arm` that won on validation, its `model`, and the `datasets` that it learnt from.

    Methods that train no model deliver none.
    """

    def shown(path: Path) -> str:
        return path.relative_to(recipe.output).as_posix()

    won = {}
    for name, found in metrics.items():
        if not found.get("handed_over"):
            continue
        report, arm = recipe.reports()[name], found["handed_over"]["arm"]
        made = steps[report].inputs["synthetic"]
        pools = named_datasets(made if isinstance(made, list) else [])
        used = [shown(folder) for pool, folder in pools.items() if pool in found["shares"][arm]]
        won[name] = {"arm": arm, "model": shown(report / MODEL), "datasets": used}
    return won
