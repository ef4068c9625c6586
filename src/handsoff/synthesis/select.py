"""Which of the drawn samples stay."""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from handsoff.synthesis.settings import Strata
from handsoff.synthesis.table import Decided, Table

Drop = Literal["any", "all"]


def select(table: Table, keep: float, drop: Drop = "any", strata: Strata = "none") -> Decided:
    """The `keep` most certain share of the samples stays (DatasetGAN, section 3.3), none whose edit was not confirmed.

    At least one stays; of equally uncertain samples the earlier ones stay.

    Args:
        table: of the samples: a number in [0, 1] per task; with strata, what they show.
        keep: share in (0, 1].
        drop: with several tasks, drop what "any" of them or only what "all" of them find uncertain.
        strata: what a sample is compared with: all others, or those that show the same rare part (see `strata_of`).

    >>> table = Table()
    >>> table.add([{"uncertainties": {"depth": value}} for value in (0.3, 0.1, 0.2)])
    >>> select(table, keep=0.67).kept.tolist()
    [False, True, True]
    """
    rows = table.samples()
    values = combined(table.certainties(rows), drop).round(6)
    confirmed = table.confirmed(rows)
    stood = np.flatnonzero(confirmed)
    groups = [stood] if strata == "none" else [stood[group] for group in strata_of(table, rows[stood], keep)]
    kept = np.zeros(len(rows), bool)
    for stay in kept_rows(groups, values, keep):
        kept[stay] = True
    return Decided(rows, values, kept, keep, confirmed=confirmed)


def kept_rows(
    groups: list[Int64[np.ndarray, "_"]], values: Float[np.ndarray, " n"], keep: float
) -> Iterator[Int64[np.ndarray, "_"]]:
    """The most certain rows of every stratum; what rounding leaves over goes to the largest one."""
    wanted, shares = kept_of(sum(map(len, groups)), keep), [share_of(len(rows), keep) for rows in groups]
    counts = list(map(math.floor, shares))
    for index in np.argsort(np.subtract(counts, shares), kind="stable"):
        if sum(counts) < wanted and counts[index] < len(groups[index]):
            counts[index] += 1
    for rows, count in zip(groups, counts, strict=True):
        yield rows[np.argsort(values[rows], kind="stable")[:count]]


def kept_of(count: int, keep: float) -> int:
    """How many of so many samples stay.

    >>> kept_of(10, 0.9), kept_of(50, 0.29), kept_of(3, 0.1)
    (9, 15, 1)
    """
    return max(1, math.floor(share_of(count, keep) + 0.5))


def share_of(count: int, share: float) -> float:
    """The share of a whole number, without the error of floating point: 0.29 of 100 are 29, not a little less."""
    return round(count * share, 9)


def strata_of(table: Table, rows: Int64[np.ndarray, " n"], keep: float) -> list[Int64[np.ndarray, "_"]]:
    """The samples in strata: the rarest part that a sample shows names its stratum.

    Strata from which not one sample would be dropped are pooled: else nothing would be dropped of what is rarest.
    """
    shown = table.shown(rows)
    named = np.full(len(rows), -1)  # no part
    for number, part in enumerate(sorted(shown, key=lambda part: (int(shown[part].sum()), part))):
        named[(named < 0) & shown[part]] = number
    first = sorted(np.unique(named, return_index=True)[1].tolist())
    groups = [np.flatnonzero(named == named[row]) for row in first]
    small = [group for group in groups if share_of(len(group), keep) > len(group) - 1]
    large = [group for group in groups if share_of(len(group), keep) <= len(group) - 1]
    return [*large, *([np.sort(np.concatenate(small))] if small else [])]


def combined(uncertainties: Float[np.ndarray, "n t"], drop: Drop) -> Float[np.ndarray, " n"]:
    """One number per sample, in [0, 1]: of one task its uncertainty.

    The uncertainties of several tasks are made comparable by rank: per task the share of samples that are more certain.
    A sample's number is the largest ("any") or smallest ("all") of its shares.
    """
    if uncertainties.shape[1] == 1:
        return uncertainties[:, 0]
    shares = np.stack([np.searchsorted(np.sort(column), column) / len(column) for column in uncertainties.T], 1)
    return shares.max(1) if drop == "any" else shares.min(1)
