"""Commands that are no single step: `run`, `demo`, `inspect`, `export`, `push`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handsoff.cli.app import command
from handsoff.cli.results import alone, cost, give_report, perform_work, show_run, warn_if_full
from handsoff.core.errors import InputError
from handsoff.terminal.console import give, say, show_facts, warn

if TYPE_CHECKING:  # it brings torch along
    from handsoff.recipes.schema import Recipe

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
) -> None:
    """Run a recipe from images and labels to the report; what is done is skipped."""
    alone()
    from handsoff import runner  # noqa: PLC0415  # brings torch along
    from handsoff.recipes.load import load_recipe  # noqa: PLC0415  # as above
    from handsoff.synthesis.size import most_bytes  # noqa: PLC0415  # as above

    plan = load_recipe(recipe, out)
    if dry_run:
        show_steps(plan)
        return
    if plan.generator is not None:
        from handsoff.generators.stored import generator_licence  # noqa: PLC0415  # as above

        say(f"Licence of everything generated: {generator_licence(plan.generator)}")
    if not (plan.output / "DONE").is_file():
        settings: Any = plan.settings("generate")
        drawn = settings.most_draws * len(plan.budgets)
        warn_if_full(plan.output, most_bytes(plan.frame, len(plan.tasks), drawn))
    outcome = perform_work(runner.run(plan, redo=redo), plan.output)
    show_run(plan.output, plan.reports())
    give_report("run", plan.output, outcome)


def show_steps(plan: "Recipe") -> None:
    """The steps of a recipe, where they stand, and what is known of their cost."""
    from handsoff import runner  # noqa: PLC0415  # brings torch along

    rows = []
    for node in runner.graph(plan):
        known = "" if node.state == "done" else cost(node.step.verb, node.step.inputs, node.step.settings, plan.frame)
        rows.append((node.name, node.step.verb, STATES[node.state], node.why or known))
    say(f"Steps in {plan.output}:")
    show_facts(rows)
    names = ("name", "verb", "state", "note")
    give({"verb": "run", "out": str(plan.output), "steps": [dict(zip(names, row, strict=True)) for row in rows]})


@command()
def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write to this folder. [demo, or demo-full]")] = None,
    full: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--full", help="Draw 2,000 images and train to the end with three seeds.")
    ] = False,
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
