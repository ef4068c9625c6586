"""How many real labels an arm is worth: as many as real only would need to reach its mean score.

The number is read off the learning curve, the means of real only at several numbers of labels. They are made monotone
first (more labels do not hurt), and between two of them the curve is straight over the logarithm of the number. Nothing
is read off beyond its ends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from handsoff.report.verdict import CRITICAL, critical

DIGITS = 9  # of scores: what differs by less is the same, whatever was rounded on the way


@dataclass(frozen=True)
class Worth:
    """How many labels real only needs to reach the mean score of an arm.

    Attributes:
        labels: that number; the curve's first or last one where the score lies beyond it.
        low, high: the numbers between which real only would not differ clearly from the arm, at most those of the
            curve's ends; None where single runs say nothing about chance.
        beyond: "fewer" than the curve's first number, "more" than its last, None within the curve.
    """

    labels: int
    low: int | None
    high: int | None
    beyond: Literal["fewer", "more"] | None


def worth(curve: Mapping[int, Sequence[float]], scores: Sequence[float], *, lower_is_better: bool = False) -> Worth:
    """How many labels real only needs to reach the mean score of an arm.

    The interval holds the numbers of labels at which the two would not differ clearly, by Welch's t-test at 5 %
    with the spread of the arm's runs and that of the curve's. It is about chance between runs, not about other test
    photos.

    Args:
        curve: number of labels → the scores of real only, one per seed; at least one number.
        scores: those of the arm, one per seed.
        lower_is_better: whether the scores are errors.
    """
    sign = -1 if lower_is_better else 1
    means = fitted_means(curve, lower_is_better=lower_is_better)
    fitted = {number: round(sign * value, DIGITS) for number, value in means.items()}
    ends = sorted(fitted.values())
    reached = round(sign * float(np.mean(scores)), DIGITS)
    beyond: Literal["fewer", "more"] | None = None
    if reached < ends[0] or reached > ends[-1]:
        beyond = "fewer" if reached < ends[0] else "more"
    gap = least_clear_difference(list(curve.values()), scores)
    low, high = (None, None) if gap is None else (needed(fitted, reached - gap), needed(fitted, reached + gap))
    return Worth(needed(fitted, reached), low, high, beyond)


def fitted_means(curve: Mapping[int, Sequence[float]], *, lower_is_better: bool = False) -> dict[int, float]:
    """Number of labels → its mean score, made monotone by isotonic regression (pool adjacent violators).

    >>> fitted_means({16: [0.5], 50: [0.8], 100: [0.7]})
    {16: 0.5, 50: 0.75, 100: 0.75}
    """
    sign = -1 if lower_is_better else 1
    blocks: list[tuple[list[int], list[float]]] = []
    for number, runs in sorted(curve.items()):
        blocks.append(([number], [sign * run for run in runs]))
        while len(blocks) > 1 and np.mean(blocks[-2][1]) > np.mean(blocks[-1][1]):
            last = blocks.pop()
            blocks[-1] = (blocks[-1][0] + last[0], blocks[-1][1] + last[1])
    return {number: sign * float(np.mean(runs)) for numbers, runs in blocks for number in numbers}


def needed(fitted: Mapping[int, float], score: float) -> int:
    """The lowest number of labels that reaches `score` (higher is better), between the first and the last."""
    numbers, values = list(fitted), list(fitted.values())
    after = int(np.searchsorted(values, score))
    if after in {0, len(values)}:
        return numbers[min(after, len(values) - 1)]
    share = (score - values[after - 1]) / (values[after] - values[after - 1])
    return round(numbers[after - 1] * (numbers[after] / numbers[after - 1]) ** share)


def least_clear_difference(curve: Sequence[Sequence[float]], scores: Sequence[float]) -> float | None:
    """How far an arm's mean must be from a point's to differ clearly; None where too few runs tell what chance does.

    Welch's t-test, for an arm may spread more or less than the curve, whose points are taken to spread alike.
    """
    own, others = len(scores) - 1, sum(len(runs) - 1 for runs in curve)
    if own < 1 or others < 1 or own + others < min(CRITICAL):
        return None
    arm = float(np.var(scores, ddof=1)) / len(scores)
    pooled = sum(len(runs) * float(np.var(runs)) for runs in curve) / others
    point = pooled / min(len(runs) for runs in curve)
    if not arm + point:
        return 0.0
    freedom = (arm + point) ** 2 / (arm**2 / own + point**2 / others)  # Welch-Satterthwaite
    return critical(freedom) * math.sqrt(arm + point)
