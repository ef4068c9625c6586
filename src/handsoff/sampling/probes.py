"""Directions of the w space along which more samples belong to a group, found by a linear probe."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

FOLDS = 5
FEWEST = 2 * FOLDS  # samples inside and outside of the group that a probe needs
SKILL = 0.65  # held-out AUC below which a direction is not used
SHRINKAGE = 0.1  # of the covariance towards a multiple of the identity


@dataclass(frozen=True)
class Probe:
    """A direction and how well it tells the group from the rest.

    Attributes:
        direction: as long as one standard deviation of w along it.
        skill: area under the ROC curve on held-out samples: 0.5 = chance, 1 = always right.
    """

    direction: Float[np.ndarray, " d"]
    skill: float

    @property
    def useful(self) -> bool:
        return self.skill >= SKILL


def probe(w: Float[np.ndarray, "n d"], inside: Bool[np.ndarray, " n"]) -> Probe | None:
    """Fisher's linear discriminant with a shrunk covariance; None where there are too few samples of one side.

    Its normal n says which w belong to the group. The direction is covariance · n: along it the rest of w stays as
    probable as it was.
    """
    if min(inside.sum(), (~inside).sum()) < FEWEST:
        return None
    w = w.astype(np.float64)
    fold = np.empty(len(w), int)
    for side in (inside, ~inside):
        fold[side] = np.arange(side.sum()) % FOLDS
    scores = np.empty(len(w))
    for number in range(FOLDS):
        out = fold == number
        _, normal = discriminant(w[~out], inside[~out])
        scores[out] = (w[out] - w[~out].mean(0)) @ normal
    covariance, normal = discriminant(w, inside)
    along = covariance @ normal
    return Probe(along / np.sqrt(normal @ along), area_under_curve(scores, inside))


def discriminant(
    w: Float[np.ndarray, "n d"], inside: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """The covariance of w, and the normal of the discriminant."""
    covariance = np.cov(w.T)
    size = np.trace(covariance) / len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * size * np.eye(len(covariance))
    return covariance, np.linalg.solve(shrunk, w[inside].mean(0) - w[~inside].mean(0))


def area_under_curve(scores: Float[np.ndarray, " n"], inside: Bool[np.ndarray, " n"]) -> float:
    """How often a sample inside has a higher score than one outside; ties count half.

    >>> area_under_curve(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    ordered = np.sort(scores[~inside])
    below = np.searchsorted(ordered, scores[inside], "left") + np.searchsorted(ordered, scores[inside], "right")
    return float(below.mean() / 2 / len(ordered))
