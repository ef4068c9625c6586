"""The command line: thin verbs that parse, call, draw progress and print one table."""

import errno
import os
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from handsoff.cli.terminal import SPEAKS, complaints, drain, say, show_arms, show_facts
from handsoff.core.errors import HandsOffError, InputError
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.settings import ConvertSettings
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import Work
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis.settings import GenerateSettings
from handsoff.training.settings import TrainSettings

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # typer's UsageError, which it does not export
S = TypeVar("S", bound=BaseModel)

SENTENCE = "A folder of images and a few labels in; a labelled dataset and an honest report out."
app = typer.Typer(add_completion=False, rich_markup_mode=None, help=SENTENCE)

Out = Annotated[Path, typer.Option("-o", "--out", help="the output folder", show_default=False)]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="any setting listed below; may be repeated")
]
First = Annotated[int | None, typer.Option("--first", help="only the first N labelled samples in sorted order")]
Seed = Annotated[int | None, typer.Option("--seed", help="where all random numbers come from [0]")]


def listing(model: type[BaseModel]) -> str:
    """All settings of a verb, for the end of its help."""
    lines = []
    for name, field in model.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else f" [{field.default}]"
        lines.append(f"  {name}{default}{f': {field.description}' if field.description else ''}")
    return "\b\nSettings for --set, with their defaults:\n" + "\n".join(lines)


def settings_of(model: type[S], assignments: list[str] | None, **options: object) -> S:
    """The settings of a verb from its options and its `--set`s.

    Raises:
        InputError: an unknown name or an impossible value.
    """
    values: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for assignment in assignments or ():
        name, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"--set {assignment} lacks a value: write --set NAME=VALUE.")
        field = model.model_fields.get(name.strip())
        values[name.strip()] = (
            text.strip() if field is not None and field.annotation in (str, str | None) else parsed(text.strip())
        )
    try:
        return model(**values)
    except ValidationError as error:
        from handsoff.runner import explained  # noqa: PLC0415  # brings torch along

        raise explained(error, model, model.__name__.removesuffix("Settings").lower()) from None


def parsed(text: str) -> Any:
    """A table or list in TOML's notation as what it is; everything else as text, which pydantic turns into the setting's type."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"--set …={text} is not valid TOML ({error}).") from None


@app.command(epilog=listing(TrainSettings))
def train(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="a folder or zip of images")],
    out: Out,
    resolution: Annotated[str | None, typer.Option(help="H or HxW in pixels [64]")] = None,
    kimg: Annotated[float | None, typer.Option(help="train on this many thousand images")] = None,
    minutes: Annotated[float | None, typer.Option(help="train for this long")] = None,
    seed: Seed = None,
    assignments: Set = None,
) -> None:
    """Train a generator on a folder or zip of unlabelled images."""
    settings = settings_of(TrainSettings, assignments, resolution=resolution, kimg=kimg, minutes=minutes, seed=seed)
    from handsoff.training.gan.train import train as work  # noqa: PLC0415

    if perform(work(images, out, settings), out):
        print_report(out)


@app.command("import")
def import_(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="a published StyleGAN2 checkpoint: .pkl, .pt, .pth or .safetensors")
    ],
    out: Out,
    licence: Annotated[str | None, typer.Option(help="the terms of the weights, as their makers state them")] = None,
) -> None:
    """Turn a published checkpoint into a generator; nothing in the file is run."""
    alone()
    from handsoff.generators.checkpoints.importing import ImportSettings, import_checkpoint  # noqa: PLC0415

    if perform(import_checkpoint(checkpoint, out, ImportSettings(licence=licence)), out):
        print_report(out)


@app.command(epilog=listing(InvertSettings))
def invert(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help="the folder of handsoff train")],
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED", help="a folder or zip of images with masks, keypoints or depth")
    ],
    out: Out,
    first: First = None,
    assignments: Set = None,
) -> None:
    """Find the generator's codes of labelled photos."""
    settings = settings_of(InvertSettings, assignments, first=first)
    alone()
    from handsoff.inversion.invert import invert as work  # noqa: PLC0415

    if perform(work(generator, labelled, out, settings), out):
        print_report(out)


