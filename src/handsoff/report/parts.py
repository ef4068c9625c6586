"""Where a score comes from: classes or points one by one, and which are mistaken for which."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from handsoff.report.verdict import REAL_ONLY, Difference, Score, added_arm, arm_title, difference, per_class, scores

MIXED_UP = 8  # pairs that are listed
NOTABLE = 0.005  # of a part's pixels: less is not worth a line


@dataclass(frozen=True)
class PartRow:
    """One class or point.

    Attributes:
        cells: arm → its score, None where it has none.
        change: what the arm with synthetic data added gains over the real labels alone, None where one is missing.
        support: how many test images show it, and its share of the test labels, in words.
        share: of the generated labels, in words.
        tested: whether the test shows it, as far as that is known: no arm can score where it does not.
    """

    name: str
    cells: dict[str, Score | None]
    change: Difference | None
    support: str
    share: str
    tested: bool = True


def part_rows(metrics: Mapping[str, Any], shares: Mapping[str, float], looked_at: int) -> list[PartRow]:
    """Classes or points, what loses most first.

    Args:
        metrics: the content of `metrics.json`.
        shares: class or point → its share of the generated labels.
        looked_at: how many generated labels the shares are from.
    """
    found = scores(dict(metrics))
    added, support = added_arm(found), metrics.get("support") or {}

    def row(name: str, arms: Mapping[str, Score]) -> PartRow:
        cells = {arm: arms.get(arm) for arm in found}
        one, other = cells.get(str(added)), cells.get(REAL_ONLY)
        change = difference(one, other, "") if one is not None and other is not None else None
        shown, tested = support.get(name), not (name in support and not support[name][0])
        return PartRow(name, cells, change, seen(shown), generated(shares.get(name), looked_at), tested)

    return sorted((row(name, arms) for name, arms in per_class(dict(metrics)).items()), key=most_lost_first)


def most_lost_first(row: PartRow) -> tuple[float, float]:
    known = [cell.mean for cell in row.cells.values() if cell is not None and math.isfinite(cell.mean)]
    gain = row.change.gain if row.change is not None and math.isfinite(row.change.gain) else math.inf
    return round(gain, 3), min(known, default=math.inf)


def seen(support: list[float] | None) -> str:
    """Samples that show a part and its share, in words.

    >>> seen([12, 0.0341])
    '12 · 3.4 %'
    """
    return "" if support is None else f"{int(support[0]):,} · {percent(support[1])}"


def generated(share: float | None, looked_at: int) -> str:
    if share is None:
        return ""
    return percent(share) if share else f"not among the {looked_at:,} looked at"


def percent(share: float) -> str:
    return "under 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"  # noqa: PLR2004  # 0.1 % is what is shown


def confusion(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Shares of each part's pixels that were taken for another: the pairs worst mixed up, and whole matrices.

    The matrices are of the real labels alone and of the arm with synthetic data added.
    """
    stored = metrics.get("confusion") or {}
    arms = {arm: by_row(counts) for arm, counts in (stored.get("arms") or {}).items()}
    added = str(added_arm(scores(dict(metrics))))
    by = added if added in arms else next(iter(arms), None)
    if by is None:
        return None
    parts = stored["parts"]
    wrong = np.where(np.eye(len(parts), dtype=bool), 0, np.nan_to_num(arms[by]))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MIXED_UP]
    places = [(int(flat) // len(parts), int(flat) % len(parts)) for flat in order if wrong.flat[flat] >= NOTABLE]
    return {
        "by": arm_title(by),
        "arms": {arm: arm_title(arm) for arm in arms},
        "pairs": [
            (parts[row], parts[column], [shown(table[row, column]) for table in arms.values()])
            for row, column in places
        ],
        "parts": parts,
        "matrices": {arm_title(arm): matrix(parts, arms[arm]) for arm in dict.fromkeys((REAL_ONLY, by)) if arm in arms},
    }


def matrix(parts: list[str], table: Any) -> list[tuple[str, list[tuple[str, float]]]]:
    """Rows of (part, cells), a cell being a share in words and as a number from 0 to 1."""
    rows = [[(shown(share), round(float(np.nan_to_num(share)), 3)) for share in row] for row in table]
    return list(zip(parts, rows, strict=True))


def by_row(counts: list[list[int]]) -> Any:
    """Counts as shares of their row, NaN where a row is empty."""
    table = np.array(counts, np.float64)
    total = table.sum(1, keepdims=True)
    return np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)


def shown(share: float) -> str:
    return percent(float(share)) if np.isfinite(share) else "–"
