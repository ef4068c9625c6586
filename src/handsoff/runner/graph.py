"""The steps of a recipe as a graph, and where each stands.

Which steps are done, and which are out of date because an input or a setting changed, is decided by comparing what a
step is to be made by now (`plan`) with what its folder was begun with (`job.json`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.jobs.folder import Plan, difference, refuse_foreign
from handsoff.methods import METHODS
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.runner.check import check, prepared

State = Literal["done", "begun", "to do", "stale"]
RUN = Plan("run", {}, {})  # the output folder of a recipe belongs to no data in particular: its steps do


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
    check(recipe, ready, converted={step.folder for step in conversions}, steps=steps)
    refuse_foreign(recipe.output, RUN.verb, beside="generator")
    return nodes_of(steps, recipe.output)


def nodes_of(steps: Iterable[Step], out: Path) -> list[Node]:
    """Where each of some steps below `out` stands."""
    nodes: list[Node] = []
    for step in steps:
        nodes.append(stand(step, step.folder.relative_to(out).as_posix(), nodes))
    return nodes


def refuse_unused(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Refuse settings that none of the steps would look at.

    Raises:
        InputError: the recipe has a table for a verb that no step has, or rounds without photos, or says of the image
            networks what those that every labeler takes over are not asked for.
    """
    used = {"train"} if recipe.generator is None else set()  # its resolution is that of all images
    unused = {verb for verb, table in recipe.tables.items() if table} - {step.verb for step in steps} - used
    if unused:
        raise InputError(f"The recipe has settings for [{min(unused)}], and no step of that kind: leave them out.")
    said, fits = recipe.tables.get("fit", {}), [step for step in steps if step.verb == "fit"]
    if fits and all("teacher" in step.inputs for step in fits):
        taken = "the image networks are those that [evaluate] trains on the labels alone"
        if "network_steps" in said:
            raise InputError(f"[fit] network_steps says nothing, for {taken}: set steps there.")
        seeds: int = recipe.settings("evaluate").model_dump()["seeds"]
        if said.get("networks", 0) > seeds:
            raise InputError(f"[fit] networks asks for {said['networks']}, and {taken}, {seeds}: raise seeds there.")
    if recipe.rounds > 1 and recipe.unlabelled is None:
        raise InputError('rounds says how often photos are labelled, and there are none: give photos = "FOLDER".')


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
