"""The result in plain words: a verdict, and what the numbers mean, also when synthetic data did not help."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from handsoff.tasks import METRICS

ARMS = {"real_only": "real only", "synthetic_only": "synthetic only", "real_plus_synthetic": "real + synthetic"}
CRITICAL = {
    2: 4.30,
    3: 3.18,
    4: 2.78,
    5: 2.57,
    6: 2.45,
    7: 2.36,
    8: 2.31,
    9: 2.26,
    10: 2.23,
    11: 2.20,
    12: 2.18,
}  # t at 5 %, by degrees of freedom
Tone = Literal["good", "even", "bad"]


@dataclass(frozen=True)
class Score:
    """One metric of one arm: mean and standard deviation (of these runs, not an estimate) over runs with different seeds."""

    mean: float
    std: float
    runs: tuple[float, ...]

    @property
    def shown(self) -> str:
        """Mean ± std where there are several runs."""
        if not math.isfinite(self.mean):
            return "–"
        return f"{self.mean:.3f} ± {self.std:.3f}" if len(self.runs) > 1 else f"{self.mean:.3f}"


@dataclass(frozen=True)
class Difference:
    """An arm minus the real-only arm.

    Attributes:
        change: in the metric's own units.
        gain: the same, positive when better.
        clear: larger than chance between runs would often make it; None where one run says nothing about that.
    """

    change: float
    gain: float
    clear: bool | None

    @property
    def shown(self) -> str:
        """Signed, with a real minus."""
        return f"{self.change:+.3f}".replace("-", "−") if math.isfinite(self.change) else "–"

    @property
    def tone(self) -> Tone:
        """Whether to be glad; what chance may have made is neither good nor bad."""
        if not self.clear or not math.isfinite(self.gain) or abs(self.gain) < 0.0005:  # noqa: PLR2004  # three decimals are shown
            return "even"
        return "good" if self.gain > 0 else "bad"


def title(metric: str) -> str:
    return METRICS[metric].title if metric in METRICS else metric


def lower_is_better(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].lower_is_better


def score(entry: object, count: int = 1) -> Score:
    """A score as `metrics.json` stores it: {"mean", "std"} with "runs" or of `count` runs, or a bare number."""
    if isinstance(entry, dict):
        mean = float("nan") if entry.get("mean") is None else float(entry["mean"])
        return Score(mean, float(entry.get("std") or 0.0), tuple(entry.get("runs") or [mean] * count))
    value = float(entry) if isinstance(entry, int | float) else float("nan")
    return Score(value, 0.0, (value,))


def difference(arm: Score, real: Score, metric: str) -> Difference:
    """How far an arm is from real only; clear by Student's t-test at 5 %."""
    change = arm.mean - real.mean
    gain = -change if lower_is_better(metric) else change
    sizes = len(arm.runs), len(real.runs)
    if min(sizes) == 1:
        return Difference(change, gain, None)
    freedom = sum(sizes) - 2
    pooled = (sizes[0] * arm.std**2 + sizes[1] * real.std**2) / freedom
    return Difference(
        change, gain, abs(change) > CRITICAL.get(freedom, 2.0) * math.sqrt(pooled * (1 / sizes[0] + 1 / sizes[1]))
    )


def scores(metrics: dict[str, Any]) -> dict[str, dict[str, Score]]:
    """Arm → metric → score, in the order of `ARMS`; arms that were not run are left out."""
    arms = metrics["arms"]
    return {arm: {name: score(entry) for name, entry in arms[arm].items()} for arm in ARMS if arm in arms}


def main_metric(found: dict[str, dict[str, Score]]) -> str:
    """The metric the verdict is about: the first one of the task."""
    names = {name: None for arm in found.values() for name in arm}
    return next((name for name in METRICS if name in names), next(iter(names), ""))


def verdict(found: dict[str, dict[str, Score]]) -> tuple[str, Tone]:
    """The headline: did the better of the two arms with synthetic data beat the real labels alone."""
    metric = main_metric(found)
    measured = {
        arm: entry[metric] for arm, entry in found.items() if metric in entry and math.isfinite(entry[metric].mean)
    }
    others = {arm: measured[arm] for arm in ("real_plus_synthetic", "synthetic_only") if arm in measured}
    real = measured.get("real_only")
    if real is None or not others:
        return "The three arms were not all measured, so nothing can be said about the gain.", "even"
    best = max(others, key=lambda arm: difference(others[arm], real, metric).gain)
    gap, arm, name = difference(others[best], real, metric), others[best], title(metric)
    values = f"{name} {real.mean:.3f} from the real labels alone, {arm.mean:.3f} with {'both' if best == 'real_plus_synthetic' else 'synthetic data only'}"
    if gap.clear is None:
        word = "better" if gap.gain > 0 else "no better"
        return f"Synthetic data did {word} in a single run: {values}.", "even"
    if gap.clear:
        return (
            (f"Synthetic data helped: {values}.", "good")
            if gap.gain > 0
            else (f"Synthetic data did not help: {values}.", "bad")
        )
    return f"Synthetic data made no clear difference: {values}.", "even"


