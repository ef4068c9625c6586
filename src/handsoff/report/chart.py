"""The table of the arms, and where every run lies on an axis that does not exaggerate."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from handsoff.pages.lines import round_ticks
from handsoff.report.verdict import (
    REAL_ONLY,
    Difference,
    Score,
    added_data,
    arm_title,
    difference,
    lower_is_better,
    main_metric,
    scores,
    title,
    verdict,
)

GOLDEN_ANGLE = 137.5  # degrees between the hues of two arms that follow one another: no two look alike
MIDDLE, SPREAD = 50, 60  # percent of a lane's height: where one run lies, and how far several are drawn apart


def colours(arms: Iterable[str]) -> dict[str, str]:
    """Arm → its colour in CSS: grey for real only, then two of the page's own, then one hue after the other."""
    others = [arm for arm in arms if arm != REAL_ONLY]
    own = ["var(--synthetic)", "var(--both)"][: len(others)]
    further = [f"hsl({round(index * GOLDEN_ANGLE) % 360} 50% 52%)" for index in range(1, len(others) - len(own) + 1)]
    return {REAL_ONLY: "var(--real)", **dict(zip(others, [*own, *further], strict=True))}


def headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """Verdict, table of the arms, and where every run lies on the main metric's axis."""
    found = scores(metrics)
    sentence, tone = verdict(found, added_data(metrics))
    names = list({name: None for arm in found.values() for name in arm})
    real = found.get(REAL_ONLY, {})

    def cell(arm: str, name: str) -> tuple[Score, Difference | None] | None:
        if name not in found[arm]:
            return None
        value = found[arm][name]
        return value, difference(value, real[name], name) if arm != REAL_ONLY and name in real else None

    return {
        "verdict": sentence,
        "tone": tone,
        "metrics": [(title(name), lower_is_better(name)) for name in names],
        "rows": [(arm, arm_title(arm), [cell(arm, name) for name in names]) for arm in found],
        "dots": dots(found),
    }


def dots(found: dict[str, dict[str, Score]]) -> dict[str, Any] | None:
    """Positions, in percent, of every run and mean of the main metric, and of the axis's ticks."""
    metric = main_metric(found)
    arms = {arm: entry[metric] for arm, entry in found.items() if metric in entry and math.isfinite(entry[metric].mean)}
    if not arms:
        return None
    values = [value for entry in arms.values() for value in (*entry.runs, entry.mean) if math.isfinite(value)]
    ticks = axis(values, share=not lower_is_better(metric))
    low, span = ticks[0], ticks[-1] - ticks[0]

    def percent(value: float) -> float:
        return round(100 * (value - low) / span, 2)

    lines = [
        (arm, arm_title(arm), entry.shown, percent(entry.mean), spread_out([percent(run) for run in entry.runs]))
        for arm, entry in arms.items()
    ]
    real = percent(arms[REAL_ONLY].mean) if REAL_ONLY in arms else None
    return {
        "metric": title(metric),
        "lower": lower_is_better(metric),
        "lines": lines,
        "ticks": [(percent(tick), f"{tick:g}") for tick in ticks],
        "real": real,
    }


def spread_out(positions: Sequence[float]) -> list[tuple[float, float]]:
    """Each run at a height of its own, in percent of the lane, so that equal ones do not hide each other."""
    gap = SPREAD / max(len(positions) - 1, 1)
    top = MIDDLE - gap * (len(positions) - 1) / 2
    return [(position, round(top + gap * index, 1)) for index, position in enumerate(positions)]


def axis(values: Sequence[float], *, share: bool) -> list[float]:
    """Round ticks from 0 to above the highest value; to 1 for a share, so that a small difference looks small.

    >>> axis([0.81, 0.83], share=True)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> axis([13.1, 14.9], share=False)
    [0.0, 5.0, 10.0, 15.0]
    """
    low, high = min(0.0, *values), max(*values, 0.0)
    if share and low == 0 and high <= 1:
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    return round_ticks(low, high if high > low else 1.0)
