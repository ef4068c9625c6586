"""One draw of a generator: all that is needed to make the sample again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.contract import Conditions, Generator
from handsoff.generators.latents import Latents, join_latents

Condition = int | tuple[float, ...]  # a class id, or a number per attribute


@dataclass(frozen=True)
class Draw:
    """What one sample is made from.

    Attributes:
        seed: of its random numbers, ≥ 0.
        psi: truncation, 1 = all of the generator's variety.
        condition: what it is to show, where the generator has conditions.

    >>> Draw.of_record(Draw(7, 0.5).record()) == Draw(7, 0.5)
    True
    """

    seed: int
    psi: float = 1.0
    condition: Condition | None = None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        condition = list(self.condition) if isinstance(self.condition, tuple) else self.condition
        return {"seed": self.seed, "psi": self.psi, "condition": condition}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Draw":
        """The reverse.

        Raises:
            InputError: it is no record of a draw.
        """
        try:
            condition = record["condition"]
            stated = tuple(map(float, condition)) if isinstance(condition, list) else condition
            return cls(int(record["seed"]), float(record["psi"]), stated)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{record!r} is no record of a draw: it needs seed, psi and condition.") from None


def uniform_draws(
    conditions: Conditions, seeds: Sequence[int], psi: float = 1.0, condition: Condition | None = None
) -> list[Draw]:
    """One draw per seed. Without a `condition`, every class is drawn alike often, each sample's from its seed alone.

    Raises:
        InputError: the generator is conditional on attributes, and none are given.
    """
    if conditions.kind == "attributes" and condition is None:
        raise InputError(
            f"The generator is conditional on {', '.join(conditions.names)}: give a number for each of them."
        )
    if conditions.kind == "classes" and condition is None:
        return [Draw(seed, psi, class_of(seed, len(conditions.names))) for seed in seeds]
    return [Draw(seed, psi, condition) for seed in seeds]


def class_of(seed: int, classes: int) -> int:
    """The class of a sample whose class nobody chose."""
    stream = torch.Generator().manual_seed(seed)
    return int(torch.randint(classes, (), generator=stream))


def draw_latents(generator: Generator, draws: Sequence[Draw]) -> Latents:
    """The latents of every draw, in order.

    Raises:
        InputError: a condition does not fit the generator.
    """
    parts = []
    for psi, group in groupby(draws, key=lambda draw: draw.psi):
        same = list(group)
        parts.append(generator.draw([draw.seed for draw in same], condition_of(generator.conditions, same), psi))
    return parts[0] if len(parts) == 1 else join_latents(parts)


def condition_of(conditions: Conditions, draws: Sequence[Draw]) -> Tensor | None:
    """Class ids [N] or attributes [N, A] of draws, None where none of them states any."""
    stated = [draw.condition for draw in draws if draw.condition is not None]
    if not stated:
        return None
    if len(stated) < len(draws):
        raise InputError("Some samples state a condition and others do not: state it for all of them.")
    return torch.tensor(stated, dtype=torch.int64 if conditions.kind == "classes" else torch.float32)
