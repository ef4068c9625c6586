"""The command line: every command parses its options, does the work with a progress bar, and prints one table."""

import errno
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from handsoff.cli.options import listing, parsed, settings_of
from handsoff.cli.terminal import complaints, drain, say, show_arms, show_facts, show_table
from handsoff.core.errors import HandsOffError, InputError
from handsoff.jobs.progress import Work
from handsoff.verbs import VERBS, Inputs

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # typer's UsageError, which it does not export
STATES = {"done": "done", "begun": "goes on", "to do": "to do", "stale": "out of date"}

SENTENCE = "A folder of images and a few labels in; a labelled dataset and an honest report out."
app = typer.Typer(rich_markup_mode=None, help=SENTENCE)

Out = Annotated[Path, typer.Option("-o", "--out", help="the output folder", show_default=False)]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="any setting listed below; may be repeated")
]
First = Annotated[int | None, typer.Option("--first", help="only the first N labelled samples in sorted order")]
Seed = Annotated[int | None, typer.Option("--seed", help="where all random numbers come from [0]")]


def show_version(wanted: bool) -> bool:  # noqa: FBT001  # typer calls it with the flag's value
    if wanted:
        say(f"handsoff {version('handsoff-labels')}")
        raise typer.Exit
    return wanted


@app.callback()
def handsoff(
    _version: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """A folder of images and a few labels in; a labelled dataset and an honest report out."""


@app.command(epilog=listing("train"))
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
    settings = settings_of("train", assignments, resolution=resolution, kimg=kimg, minutes=minutes, seed=seed)
    if perform("train", {"images": images}, out, settings):
        print_report(out)


@app.command("import", epilog=listing("import"))
def import_(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="a published StyleGAN2 checkpoint: .pkl, .pt, .pth or .safetensors")
    ],
    out: Out,
    licence: Annotated[str | None, typer.Option(help="the terms of the weights, as their makers state them")] = None,
    framing: Annotated[
        str | None, typer.Option(help="how photos got into its frame: crop, letterbox, pad or stretch [crop]")
    ] = None,
    assignments: Set = None,
) -> None:
    """Turn a published checkpoint into a generator; nothing in the file is run."""
    settings = settings_of("import", assignments, licence=licence, framing=framing)
    if perform("import", {"checkpoint": checkpoint}, out, settings):
        print_report(out)


@app.command(epilog=listing("invert"))
def invert(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help="the folder of handsoff train or import")],
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED", help="a folder or zip of images with masks, keypoints or depth")
    ],
    out: Out,
    first: First = None,
    assignments: Set = None,
) -> None:
    """Find the generator's latents of labelled photos."""
    settings = settings_of("invert", assignments, first=first)
    if perform("invert", {"generator": generator, "labelled": labelled}, out, settings):
        print_report(out)


@app.command(epilog=listing("fit"))
def fit(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help="the folder of handsoff train or import")],
    examples: Annotated[
        Path,
        typer.Argument(
            metavar="LATENTS|LABELLED",
            help="the folder of handsoff invert, a generated dataset with corrected labels, or labelled photos",
        ),
    ],
    out: Out,
    task: Annotated[str | None, typer.Option(help="which labels to learn, see docs/tasks.md [segmentation]")] = None,
    assignments: Set = None,
) -> None:
    """Train the labeler on latents or photos and their labels."""
    settings = settings_of("fit", assignments, task=task)
    if perform("fit", {"generator": generator, "examples": examples}, out, settings):
        print_report(out)


@app.command(epilog=listing("generate"))
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
    assignments: Set = None,
) -> None:
    """Draw a labelled dataset."""
    settings = settings_of("generate", assignments, n=n, seed=seed, keep=keep)
    alone()
    from handsoff.synthesis.generate import labeler_licence  # noqa: PLC0415  # brings torch along

    say(f"Licence of everything generated: {labeler_licence(labelers[0])}")
    if perform("generate", {"labelers": labelers}, out, settings):
        print_report(out)


