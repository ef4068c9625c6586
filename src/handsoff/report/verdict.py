"""Scores, their differences, and the verdict: did the best of the other arms beat the real labels alone."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from handsoff.tasks import all_metrics

REAL_ONLY, SYNTHETIC_ONLY, BOTH = STANDARD = ("real_only", "synthetic_only", "real_plus_synthetic")
SYNTHETIC, PHOTOS = "synthetic data", "labelled photos"  # what is added to the real labels
CRITICAL = {  # t at 5 %, by degrees of freedom
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 11: 2.20, 12: 2.18,
    14: 2.15, 16: 2.12, 18: 2.10, 20: 2.09, 25: 2.06, 30: 2.04, 40: 2.02, 60: 2.00, 120: 1.98,
}  # fmt: skip
VISIBLE = 0.0005  # smaller differences round to nothing: three decimals are shown
Tone = Literal["good", "even", "bad"]


@dataclass(frozen=True)
class Score:
    """One metric of one arm: mean and standard deviation over its runs with different seeds.

    The standard deviation is that of these runs, not an estimate of that of all possible runs.
    """

    mean: float
    std: float
    runs: tuple[float, ...]

    @property
    def shown(self) -> str:
        """Mean ± std where there are several runs."""
        many = math.isfinite(self.mean) and len(self.runs) > 1
        return f"{number(self.mean)} ± {self.std:.3f}" if many else number(self.mean)


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
        """Better or worse; "even" where the difference may be chance."""
        if not self.clear or not math.isfinite(self.gain) or abs(self.gain) < VISIBLE:
            return "even"
        return "good" if self.gain > 0 else "bad"


def number(value: float | None) -> str:
    """A score with three decimals, a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def arm_title(arm: str) -> str:
    """An arm's name for people: "real_plus_synthetic" is "real + synthetic"."""
    return arm.replace("_plus_", " + ").replace("_", " ")


def title(metric: str) -> str:
    found = all_metrics().get(metric)
    return found.title if found else metric


def lower_is_better(metric: str) -> bool:
    found = all_metrics().get(metric)
    return found is not None and found.lower_is_better


def score(entry: object, count: int = 1) -> Score:
    """A score as `metrics.json` stores it: {"mean", "std"} with "runs" or of `count` runs, or a bare number."""
    if isinstance(entry, dict):
        mean = float("nan") if entry.get("mean") is None else float(entry["mean"])
        return Score(mean, float(entry.get("std") or 0.0), tuple(entry.get("runs") or [mean] * count))
    value = float(entry) if isinstance(entry, int | float) else float("nan")
    return Score(value, 0.0, (value,))


def critical(freedom: float) -> float:
    """Student's t that chance exceeds in one case of twenty (two-sided), or a little more than that.

    >>> critical(2), critical(13.7), critical(1000)
    (4.3, 2.18, 1.98)
    """
    return CRITICAL[max(known for known in CRITICAL if known <= max(freedom, min(CRITICAL)))]


def difference(arm: Score, real: Score, metric: str) -> Difference:
    """How far an arm is from real only; clear by Student's t-test at 5 %."""
    change = arm.mean - real.mean
    gain = -change if lower_is_better(metric) else change
    sizes = len(arm.runs), len(real.runs)
    if min(sizes) == 1:
        return Difference(change, gain, None)
    freedom = sum(sizes) - 2
    pooled = (sizes[0] * arm.std**2 + sizes[1] * real.std**2) / freedom
    least = critical(freedom) * math.sqrt(pooled * (1 / sizes[0] + 1 / sizes[1]))
    return Difference(change, gain, abs(change) > least)


def scores(metrics: dict[str, Any]) -> dict[str, dict[str, Score]]:
    """Arm → metric → score, in the order of running."""
    return {arm: {name: score(entry) for name, entry in found.items()} for arm, found in metrics["arms"].items()}


def main_metric(found: dict[str, dict[str, Score]]) -> str:
    """The metric the verdict is about: the first one of the task."""
    names = {name: None for arm in found.values() for name in arm}
    return next((name for name in all_metrics() if name in names), next(iter(names), ""))


