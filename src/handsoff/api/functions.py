"""The verbs as plain Python functions: paths and keywords in, a folder out, progress shown where somebody looks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handsoff.api.signatures import AnyPath, as_text, document, signature_of
from handsoff.core.errors import nearest
from handsoff.engines.choice import EngineSettings, opened
from handsoff.jobs.progress import Work
from handsoff.recipes.errors import checked
from handsoff.terminal.console import console
from handsoff.terminal.progress import draw_bars, print_lines, show_nothing, shown
from handsoff.verbs import VERBS, Verb

if TYPE_CHECKING:  # these bring torch along
    from handsoff.formats.samples import Dataset
    from handsoff.generators.contract import Generator
    from handsoff.labeling.labeler import Labeler


def function_of(verb: Verb) -> Callable[..., Path]:
    """A verb as a function with the signature and the documentation that its inputs and settings make."""
    signature = signature_of(verb)

    def function(*positional: Any, **named: Any) -> Path:
        try:
            given = signature.bind(*positional, **named).arguments
        except TypeError as error:
            strange = next((name for name in named if name not in signature.parameters), "")
            question = nearest(strange, signature.parameters) if strange else ""
            raise TypeError(f"{verb.function}() {error}. {question.capitalize()}".strip()) from None
        out, progress = Path(given.pop("out")), given.pop("progress", None)
        inputs = {entry.name: paths(given.pop(entry.name, None), several=entry.several) for entry in verb.inputs}
        where = {name: given.pop(name) for name in EngineSettings.model_fields if name in given and verb.shards}
        settings = checked(verb.settings, as_text(verb, given), verb.function)
        with opened(checked(EngineSettings, where, verb.function)) as engine:
            do(verb.work(inputs, out, settings, engine), progress)
        return out

    function.__name__ = function.__qualname__ = verb.function
    function.__doc__, function.__module__ = document(verb), "handsoff"
    function.__signature__ = signature  # type: ignore[attr-defined]  # inspect looks for it
    return function


def paths(value: Any, *, several: bool) -> Path | list[Path] | None:
    """One path where one is expected; a list where there may be several."""
    if not several or value is None:
        return None if value is None else Path(value)
    return [Path(value)] if isinstance(value, str | os.PathLike) else [Path(entry) for entry in value]


def do(work: Work, progress: bool | None) -> None:  # noqa: FBT001  # as its callers got it
    """Do the work, showing how far it is where that is wanted."""
    seen = console.is_terminal or console.is_jupyter
    wanted = seen if progress is None else progress
    shown(work, (draw_bars if seen else print_lines) if wanted else show_nothing)


FUNCTIONS = {verb.function: function_of(verb) for verb in VERBS.values()}


def run(
    recipe: AnyPath,
    output: AnyPath | None = None,
    *,
    redo: bool = False,
    progress: bool | None = None,
    engine: Literal["local", "processes", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Do every step of a recipe that is not done yet, as `handsoff run`; returns the run's `report.json`.

    Args:
        recipe: A TOML file, see docs/recipes.md.
        output: The output folder, instead of the recipe's own.
        redo: Make steps that are out of date again.
        progress: Show how far the work is; unless said, in a terminal and in a notebook.
        engine: Who computes steps that are cut into shards, as for `generate`.
        workers: So many at once.
        address: Of the Ray cluster.

    Raises:
        HandsOffError: The recipe or its data cannot be used, or steps are out of date and `redo` is not set.
    """
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # as above
    from handsoff.runner.run import run as work  # noqa: PLC0415  # as above

    read = load_recipe(Path(recipe), None if output is None else Path(output))
    where = {"engine": engine, "workers": workers, "address": address}
    with opened(checked(EngineSettings, where, "run")) as computing:
        do(work(read, redo=redo, engine=computing), progress)
    report: dict[str, Any] = read_json(read.output / "report.json")
    return report


def load_generator(folder: AnyPath) -> "Generator":
    """Read a generator that `handsoff train` or `handsoff import` wrote, on the best device.

    Raises:
        InputError: The folder is no generator or is damaged.
    """
    from handsoff.generators import stored  # noqa: PLC0415  # brings torch along

    return stored.load_generator(Path(folder))


def load_labeler(folder: AnyPath) -> "Labeler":
    """Read a labeler that `handsoff fit` wrote, on the best device.

    Raises:
        InputError: The folder is no labeler or is damaged.
    """
    from handsoff.labeling import labeler  # noqa: PLC0415  # brings torch along

    return labeler.load_labeler(Path(folder))


def open_dataset(path: AnyPath, source: str | None = None) -> "Dataset":
    """Open labelled images in a folder or zip of any format that HandsOff reads, without reading an image.

    Args:
        path: The folder or zip.
        source: The name of its format, where HandsOff does not recognise it, see docs/formats.md.

    Raises:
        InputError: It does not exist, is of no known format, or is not whole.
        UnknownNameError: There is no such format.
    """
    from handsoff.datasets.sources import open_source  # noqa: PLC0415  # brings torch along
    from handsoff.formats import exchange  # noqa: PLC0415  # as above

    return exchange.open_dataset(open_source(Path(path)), source)
