"""How long every arm was trained, by which rule, and the model that came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handsoff.report.next_step import near, typed
from handsoff.report.verdict import arm_title, number, title

BEST = "the averaged weights that score best there are the ones that are tested"


@dataclass(frozen=True)
class TrainingRow:
    """One arm, in words: steps made, the step whose weights were tested, images seen, time, score on validation."""

    arm: str
    steps: str
    step: str
    images: str
    minutes: str
    validation: str


def training_rows(metrics: Mapping[str, Any]) -> list[TrainingRow]:
    """A row per arm; none where `metrics.json` does not say it."""
    return [
        TrainingRow(
            arm,
            between(entry["steps"]),
            between(entry["step"]),
            between(entry["images_seen"]),
            f"{sum(entry['seconds']) / len(entry['seconds']) / 60:,.1f} min",
            mean_of(entry["validation"]),
        )
        for arm, entry in (metrics.get("training") or {}).items()
    ]


def between(values: Sequence[int]) -> str:
    """The lowest and the highest of the runs.

    >>> between([900, 1200, 1000]), between([300])
    ('900–1,200', '300')
    """
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def mean_of(scores: Sequence[float]) -> str:
    return number(sum(scores) / len(scores) if scores else None)


def rule(metrics: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """When a run was over, in sentences; the same rule for every arm.

    Args:
        metrics: the content of `metrics.json`.
        settings: of `evaluate`, empty where they are not known.
    """
    if not metrics.get("training"):
        return []
    cap = f"{metrics['steps']:,} steps"
    if not metrics.get("n_validation"):
        return [f"Every run took {cap}, for no validation images could say when it is over; the last weights count."]
    patience = f"{settings['patience']:,} steps" if "patience" in settings else "a while"
    told = (
        "One rule for every arm: a run is over when its score on the validation images has not improved for "
        f"{patience}, or at the latest after {cap}; then the learning rate falls to 0 from the best moment on, and "
        f"{BEST}."
    )
    runs = [run for entry in metrics["training"].values() for run in zip(entry["steps"], entry["step"], strict=True)]
    most = metrics["steps"]
    waited_for = most - settings.get("cooldown", 0) - settings.get("patience", most)  # later bests had no such time
    ended = sum(steps >= most and best > waited_for for steps, best in runs)
    early = (
        f"{ended} of {len(runs)} runs were ended by that limit: with more --steps they may still improve."
        if ended
        else "No run was ended by that limit."
    )
    return [told, early]


def handed_over(metrics: Mapping[str, Any], report: Path) -> dict[str, str] | None:
    """Which model lies in the report's folder, why that one, and what to type to use it; None where there is none."""
    found = metrics.get("handed_over")
    if not found:
        return None
    name, test = title(found["metric"]), f"{number(found['test'])} on the test images"
    if found["by"] == "validation":
        why = (
            f"It was chosen by its score on the validation images, {name} {number(found['validation'])}; it has {test}."
        )
    else:
        why = f"Nothing chose it: without validation images it is the last arm. It has {name} {test}."
    label = typed("handsoff", "label", near(report), "PHOTOS", "-o", near(report.with_name("labelled-photos")))
    export = typed("handsoff", "export", near(report), "-o", near(report.with_name("model.onnx")))
    return {"sentence": f"The folder model holds the networks of “{arm_title(found['arm'])}”. {why}",
            "command": f"{label}\n{export}"}  # fmt: skip