@app.command(epilog=listing("evaluate"))
def evaluate(  # noqa: PLR0913, PLR0917  # one per option
    real: Annotated[Path, typer.Option(help="the labelled photos that were used", show_default=False)],
    synthetic: Annotated[
        list[Path],
        typer.Option(help="the folder of handsoff generate; may be repeated", show_default=False),
    ],
    test: Annotated[Path, typer.Option(help="labelled photos to test on", show_default=False)],
    out: Out,
    validation: Annotated[
        Path | None, typer.Option(help="labelled photos that choose the best moment of a run")
    ] = None,
    first: First = None,
    steps: Annotated[int | None, typer.Option(help="training steps of every run [700]")] = None,
    seeds: Annotated[int | None, typer.Option(help="runs per arm [3]")] = None,
    arms: Annotated[
        str | None, typer.Option(metavar="TOML", help="what every batch is made of, see docs/evaluate.md")
    ] = None,
    assignments: Set = None,
) -> None:
    """Measure what datasets are worth: real labels only, synthetic only and both, on real test photos."""
    given = {} if arms is None else {"arms": parsed(arms)}
    settings = settings_of("evaluate", assignments, first=first, steps=steps, seeds=seeds, **given)
    inputs: Inputs = {"real": real, "synthetic": synthetic, "test": test, "validation": validation}
    if perform("evaluate", inputs, out, settings):
        from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

        show_arms(read_json(out / "metrics.json"))
        say(f"The whole report: {out / 'report.html'}")


@app.command(epilog=listing("diagnose"))
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="the output folder of handsoff run")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the output folder [RUN/diagnosis]")] = None,
    assignments: Set = None,
) -> None:
    """Measure every link of a finished run on its own, to see where quality is lost."""
    settings = settings_of("diagnose", assignments)
    folder = out or run / "diagnosis"
    perform("diagnose", {"run": run}, folder, settings)
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.report.diagnosis import tables  # noqa: PLC0415  # as above

    for table in tables(read_json(folder / "diagnosis.json")):
        show_table(table.title, table.header, table.rows)
    say(f"With pictures: {folder / 'diagnosis.html'}")


@app.command(epilog=listing("convert"))
def convert(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a labelled dataset of any format, see docs/formats.md")],
    out: Out,
    form: Annotated[str | None, typer.Option("--format", help="how it is written [folder]")] = None,
    first: First = None,
    assignments: Set = None,
) -> None:
    """Turn labelled data of any format into any other."""
    settings = settings_of("convert", assignments, format=form, first=first)
    if perform("convert", {"dataset": path}, out, settings):
        print_report(out)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="a TOML file, see docs/recipes.md")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="the output folder, instead of the recipe's own")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the steps and where they stand; do nothing")] = False,  # noqa: FBT002  # typer makes a flag of it
    redo: Annotated[bool, typer.Option("--redo", help="make steps that are out of date again")] = False,  # noqa: FBT002  # as above
) -> None:
    """Run a recipe from images and labels to the report; what is done is skipped."""
    alone()
    from handsoff import runner  # noqa: PLC0415  # brings torch along
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # as above

    plan = load_recipe(recipe, out)
    if dry_run:
        rows = [(node.name, node.step.verb, STATES[node.state], node.why) for node in runner.graph(plan)]
        say(f"Steps in {plan.output}:")
        show_facts(rows)
        return
    if plan.generator is not None:
        from handsoff.generators.stored import generator_licence  # noqa: PLC0415  # as above

        say(f"Licence of everything generated: {generator_licence(plan.generator)}")
    perform_work(runner.run(plan, redo=redo), plan.output)
    show_run(plan.output, plan.reports())


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the output folder [demo, or demo-full]")] = None,
    full: Annotated[bool, typer.Option("--full", help="2,000 images, trained to the end with three seeds")] = False,  # noqa: FBT002  # typer makes a flag of it
) -> None:
    """Show all of it on rendered heads that come with HandsOff: 50 labels to a dataset and its report."""
    alone()
    from handsoff.demo import MINUTES, demo_recipe  # noqa: PLC0415  # brings torch along
    from handsoff.demo import demo as work  # noqa: PLC0415  # as above

    plan = demo_recipe(out, full=full)
    say(
        f"About {MINUTES[full]} minutes on two CPU cores with bfloat16 units, three times as long on others, less on a "
        "GPU; Ctrl-C stops it, the same command goes on."
    )
    perform_work(work(plan), plan.output)
    show_run(plan.output, plan.reports())
    say(f"Dataset: {plan.output / str(plan.largest) / 'dataset'}\nReport: {plan.output / 'report.html'}")


