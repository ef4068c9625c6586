"""`handsoff demo`: from a few labels to the report, on rendered heads that come with the package."""

from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.jobs.progress import Work
from handsoff.recipes.load import load_recipe
from handsoff.recipes.schema import Recipe
from handsoff.runner.graph import OutOfDateError
from handsoff.runner.run import run

MINUTES = {False: 5, True: 120}  # --full → minutes on two CPU cores with bfloat16 units; 120 is the sum of its parts
DATA = Path(__file__).parent


def demo_recipe(out: Path | None = None, *, full: bool = False) -> Recipe:
    """The recipe of the quick demo, or of the full one: more images, longer training, three seeds."""
    return load_recipe(DATA / ("full.toml" if full else "demo.toml"), out)


def demo(recipe: Recipe) -> Work:
    """Run the recipe; its one report then also lies as `report.html` at the top of the output.

    Raises:
        InputError: the output folder holds something else, or what another version of the demo made.
    """
    try:
        outcome = yield from run(recipe)
    except OutOfDateError:
        raise InputError(
            f"{recipe.output} was made by another version of the demo, or changed since: choose another folder with "
            "-o, or delete that one."
        ) from None
    (report,) = recipe.reports().values()
    write_bytes(recipe.output / "report.html", (report / "report.html").read_bytes())
    return outcome