@app.command(epilog=listing(FitSettings))
def fit(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help="the folder of handsoff train")],
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="the folder of handsoff invert")],
    out: Out,
    task: Annotated[str | None, typer.Option(help="segmentation, keypoints, depth or normals [segmentation]")] = None,
    assignments: Set = None,
) -> None:
    """Train the label generator on codes and their labels."""
    settings = settings_of(FitSettings, assignments, task=task)
    alone()
    from handsoff.labeling.fit import fit as work  # noqa: PLC0415

    if perform(work(generator, codes, out, settings), out):
        print_report(out)


@app.command(epilog=listing(GenerateSettings))
def generate(
    labelers: Annotated[
        list[Path],
        typer.Argument(
            metavar="LABELER...", help="the folder of handsoff fit; several of one generator label together"
        ),
    ],
    out: Out,
    n: Annotated[int, typer.Option("-n", help="how many samples to draw", show_default=False)],
    seed: Seed = None,
    keep: Annotated[float | None, typer.Option(help="share of them to keep, the most certain ones [0.9]")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="a format to write the dataset in as well [folder]")
    ] = None,
    assignments: Set = None,
) -> None:
    """Draw a labelled dataset."""
    settings = settings_of(GenerateSettings, assignments, n=n, seed=seed, keep=keep, format=form)
    alone()
    from handsoff.synthesis.generate import generate as work  # noqa: PLC0415
    from handsoff.synthesis.generate import labeler_licence  # noqa: PLC0415

    say(f"Licence of everything generated: {labeler_licence(labelers[0])}")
    if perform(work(labelers, out, settings), out):
        print_report(out)


@app.command(epilog=listing(EvaluateSettings))
def evaluate(  # noqa: PLR0913, PLR0917  # one per option
    real: Annotated[Path, typer.Option(help="the labelled photos that were used", show_default=False)],
    synthetic: Annotated[Path, typer.Option(help="the folder of handsoff generate", show_default=False)],
    test: Annotated[Path, typer.Option(help="labelled photos to test on", show_default=False)],
    out: Out,
    validation: Annotated[
        Path | None, typer.Option(help="labelled photos that choose the best moment of a run")
    ] = None,
    first: First = None,
    steps: Annotated[int | None, typer.Option(help="training steps of every run [700]")] = None,
    seeds: Annotated[int | None, typer.Option(help="runs per arm [3]")] = None,
    assignments: Set = None,
) -> None:
    """Measure what the dataset is worth: real only, synthetic only and both, on real test photos."""
    settings = settings_of(EvaluateSettings, assignments, first=first, steps=steps, seeds=seeds)
    alone()
    from handsoff.core.files import read_json  # noqa: PLC0415
    from handsoff.evaluation.evaluate import evaluate as work  # noqa: PLC0415

    if perform(work(real, synthetic, test, out, settings, validation), out):
        show_arms(read_json(out / "metrics.json"))
        say(f"The whole report: {out / 'report.html'}")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="a TOML file, see docs/recipes.md")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="the output folder, instead of the recipe's own")
    ] = None,
) -> None:
    """Run a recipe from images and labels to the report; what is done is skipped."""
    alone()
    from handsoff.runner import load_recipe  # noqa: PLC0415
    from handsoff.runner import run as work  # noqa: PLC0415

    plan = load_recipe(recipe, out)
    if plan.generator is not None:
        from handsoff.generators.stored import generator_licence  # noqa: PLC0415

        say(f"Licence of everything generated: {generator_licence(plan.generator)}")
    perform(work(plan), plan.output)
    show_run(plan.output, plan.reports())


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the output folder [demo, or demo-full]")] = None,
    full: Annotated[bool, typer.Option("--full", help="2,000 images, trained to the end with three seeds")] = False,  # noqa: FBT002  # typer makes a flag of it
) -> None:
    """Show all of it on rendered heads that come with HandsOff: 50 labels to a dataset and its report."""
    alone()
    from handsoff.demo import MINUTES, demo_recipe  # noqa: PLC0415
    from handsoff.demo import demo as work  # noqa: PLC0415

    plan = demo_recipe(out, full=full)
    say(f"About {MINUTES[full]} minutes on two CPU cores, less on a GPU; Ctrl-C stops it, the same command goes on.")
    perform(work(plan), plan.output)
    show_run(plan.output, plan.reports())
    say(f"Dataset: {plan.output / str(plan.largest) / 'dataset'}\nReport: {plan.output / 'report.html'}")


