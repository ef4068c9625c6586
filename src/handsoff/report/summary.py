"""What a folder or zip is and what it holds, in short facts: for `handsoff inspect` and for the end of every verb."""

from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.formats.labelled import Labelled, open_labelled
from handsoff.formats.photos import Source, image_names, open_source
from handsoff.tasks import TASKS

Facts = list[tuple[str, str]]
LOOKED_AT = 500  # masks read to count classes
NOT_FACTS = frozenset({"verb", "inputs", "settings", "version", "recipe", "results", "schema"})


def describe(path: Path) -> tuple[str, Facts, Facts]:
    """What lies at `path`: (one line, facts, classes with how often they occur).

    Raises:
        InputError: nothing that HandsOff knows.
    """
    if path.is_dir() and (path / "job.json").is_file():
        job = read_json(path / "job.json")
        done = (path / "DONE").is_file()
        inputs = [(name, str(source.get("path"))) for name, source in job["inputs"].items()]
        pack = open_labelled(path) if job["verb"] == "generate" and done else None
        known = report_facts(read_json(path / "report.json")) if done else []
        state = "finished" if done else "not finished: the same command again goes on"
        return f"made by handsoff {job['verb']}, {state}", inputs + known + (labelled_facts(pack) if pack else []), occurrences(pack) if pack else []
    source = open_source(path)
    if any(is_label(PurePosixPath(name)) for name in source.sizes):
        pack = open_labelled(path)
        return "a labelled pack", labelled_facts(pack), occurrences(pack)
    try:
        return "unlabelled images", photo_facts(source), []
    except InputError:
        raise InputError(
            f"{path} is no folder of HandsOff, no labelled pack (images/ with masks/, keypoints.json or depth/) and holds no png, jpg or webp images."
        ) from None


def is_label(file: PurePosixPath) -> bool:
    """Whether a file lies where a task keeps its labels."""
    places = [place for task in TASKS.values() for place in task.places]
    return any(place.folder in file.parts[:-1] if place.suffixes else file.name == f"{place.folder}.json" for place in places)


def report_facts(report: dict[str, Any], prefix: str = "") -> Facts:
    """The numbers and short texts of a `report.json`, without what was asked for."""
    found: Facts = []
    for name, value in report.items():
        if isinstance(value, dict) and name not in NOT_FACTS and not prefix:
            found += report_facts(value, f"{name} ")
        elif isinstance(value, str | int | float) and name not in NOT_FACTS:
            found.append((prefix + name.replace("_", " "), shown(value)))
    return found


def shown(value: str | float) -> str:
    """A value for people: thousands separated, four digits of a fraction."""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,}"  # noqa: PLR2004  # whole numbers in sight


def labelled_facts(pack: Labelled) -> Facts:
    height, width = pack.image(pack.names[0]).shape[:2]
    return [("labelled samples", f"{len(pack.names):,}"), ("size of the first", f"{height} x {width} pixels"), ("labels for", ", ".join(pack.tasks))]


def occurrences(pack: Labelled) -> Facts:
    """Per class or point: in how many samples it occurs and its share, over the first few hundred."""
    names = pack.names[:LOOKED_AT]
    counts: dict[str, dict[str, list[tuple[int, float]]]] = {task: {} for task in pack.tasks}
    for name in names:
        for task, label in pack.sample(name)[1].items():
            for part, entry in pack.tasks[task].census(label[None]).items():
                counts[task].setdefault(part, []).append(entry)
    return [
        (part, f"in {sum(samples for samples, _ in entries):,} of {len(names):,}, {100 * sum(share for _, share in entries) / len(names):.1f} %")
        for found in counts.values()
        for part, entries in found.items()
    ]


def photo_facts(source: Source) -> Facts:
    names = image_names(source)
    return [("images", f"{len(names):,}"), ("bytes", f"{sum(source.sizes[name] for name in names):,}"), ("the first", names[0])]
