"""Which of the drawn samples stay."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from handsoff.datasets.generated import Record
from handsoff.sampling.targets import LEAST

Drop = Literal["any", "all"]
Strata = Literal["none", "parts"]


def select(records: Sequence[Record], keep: float, drop: Drop = "any", strata: Strata = "none") -> list[Record]:
    """The same records, the `keep` most certain share of them marked as kept (DatasetGAN, section 3.3).

    Every record gets `uncertainty`, the number that was decided by (see `combined`), `kept`, and `reason`: why the
    sample was dropped, or None. At least one stays; of equally uncertain samples the earlier ones stay.

    Args:
        records: each with its `uncertainties`, a number in [0, 1] per task; all of the same tasks.
        keep: share in (0, 1].
        drop: with several tasks, drop what "any" of them or only what "all" of them find uncertain.
        strata: what a sample is compared with: all others, or those that show the same rare part (see `stratum_of`).

    >>> chosen = select([{"uncertainties": {"depth": value}} for value in (0.3, 0.1, 0.2)], keep=0.67)
    >>> [record["kept"] for record in chosen]
    [False, True, True]
    """
    values = combined([record["uncertainties"] for record in records], drop).round(6)
    kept = set(kept_rows(records, values, keep, strata))
    chosen = []
    for index, (record, value) in enumerate(zip(records, values.tolist(), strict=True)):
        reason = None if index in kept else f"uncertainty {value:.4f} is among the highest {1 - keep:.0%}"
        chosen.append({**record, "uncertainty": value, "kept": index in kept, "reason": reason})
    return chosen


def kept_rows(records: Sequence[Record], values: Float[np.ndarray, " n"], keep: float, strata: Strata) -> Iterator[int]:
    """The most certain rows of every stratum; what rounding leaves over goes to the largest one."""
    wanted = max(1, math.floor(len(records) * keep + 0.5))
    groups = [list(range(len(records)))] if strata == "none" else strata_of(records, keep)
    counts = [math.floor(len(rows) * keep) for rows in groups]
    for index in np.argsort(
        [count - len(rows) * keep for count, rows in zip(counts, groups, strict=True)], kind="stable"
    ):
        if sum(counts) < wanted and counts[index] < len(groups[index]):
            counts[index] += 1
    for rows, count in zip(groups, counts, strict=True):
        order = np.argsort(values[rows], kind="stable")[:count]
        yield from (rows[place] for place in order)


def strata_of(records: Sequence[Record], keep: float) -> list[list[int]]:
    """The rows of the samples in strata: the rarest part that a sample shows names its stratum.

    Strata from which not one sample would be dropped are pooled: else nothing would be dropped of what is rarest.
    """
    shown = [
        {
            (task, part)
            for task, parts in record.get("shows", {}).items()
            for part, share in parts.items()
            if share >= LEAST
        }
        for record in records
    ]
    counts = Counter(part for parts in shown for part in parts)
    named: dict[tuple[str, str], list[int]] = {}
    for row, parts in enumerate(shown):
        named.setdefault(min(parts, key=lambda part: (counts[part], part), default=("", "")), []).append(row)
    small = [name for name, rows in named.items() if len(rows) * (1 - keep) < 1]
    pooled = sorted(row for name in small for row in named.pop(name))
    return [*named.values(), *([pooled] if pooled else [])]


def combined(uncertainties: Sequence[dict[str, float]], drop: Drop) -> Float[np.ndarray, " n"]:
    """One number per sample, in [0, 1]: of one task its uncertainty.

    The uncertainties of several tasks are made comparable by rank: per task the share of samples that are more certain.
    A sample's number is the largest ("any") or smallest ("all") of its shares.
    """
    table = np.array([[entry[task] for task in uncertainties[0]] for entry in uncertainties])
    if table.shape[1] == 1:
        return table[:, 0]
    shares = np.stack([np.searchsorted(np.sort(column), column) / len(column) for column in table.T], 1)
    return shares.max(1) if drop == "any" else shares.min(1)
