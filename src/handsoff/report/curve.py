"""The learning curve: real labels alone at several numbers of labels, and how many of them each arm is worth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handsoff.pages.lines import round_ticks
from handsoff.report.verdict import Score, arm_title, best_arm, lower_is_better, score, scores, title

NEAREST = 7  # percent of the axis between two numbers of labels that are both written

Point = tuple[float, float]  # from the left and from the top, in percent of the plot


@dataclass(frozen=True)
class Level:
    """The score of an arm, a line across the plot."""

    arm: str
    title: str
    top: float
    shown: str
    worth: str


def worth_sentence(metrics: dict[str, Any]) -> str:
    """How many labels the best arm is worth; "" where no curve was measured or there is nothing to compare."""
    found = worth_of(metrics, best_arm(scores(metrics)) or "")
    if not found or not metrics.get("n_real"):
        return ""
    named = arm_title(str(best_arm(scores(metrics))))
    chosen = metrics.get("n_validation")
    beside = f" Both had {chosen:,} more to tell when a run is over." if chosen else ""
    return f"{metrics['n_real']:,} labels with HandsOff ({named}) do the work of {found}.{beside}"


def worth_of(metrics: Mapping[str, Any], arm: str) -> str:
    """What an arm is worth, in words: "92 labels (70 to 120)"; "" where that was not measured."""
    curve = metrics.get("curve") or {}
    found = (curve.get("worth") or {}).get(arm)
    if not found:
        return ""
    numbers = sorted(map(int, curve["points"]))
    side = {"fewer": "fewer than ", "more": "more than "}.get(found["beyond"], "")
    return f"{side}{found['labels']:,} labels{interval(found['low'], found['high'], numbers[0], numbers[-1])}"


def interval(low: int | None, high: int | None, first: int, last: int) -> str:
    """The interval in brackets; an end at one of the curve's own may lie beyond it.

    >>> interval(70, 120, 16, 200), interval(16, 120, 16, 200), interval(70, 200, 16, 200), interval(16, 200, 16, 200)
    (' (70 to 120)', ' (120 or fewer)', ' (70 or more)', ' (16 or fewer to 200 or more)')
    """
    if low is None or high is None:
        return " (by single runs)"
    if low == high:
        return ""
    if low == first and high == last:
        return f" ({low:,} or fewer to {high:,} or more)"
    if low == first:
        return f" ({high:,} or fewer)"
    return f" ({low:,} or more)" if high == last else f" ({low:,} to {high:,})"


def curve_chart(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Places, in percent of the plot, of the curve, its runs, the arms and the ticks; None where there is no curve."""
    curve = metrics.get("curve") or {}
    points = {int(number): entry for number, entry in (curve.get("points") or {}).items()}
    if not points:
        return None
    metric, stored = curve["metric"], {number: score(entry) for number, entry in points.items()}
    arms = {arm: found[metric] for arm, found in scores(metrics).items() if worth_of(metrics, arm)}
    values = [value for entry in (*stored.values(), *arms.values()) for value in (*entry.runs, entry.mean)]
    low, high = min(values), max(values)
    ticks = round_ticks(low, high)

    def top(value: float) -> float:
        return round(100 * (ticks[-1] - value) / (ticks[-1] - ticks[0]), 2)

    left = places(sorted(points))
    return {
        "metric": title(metric),
        "lower": lower_is_better(metric),
        "line": [(left[number], top(points[number].get("fitted", stored[number].mean))) for number in sorted(points)],
        "runs": [(left[number], top(run)) for number in sorted(points) for run in stored[number].runs],
        "means": [(left[number], top(stored[number].mean)) for number in sorted(points)],
        "levels": [
            Level(arm, arm_title(arm), top(entry.mean), entry.shown, worth_of(metrics, arm))
            for arm, entry in arms.items()
        ],
        "across": written(left),
        "up": [(top(tick), f"{tick:g}") for tick in ticks],
        "words": words(stored, metric),
    }


def places(numbers: list[int]) -> dict[int, float]:
    """Number of labels → its place on an axis of logarithms, in percent from the left.

    >>> places([16, 32, 256])
    {16: 0.0, 32: 25.0, 256: 100.0}
    """
    low, span = math.log2(numbers[0]), math.log2(numbers[-1] / numbers[0])
    return {number: round(100 * (math.log2(number) - low) / span, 2) if span else 50.0 for number in numbers}


def written(left: Mapping[int, float]) -> list[tuple[float, str]]:
    """The numbers that are written below the axis: those that have room beside the one before."""
    found: list[tuple[float, str]] = []
    for number, place in left.items():
        if not found or place - found[-1][0] >= NEAREST:
            found.append((place, f"{number:,}"))
    return found


def words(stored: Mapping[int, Score], metric: str) -> str:
    """The curve for those who do not see it."""
    listed = ", ".join(f"{number:,} labels: {entry.shown}" for number, entry in sorted(stored.items()))
    return f"{title(metric)} from real labels alone. {listed}."
