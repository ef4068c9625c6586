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
from handsoff.runner.unused import refuse_unused

State = Literal["done", "begun", "to do", "stale"]
RUN = Plan("run", {}, {})  # the output folder of a recipe belongs to no data in particular: its steps do


class OutOfDateError(InputError):
    """Steps that other inputs or settings made than would make them now."""


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


def refuse_stale(nodes: Sequence[Node], out: Path) -> None:
    """Refuse to go on from steps that are out of date.

    Raises:
        OutOfDateError: there are such; its sentence says which, why, and what to do.
    """
    stale = [node for node in nodes if node.state == "stale"]
    if stale:
        raise OutOfDateError(stale_sentence(stale, out))


def refuse_inputs_changed(nodes: Sequence[Node], out: Path) -> None:
    """Look at steps that are all done again, and refuse inputs that were changed while the run worked.

    Raises:
        OutOfDateError: some steps were made from what an input held before, others perhaps from what it holds now.
        InputError: an input cannot be used any more, or what a step had made is gone.
    """
    now = [node for node in nodes_of([node.step for node in nodes], out) if node.state != "done"]
    stale = [node for node in now if node.state == "stale"]
    if stale:
        raise OutOfDateError(f"An input was changed while the run worked: {stale_sentence(stale, out)}")
    if now:
        raise InputError(f"{out / now[0].name} was changed while the run worked: run again, it is made anew.")


def stale_sentence(stale: Sequence[Node], out: Path) -> str:
    """Which steps are out of date, why, and what to do."""
    first, *others = stale
    also = f" (and {', '.join(node.name for node in others)})" if others else ""
    return (
        f"{out / first.name} is out of date: {first.why}{also}; run again with --redo to make "
        f"{'them' if others else 'it'} again, or choose another output folder with -o."
    )
