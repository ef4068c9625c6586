"""`handsoff run`: a TOML recipe → the steps in order; what is done is skipped, what was interrupted goes on."""

import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import image_names, open_source
from handsoff.formats.convert import chosen, convert
from handsoff.formats.exchange import FOLDER, format_of, open_dataset
from handsoff.generators.stored import generator_hash, read_card
from handsoff.inversion.invert import MIN_LABELLED
from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Progress, Work
from handsoff.methods import METHODS
from handsoff.recipes.schema import Pack, Recipe, Step

PATHS = ("images", "generator", "labelled", "test")  # relative to the recipe's folder; `output` is not
OWNED = {  # settings that follow from the top of the recipe
    "convert": {
        "format": "nothing: it is the folder format",
        "tasks": "tasks",
        "split": "split",
        "classes": "[classes]",
        "frame": "[train] resolution",
    },
    "train": {"framing": "[convert] framing"},
    "invert": {"first": "budgets", "skip": "budgets", "tasks": "tasks", "labels": "[labels]"},
    "fit": {"first": "budgets", "task": "tasks"},
    "evaluate": {"first": "budgets", "task": "tasks", "validation_part": "validation", "test_part": "test"},
}


def load_recipe(path: Path, output: Path | None = None) -> Recipe:
    """Read a recipe; `output` takes the place of the recipe's own.

    Raises:
        InputError: it is missing, not TOML, or says something that cannot be.
        UnknownNameError: there is no such method.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a recipe, a TOML file such as recipes/faces.toml.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not a readable TOML recipe ({error}).") from None
    unfold(path, values)
    if output is not None:
        values["output"] = output
    refuse_owned(path, values)
    try:
        recipe = Recipe(**values)
    except ValidationError as error:
        raise explained(error, Recipe, str(path)) from None
    if (recipe.images is None) == (recipe.generator is None):
        raise InputError(
            f"{path}: give either images (a folder or zip to train a generator on) or generator (one made earlier)."
        )
    if recipe.method not in METHODS:
        raise UnknownNameError("method", recipe.method, METHODS)
    return recipe.model_copy(
        update={name: path.parent / value for name in PATHS if (value := getattr(recipe, name)) is not None}
    )


def unfold(path: Path, values: dict[str, Any]) -> None:
    """One budget or one task may be written without the list around it."""
    if "budget" in values and "budgets" in values:
        raise InputError(f"{path}: budget and budgets say the same thing, keep one of them.")
    if "budget" in values:
        values["budgets"] = values.pop("budget")
    for name, kind in (("budgets", int), ("tasks", str)):
        if isinstance(values.get(name), kind):
            values[name] = [values[name]]


def refuse_owned(path: Path, values: dict[str, Any]) -> None:
    """Say where a setting belongs that a recipe states once for all steps; fill in what has a default here only."""
    for table, owners in OWNED.items():
        for name in values[table] if isinstance(values.get(table), dict) else ():
            if name in owners:
                raise InputError(f"{path}: [{table}] {name} follows from {owners[name]} in a recipe, set that.")
    if isinstance(values.get("generate"), dict):
        values["generate"].setdefault("n", Recipe.model_fields["generate"].default.n)
    if isinstance(values.get("train"), dict) and isinstance(values["train"].get("resolution"), int):
        values["train"]["resolution"] = str(values["train"]["resolution"])


def explained(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """The first thing pydantic found, in one sentence; an unknown name comes with the choices."""
    first = error.errors()[0]
    *tables, name = [str(part) for part in first["loc"]] or [""]
    for table in tables:
        inner = model.model_fields[table].annotation if table in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            name = table  # inside a list or a dict: name that
            break
        model, where = inner, f"{where}: [{table}]"
    if first["type"] == "extra_forbidden":
        return InputError(f"{where} has no setting {name!r}: choose one of {', '.join(sorted(model.model_fields))}.")
    if first["type"] == "missing":
        return InputError(f"{where} lacks {name}: {model.model_fields[name].description}.")
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return InputError(f"{where}: {name} = {first['input']} cannot be: {message[:1].lower()}{message[1:]}.")


def run(recipe: Recipe) -> Work:
    """Do every step of the recipe's method below `recipe.output`, then sum up in its `report.json`.

    Raises:
        InputError: data that cannot serve, seen before any work, or an output folder that holds something else.
    """
    check(recipe)
    conversions, ready = prepared(recipe)
    steps = [*conversions, *METHODS[recipe.method](ready)]
    job = open_job(recipe.output, Plan("run", sources(recipe), {"method": recipe.method}), beside="generator")
    spent: dict[str, float] = read_json(job.out / "seconds.json") if (job.out / "seconds.json").is_file() else {}
    before = [finished_at(step) for step in steps]
    with job.undone_if_refused():
        for step in steps:
            yield from advance(step, job.out, spent)
    if job.done and before == [finished_at(step) for step in steps]:
        return job.outcome
    job.reopen()
    shown = recipe.model_dump(mode="json")
    job.finish(
        recipe=shown,
        steps={name_of(step, job.out): spent.get(name_of(step, job.out)) for step in steps},
        results=results(recipe),
    )
    return job.outcome


def check(recipe: Recipe) -> None:
    """Refuse now what a step would refuse hours later.

    Raises:
        HandsOffError: a step would refuse its inputs or settings.
    """
    if recipe.images is not None:
        image_names(open_source(recipe.images))
    conversions, ready = prepared(recipe)
    converted = {step.folder for step in conversions}
    names = (
        listed(recipe, "labelled")
        if ready.labelled in converted
        else open_labelled(ready.labelled, recipe.options, recipe.tasks).names
    )
    if ready.test in converted:
        listed(recipe, "test")
    elif ready.test is not None:
        open_labelled(ready.test, tasks=recipe.tasks)
    if min(recipe.budgets) < MIN_LABELLED:
        raise InputError(f"A budget of {min(recipe.budgets)} labels is too small: use at least {MIN_LABELLED}.")
    needed = recipe.largest + recipe.validation + (ready.test is None)
    if len(names) < needed:
        rest = " and at least one for the test" if ready.test is None else ""
        wanted = f"{recipe.largest} labels, {recipe.validation} for validation{rest}"
        raise InputError(
            f"{recipe.labelled} holds {len(names)} labelled samples, too few for {wanted}: lower budgets or validation, or label more."
        )


def prepared(recipe: Recipe) -> tuple[list[Step], Recipe]:
    """The steps that bring packs into the folder format (and frame) where they are not, and the recipe that goes on from there."""
    steps: list[Step] = []
    found: dict[str, Path] = {}
    for pack, path in packs(recipe).items():
        if not recipe.convert.model_fields_set and pack not in recipe.split and format_of(open_source(path)) == FOLDER:
            found[pack] = path
        else:
            found[pack] = recipe.output / pack
            steps.append(
                Step(found[pack], partial(convert, path, found[pack], recipe.for_convert(pack, frame_text(recipe))))
            )
    return steps, recipe.model_copy(update=found)


def packs(recipe: Recipe) -> dict[Pack, Path]:
    """The labelled pack and, where it is another or another split of it, the test."""
    test = recipe.test or (recipe.labelled if "test" in recipe.split else None)
    return {"labelled": recipe.labelled, **({} if test is None else {"test": test})}


def listed(recipe: Recipe, pack: Pack) -> tuple[str, ...]:
    """The names of the samples of a pack that is to be converted."""
    path, settings = packs(recipe)[pack], recipe.for_convert(pack, frame_text(recipe))
    return chosen(open_dataset(open_source(path), settings.source), settings, str(path)).names


def frame_text(recipe: Recipe) -> str:
    """HxW of the generator, made already or yet to be trained."""
    return (
        recipe.train.resolution
        if recipe.generator is None
        else "x".join(map(str, read_card(recipe.generator).image_size))
    )


def sources(recipe: Recipe) -> dict[str, dict[str, str]]:
    """What the output folder belongs to: another budget or setting may be added later, other data may not."""
    if recipe.images is not None:
        origin = {"images": open_source(recipe.images).describe()}
    else:
        generator = recipe.generator or Path()
        origin = {"generator": {"path": str(generator.resolve()), "fingerprint": generator_hash(generator)}}
    return {**origin, "labelled": open_source(recipe.labelled).describe()}


def name_of(step: Step, out: Path) -> str:
    return step.folder.relative_to(out).as_posix()


def finished_at(step: Step) -> int | None:
    """When the step's folder was finished, None if it is not."""
    marker = step.folder / "DONE"
    return marker.stat().st_mtime_ns if marker.is_file() else None


def advance(step: Step, out: Path, spent: dict[str, float]) -> Iterator[Progress]:
    """Do one step, or say that it is done already; the seconds of all its parts are added up in `seconds.json`."""
    name, before, began = name_of(step, out), finished_at(step), time.monotonic()
    try:
        for progress in step.begin():
            yield replace(progress, stage=f"{name}: {progress.stage}")
    finally:
        if step.folder.is_dir() and (before is None or finished_at(step) != before):
            spent[name] = round(spent.get(name, 0.0) + time.monotonic() - began, 1)
            write_json(out / "seconds.json", spent)
    if before is not None and finished_at(step) == before:
        yield Progress(name, 1, 1, "done before, skipped")


def results(recipe: Recipe) -> dict[str, Any]:
    """Budget (and task, where there are several) → its `metrics.json`, for those that have one."""
    files = {name: folder / "metrics.json" for name, folder in recipe.reports().items()}
    return {name: read_json(file) for name, file in files.items() if file.is_file()}