def best_arm(found: dict[str, dict[str, Score]]) -> str | None:
    """The arm other than real only that is best in the main metric; None where there is nothing to compare."""
    metric = main_metric(found)
    means = {arm: entry[metric].mean for arm, entry in found.items() if metric in entry}
    others = {arm: mean for arm, mean in means.items() if arm != REAL_ONLY and math.isfinite(mean)}
    if not math.isfinite(means.get(REAL_ONLY, math.nan)) or not others:
        return None
    order = sorted(others, key=lambda arm: arm != BOTH)  # of two that are alike, both before one
    return (min if lower_is_better(metric) else max)(order, key=lambda arm: others[arm])


def added_arm(found: dict[str, dict[str, Score]]) -> str | None:
    """The arm that shows what data adds to the real labels: real + synthetic among the standard arms, else the best."""
    return BOTH if BOTH in found and "real_plus_photos" not in found else best_arm(found)


def added_data(metrics: dict[str, Any]) -> str:
    """What the best of the other arms learns from beside real labels, in words."""
    pools = (metrics.get("shares") or {}).get(str(best_arm(scores(metrics))), {}).keys() - {"real"}
    photos = pools & set(metrics.get("photos") or ())
    return " and ".join([*([PHOTOS] if photos else []), *([SYNTHETIC] if pools - photos or not photos else [])])


def verdict(found: dict[str, dict[str, Score]], added: str = SYNTHETIC) -> tuple[str, Tone]:
    """The headline: did the best of the other arms beat the real labels alone.

    Args:
        found: arm → metric → score.
        added: what it learnt from beside them, see `added_data`.
    """
    metric, best = main_metric(found), best_arm(found)
    if list(found) == [REAL_ONLY]:
        return f"The real labels alone reach {title(metric)} {found[REAL_ONLY][metric].shown}.", "even"
    if best is None:
        return "The arms were not all measured, so nothing can be said about the gain.", "even"
    real, arm = found[REAL_ONLY][metric], found[best][metric]
    gap = difference(arm, real, metric)
    trained = {BOTH: "both", SYNTHETIC_ONLY: "synthetic data only"}.get(best, arm_title(best))
    values = f"{title(metric)} {real.mean:.3f} from the real labels alone, {arm.mean:.3f} with {trained}"
    what = added[:1].upper() + added[1:]
    if gap.clear is None:
        word = "better" if gap.gain > 0 else "no better"
        return f"{what} did {word} in a single run: {values}.", "even"
    if gap.tone != "even":
        return f"{what} {'helped' if gap.tone == 'good' else 'did not help'}: {values}.", gap.tone
    return f"{what} made no clear difference: {values}.", "even"


def comparison(metrics: dict[str, Any]) -> str:
    """What was compared with what."""
    found = scores(metrics)
    real, synthetic, test = (metrics.get(name) for name in ("n_real", "n_synthetic", "n_test"))
    if real is None or synthetic is None or test is None:
        return ""
    chosen = f", its best moment chosen on {metrics['n_validation']:,} others" if metrics.get("n_validation") else ""
    seeds = max((len(entry.runs) for arm in found.values() for entry in arm.values()), default=1)
    times = "once" if seeds == 1 else f"{seeds} times"
    datasets = {name: count for name, count in (metrics.get("pools") or {}).items() if name != "real"}
    if list(found) == [REAL_ONLY]:
        trained = f"{times} on {real:,} real labelled images"
    elif list(found) == list(STANDARD):
        trained = f"on {real:,} real labelled images, on {synthetic:,} generated ones, and on both, {times} each"
    else:
        kinds = {"generated ones": synthetic, "photos that were labelled automatically": metrics.get("n_photos")}
        there = [f"{count:,} {kind}" for kind, count in kinds.items() if count]
        counts = ", ".join(f"{count:,} of {name}" for name, count in datasets.items())
        samples = f"{' and '.join(there)}{f' ({counts})' if len(datasets) > len(there) else ''}"
        trained = f"{times} on each of {len(found)} mixtures of {real:,} real labelled images and {samples}"
    return f"The same small model was trained {trained}, and scored on {test:,} real test images{chosen}."


def per_class(metrics: dict[str, Any]) -> dict[str, dict[str, Score]]:
    """Class → arm → score, of the runs that scored it; metrics of earlier versions do not say which these are."""
    stored, found = metrics.get("per_class") or {}, scores(metrics)
    runs = {arm: max((len(entry.runs) for entry in entries.values()), default=1) for arm, entries in found.items()}
    names = {name: None for arm in found for name in stored.get(arm, {})}
    return {
        name: {arm: score(stored[arm][name], runs[arm]) for arm in found if name in stored.get(arm, {})}
        for name in names
    }
