"""The one command that most likely teaches more, from what was measured and from what the folders say of themselves."""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.report.parts import PartRow
from handsoff.report.verdict import best_arm, main_metric, scores, verdict

ENOUGH_RUNS = 5  # with no clear difference after as many, more of them say little
FEW_RUNS = 3
COCO = {"segmentation", "keypoints"}  # tasks whose labels COCO can hold
NEEDED = {"labels_part": "group", "curve_part": "curve"}  # evaluate refuses them alone, recipes state them always
OPTIONS = ("first", "steps", "seeds")  # settings of evaluate that have an option of their own


@dataclass(frozen=True)
class NextStep:
    """Why, and what to type; `then` is what no command does."""

    why: str
    command: str
    then: str = ""


def next_step(
    metrics: dict[str, Any], report: Path, datasets: Mapping[str, Path], rows: Sequence[PartRow]
) -> NextStep | None:
    """What to do next, None where the folders do not say how they were made."""
    plan, found = plan_of(report), scores(metrics)
    metric = main_metric(found)
    runs = min((len(arm[metric].runs) for arm in found.values() if metric in arm), default=0)
    sentence, tone = verdict(found)
    if not plan or not datasets or not runs or "not all measured" in sentence:
        return None
    if runs == 1:
        return more_runs(plan, report, FEW_RUNS, "One run per arm cannot tell a gain from luck: repeat it.")
    if tone == "even" and runs < ENOUGH_RUNS:
        why = f"The difference is smaller than {runs} runs can resolve: repeat with more."
        return more_runs(plan, report, ENOUGH_RUNS, why)
    pools = (metrics.get("shares") or {}).get(str(best_arm(found)), {})
    dataset = next((datasets[pool] for pool in pools if pool in datasets), next(iter(datasets.values())))
    if tone == "good":
        return into_training(dataset, str(metrics.get("task")), labels_for(rows))
    run = run_of(dataset)
    if run is not None and (dataset.parent / "dataset").is_dir():  # of generated images, which a diagnosis is about
        why = "It did not clearly help: measure where quality is lost between image and label."
        return NextStep(why, typed("handsoff", "diagnose", near(run)), labels_for(rows))
    why = "It did not clearly help: look at what the dataset holds, class by class."
    sheet = near(sibling(dataset, "samples.png"))
    return NextStep(why, typed("handsoff", "inspect", near(dataset), "-o", sheet), labels_for(rows))


def into_training(dataset: Path, task: str, then: str) -> NextStep:
    """The dataset in a format that other tools train from."""
    form, others = ("coco", "huggingface, webdataset or yolo") if task in COCO else ("huggingface", "webdataset")
    command = typed("handsoff", "convert", near(dataset), "--format", form, "-o", near(sibling(dataset, form)))
    why = f"It helped: take the data into your own training, in this format or another ({others})."
    return NextStep(why, command, then)


def plan_of(folder: Path) -> dict[str, Any]:
    """What a folder's `job.json` says, nothing where it has none or is damaged."""
    try:
        found = read_json(folder / "job.json")
    except InputError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("inputs"), dict) else {}


def run_of(dataset: Path) -> Path | None:
    """The folder of `handsoff run` that a dataset lies in."""
    return next((place for place in dataset.resolve().parents[:3] if plan_of(place).get("verb") == "run"), None)


def more_runs(plan: Mapping[str, Any], report: Path, seeds: int, why: str) -> NextStep | None:
    """The same evaluation with more seeds; the note is about this report and stays here."""
    inputs, settings = plan["inputs"], {**(plan.get("settings") or {}), "seeds": seeds}
    try:
        paths = {name: near(Path(entry["path"])) for name, entry in inputs.items()}
    except (KeyError, TypeError):
        return None
    words = ["handsoff", "evaluate"]
    for name, path in paths.items():
        words += [f"--{name.split()[0]}", path]
    for name, value in settings.items():
        if value is not None and name != "note" and settings.get(NEEDED.get(name, name)) is not None:
            words += [f"--{name}", str(value)] if name in OPTIONS else ["--set", f"{name}={written(value)}"]
    return NextStep(why, typed(*words, "-o", near(sibling(report, f"{seeds}-runs"))))


def written(value: object) -> str:
    """A setting as `--set` takes it: text as it is, all else as TOML.

    >>> written({"half": {"real": [0.5, 1.0]}})
    '{"half" = {"real" = [0.5, 1.0]}}'
    """
    toml = partial(json.dumps, ensure_ascii=False)  # JSON escapes of rare characters are no TOML
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(name)} = {written(entry)}" for name, entry in value.items()) + "}"
    return value if isinstance(value, str) else toml(value)


def labels_for(rows: Sequence[PartRow]) -> str:
    """Which part most needs more labels: the one that loses most, else the one that scores worst."""
    rows = [row for row in rows if row.tested]
    losing = next((row for row in rows if row.change is not None and row.change.tone == "bad"), None)
    if losing is not None and losing.change is not None:
        return f"More labelled images with “{losing.name}” would help most: it loses most ({losing.change.shown})."
    best = {row.name: max((cell.mean for cell in row.cells.values() if cell), default=math.nan) for row in rows}
    known = {name: score for name, score in best.items() if math.isfinite(score)}
    if not known:
        return ""
    name = min(known, key=lambda part: known[part])
    return f"More labelled images with “{name}” would help most: no arm gets above {known[name]:.3f} there."


def sibling(folder: Path, ending: str) -> Path:
    place = folder.resolve()
    return place.with_name(f"{place.stem if place.suffix == '.zip' else place.name}-{ending}")


def near(path: Path) -> str:
    """A path as seen from where the command was run, if it lies below."""
    place = path.resolve()
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)


def typed(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)
