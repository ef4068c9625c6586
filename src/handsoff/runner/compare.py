"""`handsoff compare`: several methods on the same data, side by side.

Every method is the list of steps that `handsoff run` would do. Equal steps (the same verb, inputs and settings)
are done once, and so are the real-only runs, which all methods are compared with.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handsoff.core.errors import HandsOffError, UnknownNameError
from handsoff.core.files import read_json, read_record, write_json
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.evaluation.arms import PHOTOS, SYNTHETIC, default_arms, pool_names
from handsoff.evaluation.curve import read_off
from handsoff.jobs.folder import Plan, open_job, refuse_foreign
from handsoff.jobs.progress import Work
from handsoff.methods import METHODS
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.report.comparison import COMPARISON, write_comparison
from handsoff.report.verdict import REAL_ONLY
from handsoff.runner.check import check, prepared
from handsoff.runner.graph import Node, nodes_of, refuse_inputs_changed, refuse_stale
from handsoff.runner.run import Cost, do_steps, reopen_if_edited, summary
from handsoff.runner.unused import refuse_unused

COMPARE = Plan("compare", {}, {})  # methods can be added later
ORACLE = "oracle"  # how the folders of networks begin that label in a person's place
REAL = "real-only"  # the folder of the runs that all methods are compared with
ORDER = "methods.json"  # of the output: the methods in their order, which says in whose folder shared steps lie
MEASURES = ("evaluate", "score")  # verbs whose folders hold metrics


@dataclass(frozen=True)
class Comparison:
    """What is to be done.

    Attributes:
        steps: each once, in the order of doing; names: their folders below the output.
        methods: method → the names of its steps, shared ones too.
    """

    steps: list[Step]
    methods: dict[str, list[str]]


def compare(recipe: Recipe, methods: Sequence[str], *, redo: bool = False, engine: Engine = LOCAL) -> Work:
    """Run methods below `recipe.output`; it then holds a folder per method, `compare.json` and `compare.html`.

    What is done is skipped, what was interrupted goes on, and methods can be added by another call.

    Args:
        recipe: the data, budgets and settings of all of them; its own method does not count.
        methods: names of `handsoff.methods.METHODS`.
        redo: remove steps that are out of date and make them again.
        engine: computes the steps that are cut into shards.

    Raises:
        UnknownNameError: there is no such method.
        InputError: data that cannot be used, steps that are out of date without `redo`, a foreign output folder, or an
            input that was changed while the comparison worked.
    """
    return (yield from carry_out(recipe, *graph(recipe, methods), redo=redo, engine=engine))


def carry_out(
    recipe: Recipe, nodes: Sequence[Node], plan: Comparison, *, redo: bool = False, engine: Engine = LOCAL
) -> Work:
    """As `compare`, where the `graph` of recipe and methods is known already."""
    if not redo:
        refuse_stale(nodes, recipe.output)
    with open_job(recipe.output, COMPARE, beside="generator") as job, noted(recipe.output, plan.methods):
        if job.done and set(read_json(recipe.output / COMPARISON)["methods"]) != set(plan.methods):
            job.reopen()
        reopen_if_edited(job, recipe)
        outcomes, costs = yield from do_steps(job, recipe, nodes, engine)
        if not job.done:
            refuse_inputs_changed(nodes, recipe.output)
            write_json(recipe.output / COMPARISON, gathered(recipe, plan, costs))
            write_comparison(recipe.output)
            job.finish(
                methods=list(plan.methods),
                recipe=recipe.model_dump(mode="json"),
                steps=summary(nodes, recipe.output, outcomes, costs),
            )
    return job.outcome


def graph(recipe: Recipe, methods: Sequence[str]) -> tuple[list[Node], Comparison]:
    """Every step of all methods, and where it stands. Nothing is written.

    Methods of a comparison that lies in the output come first: what they share with others stays in their folders.

    Raises:
        UnknownNameError: there is no such method.
        HandsOffError: what a step would refuse later.
    """
    for name in methods:
        if name not in METHODS:
            raise UnknownNameError("method", name, METHODS)
    conversions, ready = prepared(recipe)
    plan = planned(ready, dict.fromkeys([*earlier(recipe.output), *methods]))
    refuse_unused(recipe, [*conversions, *possible_steps(ready)])
    check(recipe, ready, converted={step.folder for step in conversions}, steps=plan.steps)
    refuse_foreign(recipe.output, COMPARE.verb, beside="generator")
    return nodes_of([*conversions, *plan.steps], recipe.output), plan


@contextmanager
def noted(out: Path, methods: Iterable[str]) -> Iterator[None]:
    """Note which methods are compared, in which order; those that are refused before any work are not."""
    before, now = earlier(out), list(methods)
    if now != before:
        write_json(out / ORDER, {"methods": now})
    try:
        yield
    except HandsOffError:
        begun = [name for name in now if name in before or (out / name).is_dir()]
        if begun:
            write_json(out / ORDER, {"methods": begun})
        else:
            (out / ORDER).unlink()
        raise


def earlier(out: Path) -> list[str]:
    """The methods of a comparison that was begun in a folder, in their order.

    Raises:
        InputError: its `methods.json`, or the `compare.json` of an earlier version, is damaged.
    """
    file = out / (ORDER if (out / ORDER).is_file() else COMPARISON)
    found = read_record(file, dict).get("methods", {}) if file.is_file() else {}
    return [name for name in found if name in METHODS]


def possible_steps(recipe: Recipe) -> Iterator[Step]:
    """The steps of every method, as far as the recipe has what they need: methods that share it use its tables."""
    for steps in METHODS.values():
        with suppress(HandsOffError):
            yield from steps(recipe)


def planned(recipe: Recipe, methods: Iterable[str]) -> Comparison:
    """The steps of all methods, equal ones once, in the folder of the first method that has them."""
    steps: dict[tuple[str, str, str], Step] = {}
    used: dict[str, list[str]] = {}
    for method in methods:
        moved: dict[Path, Path] = {}
        used[method] = []
        for step in METHODS[method](recipe.model_copy(update={"output": recipe.output / method, "method": method})):
            here = replace(step, inputs=at(step.inputs, moved))
            for part in apart(here, recipe, steps.values()):
                shared = steps.setdefault(key(part), part)
                moved[part.folder] = shared.folder
                used[method].append(shared.folder.relative_to(recipe.output).as_posix())
            moved.setdefault(here.folder, shared.folder)  # all of it is the real-only runs
    return Comparison([*steps.values()], {method: list(dict.fromkeys(names)) for method, names in used.items()})


def key(step: Step) -> tuple[str, str, str]:
    """What equal steps share."""
    return step.verb, repr(sorted(step.inputs.items())), step.settings.model_dump_json()


def at(inputs: Mapping[str, Any], moved: Mapping[Path, Path]) -> dict[str, Any]:
    """Inputs with the folders that steps were moved to."""
    return {
        name: [moved.get(path, path) for path in value] if isinstance(value, list) else moved.get(value, value)
        for name, value in inputs.items()
    }


def apart(step: Step, recipe: Recipe, made: Iterable[Step]) -> list[Step]:
    """An evaluation as the real-only runs, which methods share, and the other arms; any other step as it is.

    Nothing is taken over from an evaluation before, but the learning curve: all else that could be is shared already.
    """
    if step.verb != "evaluate":
        return [step]
    step = replace(step, inputs={name: path for name, path in step.inputs.items() if name != "before"})
    settings, datasets = step.settings.model_dump(), step.inputs.get("synthetic")
    real = recipe.model_copy(update={"output": recipe.output / REAL})
    budget, task = settings["first"], settings["task"]
    inputs, first = {**step.inputs, "synthetic": []}, real.of_first_budget(budget, "report", task)
    alone = Step("evaluate", real.folder(budget, "report", task), inputs, real.for_real_only(budget, task))
    shared = alone if first is None else replace(alone, inputs={**inputs, "before": first})
    if key(step) == key(alone):
        return [shared]
    if not isinstance(datasets, list) or not datasets or isinstance(settings["arms"], dict):
        return [step]
    verbs = {other.folder: other.verb for other in made}
    kinds = [PHOTOS if verbs.get(folder) == "label" else SYNTHETIC for folder in datasets]
    names = settings["arms"] or [arm.name for arm in default_arms(pool_names(datasets, kinds))]
    if REAL_ONLY not in names:
        return [step]
    others = tuple(name for name in names if name != REAL_ONLY)
    if not others:
        return [shared]
    rest = step.settings.model_copy(update={"arms": others, "curve": None, "curve_part": None})
    return [shared, replace(step, settings=rest)]


# --- what came out -------------------------------------------------------------------------------------------------


def gathered(recipe: Recipe, plan: Comparison, costs: Mapping[str, Cost]) -> dict[str, Any]:
    """What compare.json says: what every method took, and of every budget and task what was measured."""
    return {
        "methods": {
            method: {**method_costs(names, costs), "oracles": oracles(recipe.output, names)}
            for method, names in plan.methods.items()
        },
        "results": {
            f"{budget}" if len(recipe.tasks) == 1 else f"{budget} {task}": measured(recipe, plan, budget, task)
            for budget in recipe.budgets
            for task in recipe.tasks
        },
    }


def method_costs(names: Sequence[str], costs: Mapping[str, Cost]) -> dict[str, Any]:
    """The `steps` of a method with their costs, the `seconds` of all of them, and their memory at the peak."""
    found = {name: costs[name] for name in names if name in costs}
    kinds = dict.fromkeys(kind for cost in found.values() for kind in cost if kind != "seconds")
    peaks = {kind: max(cost.get(kind, 0.0) for cost in found.values()) for kind in kinds}
    return {"steps": found, "seconds": round(sum(cost["seconds"] for cost in found.values()), 1), **peaks}


def oracles(out: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Step of a method → the `labels` that an oracle learnt from, which no arm sees, and its scores on the test."""
    found = {name: read_json(out / name / "metrics.json") for name in names if Path(name).name.startswith(ORACLE)}
    return {
        name: {"labels": metrics["n_real"], "scores": metrics["arms"][REAL_ONLY]} for name, metrics in found.items()
    }


def measured(recipe: Recipe, plan: Comparison, budget: int, task: str) -> dict[str, dict[str, Any]]:
    """Folder of a measuring step of one budget and task → the `methods` that have it, and its `metrics`.

    The learning curve is measured beside the real-only runs; what other arms are worth is read off there.
    """
    found: dict[str, dict[str, Any]] = {}
    suffix = f"-{task}" if len(recipe.tasks) > 1 else ""
    curves: list[dict[str, Any]] = []
    for step in plan.steps:
        folder = step.folder
        if step.verb in MEASURES and folder.parent.name == str(budget) and folder.name.endswith(suffix):
            name = folder.relative_to(recipe.output).as_posix()
            methods = [method for method, names in plan.methods.items() if name in names]
            found[name] = {"methods": methods, "metrics": read_json(folder / "metrics.json")}
            if "curve" in found[name]["metrics"]:
                curves.append(found[name]["metrics"])
    for metrics in (entry["metrics"] for entry in found.values()):
        if curves and "curve" not in metrics and metrics["n_test"] == curves[0]["n_test"]:
            metrics["curve"] = read_off(curves[0]["curve"], metrics["arms"])
    return found