def show_run(out: Path, reports: dict[str, Path]) -> None:
    """The seconds of every step and the arms of every budget and task."""
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

    report = read_json(out / "report.json")
    seconds = {name: step["seconds"] for name, step in report["steps"].items()}
    show_facts([(name, "" if spent is None else f"{spent:,.1f} s") for name, spent in seconds.items()], "Time")
    for name, metrics in report["results"].items():
        if name in reports:
            budget, _, task = name.partition(" ")
            show_arms(metrics, f"{budget} labels{f', {task}' if task else ''}: {reports[name] / 'report.html'}")


@app.command()
def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="a folder of HandsOff, a labelled dataset of any format, or images")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="a contact sheet, as PNG")] = None,
) -> None:
    """Say what a folder or zip is, what it holds and what is wrong with it."""
    from handsoff.core.files import write_bytes  # noqa: PLC0415  # brings torch along
    from handsoff.inspection.inspect import describe  # noqa: PLC0415  # as above

    what, facts, parts, problems, contact_sheet = describe(path)
    say(f"{path}: {what}")
    show_facts(facts)
    if parts:
        show_facts(parts, "Classes")
    for problem in problems:
        say(f"! {problem}")
    if out is not None:
        if not contact_sheet:
            raise InputError(f"{path} holds no images to show: leave -o away.")
        write_bytes(out, contact_sheet)


def alone(verb: str | None = None) -> None:
    """Refuse several processes where one does all the work.

    Raises:
        HandsOffError: started by torchrun.
    """
    if verb != "train" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise HandsOffError("Only handsoff train can use several processes: start this command without torchrun.")


def perform(verb: str, inputs: Inputs, out: Path, settings: BaseModel) -> bool:
    """Do the work of a verb, showing it; False if `out` was finished before."""
    alone(verb)
    return perform_work(VERBS[verb].work(inputs, out, settings), out)


def perform_work(work: Work, out: Path) -> bool:
    """Do the work, showing it; False if `out` was finished before."""
    from handsoff.core.device import keep_freed_memory  # noqa: PLC0415  # brings torch along

    keep_freed_memory()
    done = drain(work) == "done"
    if done:
        say(f"{out} is finished already: nothing to do. For another result choose another output folder with -o.")
    return not done


def print_report(out: Path) -> None:
    """The key facts of a finished folder."""
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.inspection.inspect import report_facts  # noqa: PLC0415  # as above

    report = read_json(out / "report.json")
    show_facts([("folder", str(out)), *report_facts(report)])
    for note in report.get("notes", []):
        say(f"! {note}")


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0, 2 for what the user can mend, 130 when interrupted. A bug shows its traceback.
    """
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
        from handsoff.core.files import disk_error  # noqa: PLC0415  # brings torch along

        return complain(str(disk_error(Path(str(error.filename or "the output")), error)))
    if code == 130:  # noqa: PLR2004  # newer typer turns the interrupt into this itself
        say("stopped; run the same command again to continue", complaints)
    return int(code or 0)


def complain(sentence: str) -> int:
    say(f"handsoff: {sentence}", complaints)
    return 2
