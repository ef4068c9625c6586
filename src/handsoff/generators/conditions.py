"""Conditions in numbers and words: what a network is given of them, and what people ask for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.errors import InputError, nearest
from handsoff.generators.contract import Conditions

Condition = int | tuple[float | None, ...]  # a class id, or a value per attribute; None: nothing is said of it
Value = float | str
Asked = int | str | Mapping[str, Value]  # as people write it: a class id, `UNCONDITIONAL`, or some attributes
UNCONDITIONAL = "none"
NEAR = 16  # examples that come nearest to the numbers that are asked for: one of them says all else


def label_width(conditions: Conditions) -> int:
    """How many numbers a network is given of a condition, 0 where there are no conditions."""
    if conditions.kind != "attributes":
        return len(conditions.names)
    return sum(len(words) or 2 for words in conditions.words)


def encoded(conditions: Conditions, condition: Tensor) -> Float[Tensor, "n _c"]:
    """What a network is given: classes and words as one-hot vectors, numbers standardised, each with a 1 beside it.

    All numbers of an attribute of which nothing is said are 0.
    """
    if conditions.kind == "classes":
        return F.one_hot(condition, len(conditions.names)).float()
    parts = []
    for column, words, (mean, spread) in zip(condition.T, conditions.words, conditions.scales, strict=True):
        known = (~column.isnan()).float()[:, None]
        if words:
            parts.append(F.one_hot(column.nan_to_num(0).long(), len(words)) * known)
        else:
            parts.append(torch.cat([((column.nan_to_num(mean) - mean) / spread)[:, None], known], 1))
    return torch.cat(parts, 1)


def condition_tensor(conditions: Conditions, stated: list[Condition]) -> Tensor:
    """Class ids [N] or values of attributes [N, A]."""
    if conditions.kind == "classes":
        return torch.tensor(stated, dtype=torch.int64)
    rows = [[torch.nan if value is None else value for value in row] for row in stated if isinstance(row, tuple)]
    return torch.tensor(rows, dtype=torch.float32)


def named(conditions: Conditions, condition: Condition | None) -> dict[str, Value]:
    """The attributes of a condition by their names, words as words; those alone of which something is said."""
    if conditions.kind != "attributes" or not isinstance(condition, tuple):
        return {}
    found = zip(conditions.names, conditions.words, condition, strict=True)
    return {name: words[int(value)] if words else value for name, words, value in found if value is not None}


def words_of(conditions: Conditions) -> dict[str, tuple[str, ...]]:
    """The attributes that can be asked for, each with its words, none where it is a number."""
    if conditions.kind != "attributes":
        return {}
    return dict(zip(conditions.names, conditions.words or ((),) * len(conditions.names), strict=True))


def as_value(conditions: Conditions, name: str, value: Any) -> tuple[int, float]:
    """Place and value of an attribute that somebody asks for.

    Raises:
        InputError: there is no such attribute, or it cannot be this.
    """
    if name not in conditions.names:
        raise InputError(
            f"The generator knows no {name!r}: {nearest(name, conditions.names)}ask for {', '.join(conditions.names)}."
        )
    place = conditions.names.index(name)
    words = conditions.words[place] if conditions.words else ()
    if words and value not in words:
        raise InputError(f"{name} = {value} is none of the generator's words: choose among {', '.join(words)}.")
    if not words and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputError(f"{name} = {value} is no number: give one.")
    return place, float(words.index(value) if words else value)


def example(conditions: Conditions, seed: int, asked: Mapping[str, Value] | None = None) -> Condition:
    """What is asked for, and all else as in one of the training photos that come nearest to that.

    Args:
        conditions: of attributes.
        seed: chooses the photo.
        asked: values by the names of attributes; nothing: any photo is taken.

    Raises:
        InputError: the generator does not know what is asked for, or photos that would tell all else.
    """
    if not asked and conditions.examples:
        return conditions.examples[int(np.random.default_rng((seed, 1)).integers(len(conditions.examples)))]
    wanted = dict(as_value(conditions, name, value) for name, value in (asked or {}).items())
    if not conditions.examples and len(wanted) < len(conditions.names):
        raise InputError(
            f"The generator is conditional on {', '.join(conditions.names)}: give a number for each of them."
        )
    rows = np.array(conditions.examples, np.float64).reshape(-1, len(conditions.names))
    for place in [place for place in wanted if len(rows) and conditions.words[place]]:
        same = rows[:, place] == wanted[place]
        rows = rows[same] if same.any() else rows
    numbers = [place for place in wanted if len(rows) and not conditions.words[place]]
    if numbers:
        spreads = np.array([conditions.scales[place][1] for place in numbers])
        apart = np.abs(rows[:, numbers] - [wanted[place] for place in numbers]) / spreads
        rows = rows[np.argsort(apart.sum(1), kind="stable")[:NEAR]]
    row = rows[int(np.random.default_rng((seed, 1)).integers(len(rows)))] if len(rows) else np.zeros(len(wanted))
    return tuple(float(wanted.get(place, value)) for place, value in enumerate(row))
