"""Commands that are no single step: `run`, `compare`, `demo`, `inspect`, `review`, `correct`, `export`, `push`."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handsoff.cli.app import command
from handsoff.cli.options import engine_of
from handsoff.cli.results import alone, cost, give_report, most_space, perform_work, show_run, warn_if_full
from handsoff.cli.steps import EngineName, Workers
from handsoff.core.errors import InputError
from handsoff.engines.choice import opened
from handsoff.terminal.console import give, say, show_facts, show_table, warn

if TYPE_CHECKING:  # these bring torch along
    from collections.abc import Sequence

    from handsoff.recipes.schema import Recipe
    from handsoff.runner.graph import Node

STATES = {"done": "done", "begun": "goes on", "to do": "to do", "stale": "out of date"}


@command()
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file, see docs/recipes.md.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write to this folder instead of the recipe's own.")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--dry-run", help="Show the steps, where they stand and what they may take; do nothing.")
    ] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Make steps that are out of date again.")] = False,  # noqa: FBT002  # as above
    engine: EngineName = None,
    workers: Workers = None,
) -> None:
    """Run a recipe from images and labels to the report; what is done is skipped."""
    alone()
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # brings torch along
    from handsoff.runner.graph import graph  # noqa: PLC0415  # as above
    from handsoff.runner.run import carry_out  # noqa: PLC0415  # as above

    plan, chosen = load_recipe(recipe, out), engine_of(None, engine, workers)
    nodes = graph(plan)
    if dry_run:
        show_steps(plan, nodes, "run")
        return
    if plan.generator is not None:
        from handsoff.generators.stored import generator_licence  # noqa: PLC0415  # as above

        say(f"Licence of everything generated: {generator_licence(plan.generator)}")
    warn_of_space(plan, nodes)
    with opened(chosen) as computing:
        outcome = perform_work(carry_out(plan, nodes, redo=redo, engine=computing), plan.output)
    show_run(plan.output, plan.reports())
    give_report("run", plan.output, outcome)


def warn_of_space(plan: "Recipe", nodes: "Sequence[Node]") -> None:
    """Say how much disk the datasets that are not made yet may take."""
    steps = [node.step for node in nodes if node.state != "done"]
    warn_if_full(plan.output, sum(most_space(step.verb, step.inputs, step.settings, plan.frame) for step in steps))


def show_steps(plan: "Recipe", nodes: "Sequence[Node]", verb: str) -> None:
    """Some steps, where they stand, and what is known of their cost."""
    rows = []
    for node in nodes:
        known = "" if node.state == "done" else cost(node.step.verb, node.step.inputs, node.step.settings, plan.frame)
        rows.append((node.name, node.step.verb, STATES[node.state], node.why or known))
    say(f"Steps in {plan.output}:")
    show_facts(rows)
    names = ("name", "verb", "state", "note")
    give({"verb": verb, "out": str(plan.output), "steps": [dict(zip(names, row, strict=True)) for row in rows]})


@command()
def compare(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file, see docs/recipes.md.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Write to this folder.", show_default=False)],
    methods: Annotated[
        str, typer.Option(metavar="A,B,…", help="The methods to run, see docs/compare.md.", show_default=False)
    ],
    dry_run: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--dry-run", help="Show the steps and where they stand; do nothing.")
    ] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Make steps that are out of date again.")] = False,  # noqa: FBT002  # as above
    engine: EngineName = None,
    workers: Workers = None,
) -> None:
    """Run several methods on the data of one recipe, and set what they reach side by side."""
    alone()
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # as above
    from handsoff.report.comparison import COMPARISON, tables  # noqa: PLC0415  # as above
    from handsoff.runner.compare import carry_out, graph  # noqa: PLC0415  # as above

    plan, names = load_recipe(recipe, out), list(dict.fromkeys(name.strip() for name in methods.split(",")))
    chosen = engine_of(None, engine, workers)
    nodes, comparison = graph(plan, names)
    if dry_run:
        show_steps(plan, nodes, "compare")
        return
    warn_of_space(plan, nodes)
    with opened(chosen) as computing:
        outcome = perform_work(carry_out(plan, nodes, comparison, redo=redo, engine=computing), plan.output)
    for table in tables(read_json(plan.output / COMPARISON)):
        show_table(table.title, table.header, table.rows)
    say(f"The whole comparison: {plan.output / 'compare.html'}")
    give_report("compare", plan.output, outcome)


@command()
def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write to this folder. [demo, or demo-full]")] = None,
    full: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--full", help="Draw 2,000 images and train to the end with three seeds.")
    ] = False,
) -> None:
    """Show all of it on rendered heads that come with HandsOff: 16 labels to a dataset and its report."""
    alone()
    from handsoff.demo import MINUTES, demo_recipe  # noqa: PLC0415  # brings torch along
    from handsoff.demo import demo as work  # noqa: PLC0415  # as above

    plan = demo_recipe(out, full=full)
    say(
        f"About {MINUTES[full]} minutes on two CPU cores with bfloat16 units, two to three times as long on others, less "
        "on a GPU; Ctrl-C stops it, the same command goes on."
    )
    outcome = perform_work(work(plan), plan.output)
    show_run(plan.output, plan.reports())
    say(f"Dataset: {plan.output / str(plan.largest) / 'dataset'}")
    say(f"Report: {plan.output / 'report.html'}")
    give_report("demo", plan.output, outcome)


@command()
def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder of HandsOff, a labelled dataset of any format, or images.")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a contact sheet, as PNG.")] = None,
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
        warn(problem)
    if out is not None:
        if not contact_sheet:
            raise InputError(f"{path} holds no images to show: leave -o away.")
        write_bytes(out, contact_sheet)
    result = {"verb": "inspect", "path": str(path), "what": what, "facts": dict(facts)}
    give({**result, "classes": dict(parts), "problems": problems})


@command()
def review(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET", help="The folder of handsoff generate, label or invert, or any labelled folder or zip."
        ),
    ],
    labeler: Annotated[
        Path | None,
        typer.Argument(metavar="LABELER", help="The folder of handsoff fit that learns from what you correct."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Listen there; any other than this one lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Listen on this port. [one that is free]", show_default=False)
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open no browser.")] = False,  # noqa: FBT002  # typer makes a flag of it
) -> None:
    """Look at a dataset in the browser, most uncertain first: accept, reject, correct, and learn from it."""
    alone()
    from handsoff.review.serve import HERE, serve  # noqa: PLC0415  # brings torch along

    if host != HERE:
        warn(
            f"Listening on {host}: whoever can reach this machine and has the address below sees these images and can "
            "change their labels, and whoever listens on the network can read along, for it is not encrypted."
        )

    def announce(address: str) -> None:
        say(f"Review {dataset}: {address}")
        say("Everything is saved at once; Ctrl-C ends it.")
        give({"verb": "review", "dataset": str(dataset), "url": address})
        if not no_browser:
            webbrowser.open(address)

    serve(dataset, labeler, announce, host=host, port=port)


@command()
def correct(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset whose labels were corrected.")],
    export: Annotated[
        Path,
        typer.Argument(metavar="EXPORT", help="What another tool exported, in any format that handsoff convert reads."),
    ],
    source: Annotated[
        str | None, typer.Option(help="The format of EXPORT, where HandsOff does not recognise it.")
    ] = None,
) -> None:
    """Take labels that were corrected in another tool as corrections of a dataset."""
    alone()
    from handsoff.review.returned import take_back  # noqa: PLC0415  # brings torch along
    from handsoff.terminal.progress import drain  # noqa: PLC0415  # as above

    taken = take_back(dataset, export, source)
    drain(taken.work())
    facts = [("finished in the other tool", taken.finished), ("of these with changed labels", taken.changed)]
    show_facts([("folder", str(taken.folder)), *((name, f"{value:,}") for name, value in facts)])
    for note in taken.notes:
        warn(note)
    give({"verb": "correct", "dataset": str(dataset), "finished": taken.finished, "changed": taken.changed})


@command()
def export(
    model: Annotated[
        Path,
        typer.Argument(metavar="REPORT|MODEL", help="The report of handsoff evaluate, or its folder model."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Write this file.", show_default=False)],
) -> None:
    """Write the best network of a trained model as one ONNX file, for use without HandsOff."""
    alone()
    from handsoff.learning.onnx import export as write  # noqa: PLC0415  # brings torch along

    write(model, out)
    say(f"Written: {out}. How to use it: docs/export.md.")
    give({"verb": "export", "model": str(model), "out": str(out)})


@command()
def push(
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help="The folder of handsoff generate, or of convert --format huggingface."),
    ],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Where it goes on the Hugging Face hub, as OWNER/NAME.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,  # noqa: FBT002  # typer makes a flag of it
) -> None:
    """Upload a dataset with its card to the Hugging Face hub."""
    from handsoff.datasets.hub import push as upload  # noqa: PLC0415  # brings torch along

    address = upload(dataset, repo, private=private)
    say(f"Uploaded to {address}")
    give({"verb": "push", "dataset": str(dataset), "url": address})
