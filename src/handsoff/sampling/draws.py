"""One draw of a generator: all that is needed to make the sample again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.seeds import whole
from handsoff.core.sequences import Lazy
from handsoff.generators.conditions import UNCONDITIONAL, Asked, Condition, condition_tensor, example
from handsoff.generators.contract import Conditions, Generator, check_condition
from handsoff.generators.latents import GUIDANCE, Latents, join_latents
from handsoff.sampling.edits import (
    NOTHING,
    WS,
    Anchor,
    Edit,
    Materials,
    Mix,
    condition_of_record,
    edit_of_record,
    edited,
)


@dataclass(frozen=True)
class Draw:
    """What one sample is made from.

    Attributes:
        seed: of its random numbers, ≥ 0.
        psi: truncation, 1 = all of the generator's variety.
        condition: what it is to show, where the generator has conditions.
        edits: what is done to its latents afterwards, in order.
        guidance: how strongly it follows the condition, 1 = as learnt; None: as the generator has it.

    >>> Draw.of_record(Draw(7, 0.5).record()) == Draw(7, 0.5)
    True
    """

    seed: int
    psi: float = 1.0
    condition: Condition | None = None
    edits: tuple[Edit, ...] = ()
    guidance: float | None = None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        condition = list(self.condition) if isinstance(self.condition, tuple) else self.condition
        guidance = {} if self.guidance is None else {"guidance": self.guidance}
        edits = {"edits": [edit.record() for edit in self.edits]} if self.edits else {}
        return {"seed": self.seed, "psi": self.psi, "condition": condition, **guidance, **edits}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Draw":
        """The reverse.

        Raises:
            InputError: it is no record of a draw.
        """
        try:
            edits = tuple(map(edit_of_record, record.get("edits", ())))
            guidance = None if record.get("guidance") is None else float(record["guidance"])
            condition = condition_of_record(record["condition"])
            return cls(int(record["seed"]), float(record["psi"]), condition, edits, guidance)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{record!r} is no record of a draw: it needs seed, psi and condition.") from None


@dataclass(frozen=True)
class Draws(Lazy[Draw]):
    """One draw per seed, made when it is looked at.

    Attributes:
        conditions: of the generator.
        seeds: of the samples.
        psi: truncation.
        asked: what all samples are to show, as `uniform_draws` takes it.
        guidance: how strongly, None where that cannot be chosen.
    """

    conditions: Conditions
    seeds: Sequence[int]
    psi: float = 1.0
    asked: Condition | Asked | None = None
    guidance: float | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def item(self, place: int) -> Draw:
        seed = whole(self.seeds[place])
        return Draw(seed, self.psi, stated(self.conditions, self.asked, seed), guidance=self.guidance)


def uniform_draws(
    conditions: Conditions,
    seeds: Sequence[int] | Shaped[np.ndarray, " n"],
    psi: float = 1.0,
    condition: Condition | Asked | None = None,
    guidance: float | None = None,
) -> Draws:
    """One draw per seed, the condition of each from its seed alone where nothing or not all of it is asked for.

    Classes are then drawn alike often, and attributes are those of training photos.

    Args:
        conditions: of the generator.
        seeds: ≥ 0.
        psi: truncation.
        condition: a class id, a value per attribute, some attributes by their names, or "none": draw unconditionally.
        guidance: how strongly samples follow the condition, 1 = as learnt; None: as the generator has it.

    Raises:
        InputError: the generator does not know what is asked for, or has no photos that would tell all else, or it
            cannot be guided; or the first seed is none.
    """
    listed = seeds.tolist() if isinstance(seeds, np.ndarray) else seeds
    if listed:
        stated(conditions, condition, whole(listed[0]))  # refuses what all would be refused for
    return Draws(conditions, listed, psi, condition, strength(conditions, condition, guidance))


def strength(conditions: Conditions, asked: Condition | Asked | None, guidance: float | None) -> float | None:
    """The guidance that the draws state, None where there is nothing to guide.

    Raises:
        InputError: one is asked for, and the generator cannot be guided, or is to draw unconditionally.
    """
    if guidance is not None and conditions.guidance is None:
        raise InputError(
            "Only a diffusion model that draws with and without conditions can be guided: leave guidance out."
        )
    if asked == UNCONDITIONAL:
        if guidance is not None:
            raise InputError(
                "guidance strengthens what is asked for, and condition = none asks for nothing: leave one of them out."
            )
        return None
    return conditions.guidance if guidance is None else guidance


def stated(conditions: Conditions, asked: Condition | Asked | None, seed: int) -> Condition | None:
    """The condition of one sample, as `uniform_draws` says."""
    if asked is None:
        plain = class_of(seed, len(conditions.names)) if conditions.kind == "classes" else None
        return example(conditions, seed) if conditions.kind == "attributes" else plain
    if conditions.kind == "none":
        raise InputError("The generator has no conditions: leave the condition out.")
    if isinstance(asked, tuple) or (conditions.kind == "classes" and isinstance(asked, int)):
        return asked
    if conditions.kind == "classes":
        raise InputError(f"The generator knows the classes 0 to {len(conditions.names) - 1}: give one of them.")
    if isinstance(asked, Mapping):
        return example(conditions, seed, asked)
    if asked != UNCONDITIONAL:
        raise InputError(
            f"The generator is conditional on {', '.join(conditions.names)}: ask for some of them, as "
            f"{{{conditions.names[0]} = …}}, and not for {asked}."
        )
    return (None,) * len(conditions.names)


def planned_draws(
    conditions: Conditions,
    n: int,
    seed: int,
    psi: float = 1.0,
    condition: Asked | None = None,
    guidance: float | None = None,
) -> Draws:
    """The draws of `n` seeds from `seed` on, as `uniform_draws`, once the generator is known to have the condition.

    Raises:
        InputError: the generator does not know the condition, or needs one, or cannot be guided.
    """
    draws = uniform_draws(conditions, range(seed, seed + n), psi, condition, guidance)
    check_condition(conditions, condition_of(conditions, draws[:1]), 1)  # the others are like it
    return draws


def class_of(seed: int, classes: int) -> int:
    """The class of a sample whose class nobody chose."""
    stream = torch.Generator().manual_seed(seed)
    return int(torch.randint(classes, (), generator=stream))


def draw_latents(generator: Generator, draws: Sequence[Draw], materials: Materials = NOTHING) -> Latents:
    """The latents of every draw, in order.

    Args:
        generator: draws them.
        draws: what each is made from.
        materials: what edits need, of the dataset that the draws are from.

    Raises:
        InputError: there are no draws, a condition does not fit the generator, or the draws were edited and the
            materials are missing.
    """
    if not draws:
        raise InputError("There is nothing to draw: give at least one seed.")
    latents = drawn_latents(generator, draws)
    for step in range(max(len(draw.edits) for draw in draws)):
        edits = [draw.edits[step] if step < len(draw.edits) else None for draw in draws]
        anchors = [anchor_draw(edit) or draw for edit, draw in zip(edits, draws, strict=True)]
        mixed = any(map(anchor_draw, edits))
        drawn = drawn_latents(generator, anchors).tensors.get(WS) if mixed else None
        latents = edited(latents, edits, drawn, materials)
    return latents


def anchor_draw(edit: Edit | None) -> Draw | None:
    """The draw that an edit mixes with; None: it mixes with a photo, or not at all."""
    return Draw(*edit.anchor.draw) if isinstance(edit, Mix) and edit.anchor.draw is not None else None


def anchor_of(draw: Draw) -> Anchor:
    """An unedited draw as something that others can be mixed with."""
    return Anchor((draw.seed, draw.psi, draw.condition))


def drawn_latents(generator: Generator, draws: Sequence[Draw]) -> Latents:
    """As `draw_latents`, before the edits."""
    parts = []
    for psi, group in groupby(draws, key=lambda draw: draw.psi):
        same = list(group)
        parts.append(generator.draw([draw.seed for draw in same], condition_of(generator.conditions, same), psi))
    latents = parts[0] if len(parts) == 1 else join_latents(parts)
    usual = generator.conditions.guidance
    if usual is None:
        if any(draw.guidance is not None for draw in draws):
            raise InputError("The samples were drawn with guidance, and this generator has none: take its own.")
        return latents
    guidance = torch.tensor([usual if draw.guidance is None else draw.guidance for draw in draws])
    return Latents({**latents.tensors, GUIDANCE: guidance.to(generator.device)}, latents.condition)


def condition_of(conditions: Conditions, draws: Sequence[Draw]) -> Tensor | None:
    """Class ids [N] or attributes [N, A] of draws, None where none of them states any."""
    found = [draw.condition for draw in draws if draw.condition is not None]
    if not found:
        return None
    if len(found) < len(draws):
        raise InputError("Some samples state a condition and others do not: state it for all of them.")
    return condition_tensor(conditions, found)
