"""Which of the drawn samples stay."""

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

Record = dict[str, Any]


def select(records: list[Record], keep: float, drop: Literal["any", "all"] = "any") -> None:
    """Mark the `keep` most certain share (DatasetGAN, section 3.3); ties go to the lower seed.

    `record["uncertainties"]` has a number per task. With several tasks they are made comparable by rank, and a sample is
    as uncertain as its worst ("any") or its best ("all") rank; `record["uncertainty"]` says what was decided by.
    """
    for record, value in zip(records, combined([record["uncertainties"] for record in records], drop), strict=True):
        record["uncertainty"] = round(float(value), 6)
    count = max(1, math.floor(len(records) * keep + 0.5))
    order = sorted(records, key=lambda record: (record["uncertainty"], record["seed"]))
    for rank, record in enumerate(order):
        record["kept"] = rank < count
        record["reason"] = (
            None if rank < count else f"uncertainty {record['uncertainty']:.4f} is among the highest {1 - keep:.0%}"
        )


def combined(uncertainties: Iterable[dict[str, float]], drop: Literal["any", "all"]) -> Float[np.ndarray, " n"]:
    """One number per sample: of one task its uncertainty, of several the largest or smallest share of samples more certain."""
    table = np.array([list(entry.values()) for entry in uncertainties])
    if table.shape[1] == 1:
        return table[:, 0]
    shares = np.stack([np.searchsorted(np.sort(column), column) / len(column) for column in table.T], 1)
    return shares.max(1) if drop == "any" else shares.min(1)