def show_run(out: Path, reports: dict[str, Path]) -> None:
    """The seconds of every step and the arms of every budget and task."""
    from handsoff.core.files import read_json  # noqa: PLC0415

    report = read_json(out / "report.json")
    show_facts(
        [(name, "" if seconds is None else f"{seconds:,.1f} s") for name, seconds in report["steps"].items()], "Time"
    )
    for name, metrics in report["results"].items():
        budget, _, task = name.partition(" ")
        show_arms(metrics, f"{budget} labels{f', {task}' if task else ''}: {reports[name] / 'report.html'}")


@app.command(epilog=listing(ConvertSettings))
def convert(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a labelled pack of any format, see docs/formats.md")],
    out: Out,
    form: Annotated[str | None, typer.Option("--format", help="how it is written [folder]")] = None,
    first: First = None,
    assignments: Set = None,
) -> None:
    """Turn labelled data of any format into any other."""
    settings = settings_of(ConvertSettings, assignments, format=form, first=first)
    alone()
    from handsoff.formats.convert import convert as work  # noqa: PLC0415

    if perform(work(path, out, settings), out):
        print_report(out)


@app.command()
def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="a folder of HandsOff, a labelled pack of any format, or images")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="a contact sheet, as PNG")] = None,
) -> None:
    """Say what a folder or zip is, what it holds and what is wrong with it."""
    from handsoff.core.files import write_bytes  # noqa: PLC0415
    from handsoff.inspection.inspect import describe  # noqa: PLC0415

    what, facts, parts, problems, sheet = describe(path)
    say(f"{path}: {what}")
    show_facts(facts)
    if parts:
        show_facts(parts, "Classes")
    for problem in problems:
        say(f"! {problem}")
    if out is not None:
        if not sheet:
            raise InputError(f"{path} holds no images to show: leave -o away.")
        write_bytes(out, sheet)


def alone() -> None:
    """Refuse several processes where one does all the work.

    Raises:
        HandsOffError: started by torchrun.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise HandsOffError("Only handsoff train can use several processes: start this command without torchrun.")


def perform(work: Work, out: Path) -> bool:
    """Do the work, showing it; False if `out` was finished before."""
    from handsoff.core.device import keep_freed_memory  # noqa: PLC0415  # torch is loaded when there is work

    keep_freed_memory()
    marker = out / "DONE"
    before = marker.stat().st_mtime_ns if marker.is_file() else None
    drain(work)
    if SPEAKS and before is not None and marker.is_file() and marker.stat().st_mtime_ns == before:
        say(f"{out} is finished already: nothing to do. For another result choose another output folder with -o.")
        return False
    return True


def print_report(out: Path) -> None:
    """The key facts of a finished folder."""
    from handsoff.core.files import read_json  # noqa: PLC0415
    from handsoff.inspection.inspect import report_facts  # noqa: PLC0415

    if SPEAKS:
        show_facts([("folder", str(out)), *report_facts(read_json(out / "report.json"))])


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code is 0, 2 for what the user can mend, 130 when interrupted. A bug shows its traceback."""
    try:
        code = app(
            args=(sys.argv[1:] if arguments is None else arguments) or ["--help"],
            prog_name="handsoff",
            standalone_mode=False,
        )
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except HandsOffError as error:
        return complain(str(error))
    except USAGE_ERROR as error:
        return complain(f"{error.format_message().rstrip('.')}. See handsoff --help.")  # type: ignore[attr-defined]  # UsageError has it
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        from handsoff.core.files import disk_error  # noqa: PLC0415

        return complain(str(disk_error(Path(str(error.filename or "the output")), error)))
    if code == 130:  # noqa: PLR2004  # newer typer turns the interrupt into this itself
        say("stopped; run the same command again to continue", complaints)
    return int(code or 0)


def complain(sentence: str) -> int:
    say(f"handsoff: {sentence}", complaints)
    return 2
