"""HandsOff: a folder of images and a few labels in; a labelled dataset and an honest report out."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing handsoff alone loads no torch; the functions below do when they are called
    from handsoff.formats.samples import Dataset
    from handsoff.generators.contract import Generator
    from handsoff.labeling.labeler import Labeler

__all__ = ["__version__", "load_generator", "load_labeler", "open_dataset", "run"]
__version__ = version("handsoff-labels")


def load_generator(folder: Path | str) -> "Generator":
    """Read a generator that `handsoff train` or `handsoff import` wrote, on the best device.

    Raises:
        InputError: the folder is no generator or is damaged.
    """
    from handsoff.generators import stored  # noqa: PLC0415  # brings torch along

    return stored.load_generator(Path(folder))


def load_labeler(folder: Path | str) -> "Labeler":
    """Read a labeler that `handsoff fit` wrote, on the best device.

    Raises:
        InputError: the folder is no labeler or is damaged.
    """
    from handsoff.labeling import labeler  # noqa: PLC0415  # brings torch along

    return labeler.load_labeler(Path(folder))


def open_dataset(path: Path | str, source: str | None = None) -> "Dataset":
    """Open labelled images in a folder or zip of any format that HandsOff reads, without reading an image.

    Args:
        path: the folder or zip.
        source: the name of its format, where HandsOff does not recognise it, see docs/formats.md.

    Raises:
        InputError: it does not exist, is of no known format, or is not whole.
        UnknownNameError: there is no such format.
    """
    from handsoff.datasets.sources import open_source  # noqa: PLC0415  # brings torch along
    from handsoff.formats import exchange  # noqa: PLC0415  # as above

    return exchange.open_dataset(open_source(Path(path)), source)


def run(recipe: Path | str, output: Path | str | None = None, *, redo: bool = False) -> dict[str, Any]:
    """Do every step of a recipe that is not done yet, as `handsoff run`; returns the run's `report.json`.

    Args:
        recipe: a TOML file, see docs/recipes.md.
        output: the output folder, instead of the recipe's own.
        redo: make steps that are out of date again.

    Raises:
        HandsOffError: the recipe or its data cannot be used, or steps are out of date and `redo` is not set.
    """
    from handsoff import runner  # noqa: PLC0415  # brings torch along
    from handsoff.core.files import read_json  # noqa: PLC0415  # as above
    from handsoff.jobs.progress import run_to_end  # noqa: PLC0415  # as above
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # as above

    read = load_recipe(Path(recipe), None if output is None else Path(output))
    run_to_end(runner.run(read, redo=redo))
    report: dict[str, Any] = read_json(read.output / "report.json")
    return report
