"""The learning curve: real only at other numbers of labels, beside which every arm can be seen."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.errors import InputError
from handsoff.datasets.likeness import thumbnails
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation.arms import REAL, Arm
from handsoff.evaluation.data import EvaluationData, load_arrays, without
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.runs import Result, finished_runs
from handsoff.evaluation.settings import ALL_LABELS, EvaluateSettings, group_of, part_bounds
from handsoff.evaluation.worth import fitted_means, worth
from handsoff.jobs.progress import Progress
from handsoff.learning.data import LabelledArrays
from handsoff.report.verdict import lower_is_better
from handsoff.tasks.base import Task

FOLDER = "curve"  # of the runs, in that of the evaluation
REAL_ONLY = {REAL: (1.0, 1.0)}  # the shares of the arm whose curve it is


@dataclass(frozen=True)
class Curve:
    """What real only is trained on.

    Attributes:
        labels: all real samples that may be labels, those of the budget first.
        points: numbers of labels, ascending; a point is trained on so many of the first samples.
        budget: the number that the arms of the evaluation have, one of the points.
    """

    labels: LabelledArrays
    points: tuple[int, ...]
    budget: int

    def first(self, number: int) -> LabelledArrays:
        """The labels of a point."""
        return LabelledArrays(self.labels.images[:number], self.labels.labels[:number], self.labels.names[:number])

    def arms(self, others: Sequence[Arm]) -> dict[int, Arm]:
        """Number of labels → the arm to train there; not at the budget where one of `others` is real only anyway."""
        trained = any(arm.shares == REAL_ONLY for arm in others)
        numbers = [number for number in self.points if not (trained and number == self.budget)]
        return {number: Arm(f"real_only_{number}_labels", REAL_ONLY) for number in numbers}


# --- its labels ---


def require_labels(inputs: Inputs, settings: EvaluateSettings) -> None:
    """Refuse a curve for which there are too few labels, by their names alone.

    Raises:
        InputError: a point lies beyond the labels there are.
    """
    if settings.curve is not None:
        real = inputs.pools[REAL]
        points_of(settings, len(real.names), len(real.names) + len(further_labels(inputs, settings).names), real)


def further_labels(inputs: Inputs, settings: EvaluateSettings) -> LabelledDataset:
    """The real samples beyond those of the budget that the curve may use, perhaps none."""
    real = inputs.real
    start, stop = part_bounds(settings.curve_part)
    others = [part for part in (inputs.validation, inputs.test) if part is not None and part.source is real.source]
    taken = {*inputs.pools[REAL].names, *(name for part in others for name in part.names)}
    return replace(real, names=tuple(name for name in real.names[start:stop] if name not in taken))


def points_of(settings: EvaluateSettings, budget: int, count: int, real: LabelledDataset) -> tuple[int, ...]:
    """The numbers of labels in ascending order, "all" being `count`; the budget, which an arm has anyway, is one.

    Raises:
        InputError: there are fewer labels than one of them.
    """
    numbers = {count if point == ALL_LABELS else int(point) for point in settings.curve or ()}
    if max(numbers) > count:
        raise InputError(
            f"{real.source.path} has {count:,} labels for the curve and none for its point {max(numbers):,}: "
            "lower the point, or leave validation and test fewer samples (validation_part, test_part)."
        )
    return tuple(sorted({*numbers, budget}))


def load_curve(
    inputs: Inputs, data: EvaluationData, settings: EvaluateSettings
) -> Generator[Progress, None, Curve | None]:
    """Read the labels of the curve, None where none is asked for; none of them is a validation or test sample.

    Raises:
        InputError: a point lies beyond the labels there are, or a file is damaged.
    """
    if settings.curve is None:
        return None
    real, labels = inputs.pools[REAL], data.pools[REAL]
    held_out = [data.test, *([] if data.validation is None else [data.validation])]
    groups = {group_of(settings.group, name) for part in held_out for name in part.names} if settings.group else set()
    further = further_labels(inputs, settings)
    further = replace(further, names=tuple(n for n in further.names if group_of(settings.group, n) not in groups))
    if further.names:
        loaded = yield from load_arrays(further, inputs.task.name, inputs.frame, inputs.framing, "further")
        copied = np.concatenate([thumbnails(part.images) for part in held_out])
        labels = joined(labels, without(loaded, *held_out, copied=copied)[0])
    budget = len(data.pools[REAL])
    return Curve(labels, points_of(settings, budget, len(labels), real), budget)


def joined(first: LabelledArrays, second: LabelledArrays) -> LabelledArrays:
    images, labels = (
        np.concatenate([getattr(part, name) for part in (first, second)]) for name in ("images", "labels")
    )
    return LabelledArrays(images, labels, first.names + second.names)


# --- what came out ---


def curve_metrics(
    task: Task,
    curve: Curve | None,
    arms: Sequence[Arm],
    runs: Mapping[str, Sequence[Result]],
    out: Path,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """What metrics.json says of the curve: its points in the main metric, and what every other arm is worth."""
    if curve is None:
        return {}
    metric = next(iter(task.metrics))
    own = curve.arms(arms)
    trained = finished_runs(out / FOLDER, list(own.values()), settings.seeds)
    real_only = next((runs[arm.name] for arm in arms if arm.shares == REAL_ONLY), [])
    found = {number: trained[own[number].name] if number in own else real_only for number in curve.points}
    points = {number: [result.metrics[metric] for result in results] for number, results in found.items()}
    others = {
        arm.name: [result.metrics[metric] for result in runs[arm.name]] for arm in arms if arm.shares != REAL_ONLY
    }
    return {"curve": {"metric": metric, **summary(points, others, lower=task.metrics[metric].lower_is_better)}}


def summary(
    points: Mapping[int, Sequence[float]], arms: Mapping[str, Sequence[float]], *, lower: bool
) -> dict[str, Any]:
    """Points (as measured and as fitted) and worth of the arms; whatever has no score is left out."""
    known = {number: runs for number, runs in points.items() if np.isfinite(runs).all()}
    fitted = fitted_means(known, lower_is_better=lower)
    return {
        "points": {
            str(number): {
                "mean": float(np.mean(runs)),
                "std": float(np.std(runs)),
                "runs": list(runs),
                "fitted": fitted[number],
            }
            for number, runs in known.items()
        },
        "worth": {
            arm: asdict(worth(known, runs, lower_is_better=lower))
            for arm, runs in arms.items()
            if known and np.isfinite(runs).all()
        },
    }


def read_off(curve: Mapping[str, Any], arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`curve` of metrics.json with what the arms of another evaluation are worth, tested on the same photos.

    Args:
        curve: that of the evaluation that trained its points.
        arms: `arms` of the other's metrics.json: name → metric → mean, std and runs.
    """
    points = {int(number): entry["runs"] for number, entry in curve["points"].items()}
    others = {arm: found[curve["metric"]]["runs"] for arm, found in arms.items()}
    return {"metric": curve["metric"], **summary(points, others, lower=lower_is_better(curve["metric"]))}
