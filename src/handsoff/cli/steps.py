"""One command per verb of `VERBS`: its inputs and its most used settings as options, all others through --set."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from handsoff.cli.app import Command, command
from handsoff.cli.options import about, engine_of, listing, parsed, settings_of
from handsoff.cli.results import (
    alone,
    most_space,
    perform,
    perform_quietly,
    show_aim,
    show_arms,
    show_scores,
    warn_if_full,
)
from handsoff.core.errors import InputError
from handsoff.jobs.folder import DONE
from handsoff.terminal.console import say, show_table
from handsoff.verbs import VERBS, Inputs

Out = Annotated[Path, typer.Option("-o", "--out", help="Write to this folder.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set any of the settings listed below; may be repeated."),
]
First = Annotated[int | None, typer.Option("--first", help="Use the first N labelled samples, in sorted order.")]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="local|processes|ray",
        help="Compute in this process, in processes of this machine, or on a Ray cluster, see docs/engines.md. [local]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Use so many processes or Ray tasks at once. [one per GPU, else one per core]"),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Take all random numbers from this seed. [0]")]


def step(verb: str) -> Callable[[Command], Command]:
    """Make a function the command of a verb."""
    return command(verb, about=VERBS[verb].summary, epilog=listing(verb))


@step("train")
def train(  # noqa: PLR0913, PLR0917  # one per option
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help=VERBS["train"].about("images"))],
    out: Out,
    kind: Annotated[str | None, typer.Option(help="Train a stylegan2 or a diffusion model. [stylegan2]")] = None,
    resolution: Annotated[str | None, typer.Option(help="Train at this size: H or HxW in pixels. [64]")] = None,
    kimg: Annotated[float | None, typer.Option(help="Train on this many thousand images.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Train for this many minutes.")] = None,
    init: Annotated[Path | None, typer.Option(metavar="GENERATOR", help=VERBS["train"].about("init"))] = None,
    seed: Seed = None,
    assignments: Set = None,
) -> None:
    settings = settings_of(
        "train", assignments, kind=kind, resolution=resolution, kimg=kimg, minutes=minutes, seed=seed
    )
    perform("train", {"images": images, "init": init}, out, settings)


@step("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help=VERBS["import"].about("checkpoint"))],
    out: Out,
    licence: Annotated[str | None, typer.Option(help="Record these terms, as the weights' makers state them.")] = None,
    framing: Annotated[
        str | None,
        typer.Option(help=about("import", "framing")),
    ] = None,
    assignments: Set = None,
) -> None:
    perform(
        "import", {"checkpoint": checkpoint}, out, settings_of("import", assignments, licence=licence, framing=framing)
    )


@step("invert")
def invert(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help=VERBS["fit"].about("generator"))],
    labelled: Annotated[Path, typer.Argument(metavar="LABELLED", help=VERBS["invert"].about("labelled"))],
    out: Out,
    first: First = None,
    engine: EngineName = None,
    workers: Workers = None,
    assignments: Set = None,
) -> None:
    settings = settings_of("invert", assignments, first=first)
    perform(
        "invert", {"generator": generator, "labelled": labelled}, out, settings, engine_of(assignments, engine, workers)
    )


@step("fit")
def fit(  # noqa: PLR0913, PLR0917  # one per option
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help=VERBS["fit"].about("generator"))],
    examples: Annotated[
        Path,
        typer.Argument(
            metavar="LATENTS|LABELLED",
            help=VERBS["fit"].about("examples"),
        ),
    ],
    out: Out,
    task: Annotated[str | None, typer.Option(help="Learn these labels, see docs/tasks.md. [segmentation]")] = None,
    corrected: Annotated[Path | None, typer.Option(help=VERBS["fit"].about("corrected"))] = None,
    denoiser: Annotated[Path | None, typer.Option(metavar="GENERATOR", help=VERBS["fit"].about("denoiser"))] = None,
    samples: Annotated[Path | None, typer.Option(help=VERBS["fit"].about("samples"))] = None,
    teacher: Annotated[Path | None, typer.Option(metavar="REPORT", help=VERBS["fit"].about("teacher"))] = None,
    assignments: Set = None,
) -> None:
    settings = settings_of("fit", assignments, task=task)
    more = {"corrected": corrected, "denoiser": denoiser, "samples": samples, "teacher": teacher}
    perform("fit", {"generator": generator, "examples": examples, **more}, out, settings)


@step("sample")
def sample(
    generator: Annotated[Path, typer.Argument(metavar="GENERATOR", help=VERBS["sample"].about("generator"))],
    out: Out,
    n: Annotated[int, typer.Option("-n", help="Draw this many images.", show_default=False)],
    seed: Seed = None,
    assignments: Set = None,
) -> None:
    perform("sample", {"generator": generator}, out, settings_of("sample", assignments, n=n, seed=seed))


@step("edit")
def edit(
    labeler: Annotated[Path, typer.Argument(metavar="LABELER", help=VERBS["edit"].about("labeler"))],
    examples: Annotated[Path, typer.Argument(metavar="LATENTS|LABELLED", help=VERBS["edit"].about("examples"))],
    out: Out,
    first: First = None,
    seed: Seed = None,
    assignments: Set = None,
) -> None:
    settings = settings_of("edit", assignments, first=first, seed=seed)
    perform("edit", {"labeler": labeler, "examples": examples}, out, settings)


@step("generate")
def generate(  # noqa: PLR0913, PLR0917  # one per option
    labelers: Annotated[
        list[Path],
        typer.Argument(metavar="LABELER...", help=VERBS["generate"].about("labelers")),
    ],
    out: Out,
    n: Annotated[int, typer.Option("-n", help="Draw this many samples.", show_default=False)],
    seed: Seed = None,
    keep: Annotated[float | None, typer.Option(help="Keep this share of them, the most certain ones. [0.9]")] = None,
    aim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,…",
            help="Compose a dataset that holds this, such as 'glasses=0.3, brightness=uniform'; may be repeated.",
        ),
    ] = None,
    edits: Annotated[Path | None, typer.Option(help=VERBS["generate"].about("edits"))] = None,
    engine: EngineName = None,
    workers: Workers = None,
    assignments: Set = None,
) -> None:
    wanted = None if aim is None else ", ".join(aim)
    settings: Any = settings_of("generate", assignments, n=n, seed=seed, keep=keep, aim=wanted)
    alone()
    from handsoff.generators.stored import read_card  # noqa: PLC0415  # brings torch along
    from handsoff.labeling.labeler import GENERATOR as FOLDER  # noqa: PLC0415  # as above
    from handsoff.synthesis.generate import labelers_licence  # noqa: PLC0415  # as above

    say(f"Licence of everything generated: {labelers_licence(labelers)}")
    inputs: Inputs = {"labelers": labelers, "edits": edits}
    if not (out / DONE).is_file():
        frame = read_card(labelers[0] / FOLDER).image_size
        warn_if_full(out, most_space("generate", inputs, settings, frame))
    perform("generate", inputs, out, settings, engine_of(assignments, engine, workers))
    show_aim(out)


@step("label")
def label(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="LABELER|REPORT... PHOTOS",
            help=f"{VERBS['label'].about('voters')} Last: {VERBS['label'].about('photos')}",
        ),
    ],
    out: Out,
    keep: Annotated[float | None, typer.Option(help="Keep this share of them, the most certain ones. [0.9]")] = None,
    apart: Annotated[list[Path] | None, typer.Option(help=VERBS["label"].about("apart"))] = None,
    engine: EngineName = None,
    workers: Workers = None,
    assignments: Set = None,
) -> None:
    settings: Any = settings_of("label", assignments, keep=keep)
    alone()
    *voters, photos = paths
    if not voters:
        raise InputError(f"Who labels {photos} is missing: give a labeler or a report before the photos.")
    from handsoff.synthesis.voter_cards import licence_of, origin_of, read_voters  # noqa: PLC0415  # brings torch along

    cards = read_voters(voters, settings)
    say(f"Licence: {licence_of(cards, origin_of(photos))}")
    inputs: Inputs = {"voters": voters, "photos": photos, "apart": apart or None}
    if not (out / DONE).is_file():
        warn_if_full(out, most_space("label", inputs, settings, cards[0].image_size))
    perform("label", inputs, out, settings, engine_of(assignments, engine, workers))


@step("evaluate")
def evaluate(  # noqa: PLR0913, PLR0917  # one per option
    real: Annotated[Path, typer.Option(help=VERBS["evaluate"].about("real"), show_default=False)],
    test: Annotated[Path, typer.Option(help=VERBS["evaluate"].about("test"), show_default=False)],
    out: Out,
    synthetic: Annotated[list[Path] | None, typer.Option(help=VERBS["evaluate"].about("synthetic"))] = None,
    validation: Annotated[Path | None, typer.Option(help=VERBS["evaluate"].about("validation"))] = None,
    before: Annotated[Path | None, typer.Option(metavar="REPORT", help=VERBS["evaluate"].about("before"))] = None,
    first: First = None,
    steps: Annotated[int | None, typer.Option(help="Train every run for at most so many steps. [3000]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train this many runs per arm. [3]")] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…,all",
            help="Also train real only on so many labels: it tells how many real labels an arm is worth.",
        ),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(metavar="NAMES|TOML", help="Train only these arms (A,B), or others, see docs/evaluate.md."),
    ] = None,
    engine: EngineName = None,
    workers: Workers = None,
    assignments: Set = None,
) -> None:
    given = {} if arms is None else {"arms": parsed(arms)}
    settings = settings_of("evaluate", assignments, first=first, steps=steps, seeds=seeds, curve=curve, **given)
    inputs: dict[str, Path | list[Path] | None] = {
        "real": real,
        "synthetic": synthetic or [],
        "test": test,
        "validation": validation,
        "before": before,
    }
    if perform_quietly("evaluate", inputs, out, settings, engine_of(assignments, engine, workers)) != "done":
        from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

        show_arms(read_json(out / "metrics.json"))
        say(f"The model: {out / 'model'}")
        say(f"The whole report: {out / 'report.html'}")


@step("score")
def score(
    voters: Annotated[list[Path], typer.Argument(metavar="LABELER|REPORT...", help=VERBS["score"].about("voters"))],
    test: Annotated[Path, typer.Option(help=VERBS["score"].about("test"), show_default=False)],
    out: Out,
    labelled: Annotated[Path | None, typer.Option(help=VERBS["score"].about("labelled"))] = None,
    assignments: Set = None,
) -> None:
    inputs: dict[str, Path | list[Path] | None] = {"voters": voters, "test": test, "labelled": labelled}
    if perform_quietly("score", inputs, out, settings_of("score", assignments)) != "done":
        from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

        show_scores(read_json(out / "metrics.json"))


@step("diagnose")
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=VERBS["diagnose"].about("run"))],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write to this folder. [RUN/diagnosis]")] = None,
    assignments: Set = None,
) -> None:
    settings = settings_of("diagnose", assignments)
    folder = out or run / "diagnosis"
    perform_quietly("diagnose", {"run": run}, folder, settings)
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.report.diagnosis import tables  # noqa: PLC0415  # as above

    for table in tables(read_json(folder / "diagnosis.json")):
        show_table(table.title, table.header, table.rows)
    say(f"With pictures: {folder / 'diagnosis.html'}")


@step("convert")
def convert(
    path: Annotated[Path, typer.Argument(metavar="PATH", help=VERBS["convert"].about("dataset"))],
    out: Out,
    form: Annotated[str | None, typer.Option("--format", help=about("convert", "format"))] = None,
    first: First = None,
    assignments: Set = None,
) -> None:
    perform("convert", {"dataset": path}, out, settings_of("convert", assignments, format=form, first=first))