def meaning(metrics: dict[str, Any], missing: Iterable[str] = ()) -> list[str]:
    """What the result means, in a few sentences.

    Args:
        metrics: the content of `metrics.json`.
        missing: classes or points that never occur in the generated labels.
    """
    found = scores(metrics)
    return [*synthetic_alone(found, main_metric(found)), *classes(metrics), *absent(list(missing)), *advice(found)]


def comparison(metrics: dict[str, Any]) -> str:
    """What was compared with what."""
    found = scores(metrics)
    real, synthetic, test = (metrics.get(name) for name in ("n_real", "n_synthetic", "n_test"))
    if real is None or synthetic is None or test is None:
        return ""
    chosen = f", its best moment chosen on {metrics['n_validation']:,} others" if metrics.get("n_validation") else ""
    seeds = max((len(entry.runs) for arm in found.values() for entry in arm.values()), default=1)
    return (
        f"The same small model was trained on {real:,} real labelled photos, on {synthetic:,} generated ones, and on both, "
        f"{'once' if seeds == 1 else f'{seeds} times'} each, and scored on {test:,} real photos{chosen}."
    )


def synthetic_alone(found: dict[str, dict[str, Score]], metric: str) -> list[str]:
    """How much of the real-only score is reached without the model seeing any real photo."""
    real, alone = found.get("real_only", {}).get(metric), found.get("synthetic_only", {}).get(metric)
    if real is None or alone is None or lower_is_better(metric) or not real.mean > 0:
        return []
    share = alone.mean / real.mean
    gap = "what is missing is how far generated photos and labels are from real ones"
    words = "the generated labels teach as well as the real ones" if share >= 1 else gap
    return [f"A model that has seen only generated photos reaches {share:.0%} of the real-only score: {words}."]


def per_class(metrics: dict[str, Any]) -> dict[str, dict[str, Score]]:
    """Class → arm → score."""
    stored = metrics.get("per_class") or {}
    names = {name: None for arm in ARMS for name in stored.get(arm, {})}
    counts = {
        arm: max((len(entry.runs) for entry in found.values()), default=1) for arm, found in scores(metrics).items()
    }
    return {
        name: {arm: score(stored[arm][name], counts.get(arm, 1)) for arm in ARMS if name in stored.get(arm, {})}
        for name in names
    }


def classes(metrics: dict[str, Any]) -> list[str]:
    """Which classes or points gain and which lose most when synthetic data is added."""
    whole = {
        name: arms for name, arms in per_class(metrics).items() if {"real_plus_synthetic", "real_only"} <= set(arms)
    }
    gaps = {name: difference(arms["real_plus_synthetic"], arms["real_only"], "") for name, arms in whole.items()}
    clear = {name: gap for name, gap in gaps.items() if gap.tone != "even"}
    gains = sorted((name for name in clear if clear[name].gain > 0), key=lambda name: -clear[name].gain)[:3]
    losses = sorted((name for name in clear if clear[name].gain < 0), key=lambda name: clear[name].gain)[:3]
    parts = [
        f"{verb} most: {', '.join(f'{name} ({clear[name].shown})' for name in found)}"
        for verb, found in (("Gained", gains), ("Lost", losses))
        if found
    ]
    return [f"One by one, with synthetic data added to the real. {'. '.join(parts)}."] if parts else []


def absent(missing: list[str]) -> list[str]:
    """What the generated labels do not contain cannot be learnt from them."""
    if not missing:
        return []
    return [
        f"Never seen in the generated labels that were looked at: {', '.join(missing)}. Synthetic data cannot teach what it does not contain."
    ]


def advice(found: dict[str, dict[str, Score]]) -> list[str]:
    """What to try when synthetic data did not help."""
    if verdict(found)[1] == "good" or len(found) < len(ARMS):
        return []
    steps = (
        "look at the inversions below, for a generator that cannot draw the labelled photos cannot carry their labels, and train it longer if they are poor; "
        "look at the labels of the generated images; then generate more, or keep fewer of the uncertain ones"
    )
    return [
        f"To get more out of it, in this order: {steps}. Until that changes the result, train on the real labels alone."
    ]


def caution(metrics: dict[str, Any]) -> list[str]:
    """How far the numbers can be trusted."""
    found = scores(metrics)
    metric = main_metric(found)
    runs = min((len(arm[metric].runs) for arm in found.values() if metric in arm), default=0)
    notes = []
    if runs == 1:
        notes.append(
            "Each arm was trained once, so the spread between runs is unknown: repeat with --seeds 3 before you decide anything."
        )
    elif runs > 1:
        rule = "a difference counts as clear when chance between runs would make it in fewer than one case of twenty"
        notes.append(f"± is the standard deviation over {runs} runs; {rule}.")
    if metrics.get("excluded_from_test"):
        notes.append(
            f"{metrics['excluded_from_test']:,} photos were left out of the test because they, or others of their group, served for training or validation."
        )
    return notes
