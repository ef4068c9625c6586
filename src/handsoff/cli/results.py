"""Doing the work of a command, and showing what came of it."""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from handsoff.cli.options import toml
from handsoff.core.errors import HandsOffError
from handsoff.engines.choice import EngineSettings, opened
from handsoff.jobs.folder import DONE, JOB
from handsoff.jobs.progress import Outcome, Work
from handsoff.terminal.console import console, detail, give, say, show_facts, show_table, warn
from handsoff.terminal.progress import drain, duration
from handsoff.verbs import VERBS, Inputs, given

HERE = EngineSettings()
AIM = "aim.json"  # in a dataset that was composed


def alone(verb: str | None = None) -> None:
    """Refuse several processes where one does all the work.

    Raises:
        HandsOffError: started by torchrun.
    """
    if verb != "train" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise HandsOffError("Only handsoff train can use several processes: start this command without torchrun.")


def perform(verb: str, inputs: Inputs, out: Path, settings: BaseModel, engine: EngineSettings = HERE) -> None:
    """Do the work of a verb and show its report."""
    if perform_quietly(verb, inputs, out, settings, engine) != "done":
        print_report(out)


def perform_quietly(
    verb: str, inputs: Inputs, out: Path, settings: BaseModel, engine: EngineSettings = HERE
) -> Outcome:
    """Do the work of a verb, showing how far it is; its report is shown by whoever calls."""
    alone(verb)
    for name, value in given(inputs).items():
        detail(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    for name, value in settings:
        detail(f"{name} = {toml(value)}" if value is not None else f"{name}: not set")
    with opened(engine) as chosen:
        outcome = perform_work(VERBS[verb].work(inputs, out, settings, chosen), out)
    give_report(verb, out, outcome)
    return outcome


def perform_work(work: Work, out: Path) -> Outcome:
    """Do the work, showing how far it is."""
    from handsoff.core.device import described, keep_freed_memory  # noqa: PLC0415  # brings torch along

    keep_freed_memory()
    detail(f"device: {described()}")
    outcome = drain(work)
    if outcome == "done":
        say(f"{out} is finished already: nothing to do. For another result choose another output folder with -o.")
    return outcome


def give_report(verb: str, out: Path, outcome: Outcome, **more: object) -> None:
    """What a command made, for scripts: a finished folder's whole report."""
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

    give({"verb": verb, "out": str(out), "outcome": outcome, **more, "report": read_json(out / "report.json")})


def print_report(out: Path) -> None:
    """The key facts of a finished folder."""
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.inspection.inspect import report_facts  # noqa: PLC0415  # as above

    report = read_json(out / "report.json")
    show_facts([("folder", str(out)), *report_facts(report)])
    for note in report.get("notes", []):
        warn(note)


def show_run(out: Path, reports: dict[str, Path]) -> None:
    """The time of every step and the arms of every budget and task."""
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along

    report = read_json(out / "report.json")
    seconds = {name: step["seconds"] for name, step in report["steps"].items()}
    show_facts([(name, "" if spent is None else f"{spent:,.1f} s") for name, spent in seconds.items()], "Time")
    for name, metrics in report["results"].items():
        if name in reports:
            budget, _, task = name.partition(" ")
            heading = f"{budget} labels{f', {task}' if task else ''}"
            if "voters" in metrics:  # of a method that trains no model: its labelers were tested as they are
                show_scores(metrics, heading)
            else:
                show_arms(metrics, f"{heading}: {reports[name] / 'report.html'}")


def show_arms(metrics: dict[str, Any], heading: str | None = None) -> None:
    """The scores of an evaluation, their differences to real only, the verdict, and what it is worth in labels."""
    from handsoff.report.curve import worth_sentence  # noqa: PLC0415  # brings torch along
    from handsoff.report.verdict import added_data, arm_title, difference, scores, title, verdict  # noqa: PLC0415  # as above

    found = scores(metrics)
    names, real = list({name: None for arm in found.values() for name in arm}), found.get("real_only")
    rows = []
    for arm, entry in found.items():
        gaps = {
            name: "" if arm == "real_only" or not real else f"  {difference(entry[name], real[name], name).shown}"
            for name in names
        }
        rows.append((arm_title(arm), *[f"{entry[name].shown}{gaps[name]}" for name in names]))
    show_table(heading, ("trained on", *[title(name) for name in names]), rows)
    say(verdict(found, added_data(metrics))[0])
    if sentence := worth_sentence(metrics):
        say(sentence)


def show_scores(metrics: dict[str, Any], heading: str | None = None) -> None:
    """What labelers and models score as they are."""
    from handsoff.report.verdict import scores, title  # noqa: PLC0415  # brings torch along

    found = scores(metrics)
    names = list({name: None for arm in found.values() for name in arm})
    rows = [(arm, *[entry[name].shown for name in names]) for arm, entry in found.items()]
    show_table(heading, ("labels of", *[title(name) for name in names]), rows)
    left_out = metrics["excluded_from_test"]
    rest = f"; {left_out:,} were left out, which one of them learnt from or was chosen by" if left_out else ""
    say(f"{metrics['n_test']:,} test images{rest}.")


def show_aim(out: Path) -> None:
    """What a dataset was to hold and what it holds, where it has an aim."""
    if not (out / AIM).is_file():
        return
    from handsoff.core.files import read_json  # noqa: PLC0415  # brings torch along
    from handsoff.report.composition import composition_table  # noqa: PLC0415  # as above

    table = composition_table(read_json(out / AIM))
    show_table(table.title, table.header[:-1], [row[:-1] for row in table.rows])  # the report has all of it


def most_space(verb: str, inputs: Inputs, settings: Any, frame: tuple[int, int]) -> int:
    """The bytes that the dataset of a step takes at most; 0 of steps that make none, or of photos yet to be made."""
    from handsoff.synthesis.label import photos_of  # noqa: PLC0415  # brings torch along
    from handsoff.synthesis.size import most_bytes  # noqa: PLC0415  # as above

    if verb == "generate":
        labelers = inputs["labelers"]
        return most_bytes(frame, len(labelers) if isinstance(labelers, list) else 1, settings.most_draws)
    photos, voters = inputs.get("photos"), inputs.get("voters")
    if verb == "label" and isinstance(photos, Path) and isinstance(voters, list) and is_there(photos):
        return most_bytes(frame, len(voters), len(photos_of(photos, settings).sizes))
    return 0


def is_there(photos: Path) -> bool:
    """Whether photos can be counted: not those that a step has yet to make, or has begun to."""
    return photos.exists() and ((photos / DONE).is_file() or not (photos / JOB).is_file())


def cost(verb: str, inputs: Inputs, settings: Any, frame: tuple[int, int]) -> str:
    """What is known of a step's time and disk before it begins, "" where that is nothing."""
    from handsoff.core.disk import size  # noqa: PLC0415  # brings torch along

    if needed := most_space(verb, inputs, settings, frame):
        return f"at most {size(needed)} on disk"
    if verb == "train" and settings.minutes is not None:
        return f"at most {duration(settings.minutes * 60)}"
    return ""


def warn_if_full(out: Path, needed: int) -> None:
    """Say how much disk something may take, as a warning where that is more than there is; nothing where it is 0."""
    from handsoff.core.disk import free_bytes, size  # noqa: PLC0415  # brings torch along

    if not needed:
        return
    free = free_bytes(out)
    sentence = f"{out} will take at most {size(needed)}; its disk has {size(free)} free."
    if needed > free:
        warn(f"{sentence} That may not be enough.")
    elif not console.quiet:
        say(sentence)
