"""Which of the drawn samples stay."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from handsoff.datasets.generated import Record

Drop = Literal["any", "all"]


def select(records: Sequence[Record], keep: float, drop: Drop = "any") -> list[Record]:
    """The same records, the `keep` most certain share of them marked as kept (DatasetGAN, section 3.3).

    Every record gets `uncertainty`, the number that was decided by (see `combined`), `kept`, and `reason`: why the
    sample was dropped, or None. At least one stays; of equally uncertain samples the earlier ones stay.

    Args:
        records: each with its `uncertainties`, a number in [0, 1] per task; all of the same tasks.
        keep: share in (0, 1].
        drop: with several tasks, drop what "any" of them or only what "all" of them find uncertain.

    >>> chosen = select([{"uncertainties": {"depth": value}} for value in (0.3, 0.1, 0.2)], keep=0.67)
    >>> [record["kept"] for record in chosen]
    [False, True, True]
    """
    values = combined([record["uncertainties"] for record in records], drop).round(6)
    count = max(1, math.floor(len(records) * keep + 0.5))
    kept = set(np.argsort(values, kind="stable")[:count].tolist())
    chosen = []
    for index, (record, value) in enumerate(zip(records, values.tolist(), strict=True)):
        reason = None if index in kept else f"uncertainty {value:.4f} is among the highest {1 - keep:.0%}"
        chosen.append({**record, "uncertainty": value, "kept": index in kept, "reason": reason})
    return chosen


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
