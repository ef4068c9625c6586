"""What to draw next so that the groups that are short become larger.

Each kind of proposal is tried for each short group, and the more often the better it has worked so far: the labeler
found the sample in the group, and was certain enough of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from handsoff.core.sequences import Lazy
from handsoff.datasets.attributes import ATTRIBUTES
from handsoff.generators.conditions import Condition, example
from handsoff.generators.contract import Conditions
from handsoff.sampling.draws import Draw, anchor_of
from handsoff.sampling.edits import Anchor, Edit, Mix, Move, Vector
from handsoff.sampling.targets import Group, Record, members

PLAIN, CONDITION, COARSE, FINE, PERTURBATION, DIRECTION, VECTOR = KINDS = (
    "plain draws",
    "condition",
    "style mixing, coarse layers",
    "style mixing, fine layers",
    "perturbation",
    "direction",
    "edit vector",
)
NO_CONDITIONS = Conditions()
Asker = Callable[[int], Condition]  # seed of a draw → what it is asked for
NEARNESS = (0.5, 0.9)  # how far a perturbation goes from a draw to its anchor
FARTHEST = 3.0  # standard deviations that a sample is moved along a direction, at the most
STRENGTHS = (0.5, 1.5)  # of an edit vector (EditGAN, section 3.4)


@dataclass(frozen=True)
class Proposal:
    """A draw, for which group it was made, and how."""

    draw: Draw
    group: str
    kind: str

    def record(self) -> dict[str, str]:
        """As JSON, beside the record of the draw."""
        return {"group": self.group, "kind": self.kind}


@dataclass(frozen=True)
class Tools:
    """What a generator can do.

    Attributes:
        layers: of its ws, 0 where it has no w space.
        conditions: that it can be asked for.
        directions: title of a group → a direction of the w space that leads to it.
        photos: numbers of the photos whose latents are known, by name.
        vectors: TASK/PART → names of edit vectors that add it.
    """

    layers: int = 0
    conditions: Conditions = NO_CONDITIONS
    directions: Mapping[str, str] = field(default_factory=dict)
    photos: Mapping[str, Record] = field(default_factory=dict)
    vectors: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Anchors(Lazy[Anchor]):
    """Samples and photos that others can be mixed with, each made when it is looked at.

    Attributes:
        records: of all samples.
        rows: those of them that are meant.
        photos: follow them.
    """

    records: Sequence[Mapping[str, Any]]
    rows: Int64[np.ndarray, " n"]
    photos: tuple[Anchor, ...]

    def __len__(self) -> int:
        return len(self.rows) + len(self.photos)

    def item(self, place: int) -> Anchor:
        if place >= len(self.rows):
            return self.photos[place - len(self.rows)]
        return anchor_of(Draw.of_record(self.records[int(self.rows[place])]["draw"]))


def made_by(record: Mapping[str, Any]) -> tuple[str | None, str]:
    """For which group a sample was proposed (None: for all), and how."""
    proposal = record.get("proposal")
    if proposal is None or proposal["kind"] == PLAIN:
        return None, PLAIN
    return proposal["group"], proposal["kind"]


def successes(group: Group, records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Kind → samples that were proposed for a group, and how many of them were confirmed; plain draws are for all."""
    found = dict.fromkeys(KINDS, (0, 0))
    for record in records:
        title, kind = made_by(record)
        if title in {None, group.title}:
            tried, confirmed = found[kind]
            found[kind] = tried + 1, confirmed + int(record["candidate"] and group.holds(record))
    return {kind: numbers for kind, numbers in found.items() if numbers[0]}


def next_round(
    groups: Sequence[Group],
    shortfalls: Float[np.ndarray, " m"],
    records: Sequence[Mapping[str, Any]],
    tools: Tools,
    draws: Sequence[Draw],
    rng: np.random.Generator,
) -> list[Proposal]:
    """A proposal for each of the draws.

    Args:
        groups: what is asked for.
        shortfalls: by how much the share of each is too small, ≥ 0.
        records: of all samples so far, each with `candidate`, whether it is certain enough.
        tools: what the generator can do.
        draws: new ones, as the generator draws them.
        rng: of this round.
    """
    if not shortfalls.any():
        return [Proposal(draw, "", PLAIN) for draw in draws]
    proposals: list[Proposal] = []
    for group, count in zip(groups, apportioned(shortfalls, len(draws)), strict=True):
        if not count:
            continue
        inside = members(group, records) & np.fromiter((record["candidate"] for record in records), bool, len(records))
        anchors = anchors_of(group, records, inside, tools)
        ask = asker(group, records, tools, rng)
        kinds = possible(group, anchors, tools, asks=ask is not None)
        worked = successes(group, records)
        scores = np.array([expected_success(kind, worked) for kind in kinds])
        for kind, share in zip(kinds, apportioned(scores, count), strict=True):
            proposals += [
                Proposal(proposed(draw, kind, group, anchors, ask, tools, rng), group.title, kind)
                for draw in draws[len(proposals) : len(proposals) + share]
            ]
    return proposals


def expected_success(kind: str, worked: Mapping[str, tuple[int, int]]) -> float:
    """The share of proposals that are confirmed, with one success and one failure added to what was seen."""
    tried, confirmed = worked.get(kind, (0, 0))
    return (confirmed + 1) / (tried + 2)


def apportioned(weights: Float[np.ndarray, " m"], count: int) -> list[int]:
    """Whole numbers in proportion to the weights that add up to `count` (largest remainders).

    >>> apportioned(np.array([1.0, 1.0, 2.0]), 5)
    [1, 1, 3]
    """
    exact = weights / weights.sum() * count
    counts = np.floor(exact).astype(int)
    left = count - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:left]] += 1
    found: list[int] = counts.tolist()
    return found


def anchors_of(
    group: Group, records: Sequence[Mapping[str, Any]], inside: Bool[np.ndarray, " n"], tools: Tools
) -> Anchors:
    """Latents that are known to be in a group: unedited draws that were confirmed, and labelled photos."""
    edited = np.fromiter(("edits" in record["draw"] for record in records), bool, len(records))
    photos = tuple(Anchor(photo=name) for name, record in tools.photos.items() if group.holds(record))
    return Anchors(records, np.flatnonzero(inside & ~edited), photos)


def possible(group: Group, anchors: Sequence[Anchor], tools: Tools, *, asks: bool) -> list[str]:
    """The kinds of proposals that can be made for a group; `asks`: whether a condition leads into it."""
    found = [PLAIN]
    if asks:
        found.append(CONDITION)
    if tools.layers > 1 and anchors:
        found += [COARSE, FINE, PERTURBATION]
    if tools.layers and group.title in tools.directions:
        found.append(DIRECTION)
    if tools.layers and tools.vectors.get(f"{group.task}/{group.name}"):
        found.append(VECTOR)
    return found


def proposed(
    draw: Draw,
    kind: str,
    group: Group,
    anchors: Sequence[Anchor],
    ask: Asker | None,
    tools: Tools,
    rng: np.random.Generator,
) -> Draw:
    """The draw after a proposal has changed it."""
    if kind == PLAIN:
        return draw
    if kind == CONDITION and ask is not None:
        return replace(draw, condition=ask(draw.seed))
    return replace(draw, edits=(edit_for(kind, group, anchors, tools, rng),))


def edit_for(kind: str, group: Group, anchors: Sequence[Anchor], tools: Tools, rng: np.random.Generator) -> Edit:
    if kind == DIRECTION:
        strength = round(float(rng.uniform(1, FARTHEST)), 3)
        return Move(tools.directions[group.title], 0, tools.layers, strength)
    if kind == VECTOR:
        names = tools.vectors[f"{group.task}/{group.name}"]
        return Vector(names[int(rng.integers(len(names)))], round(float(rng.uniform(*STRENGTHS)), 3))
    anchor, middle = anchors[int(rng.integers(len(anchors)))], tools.layers // 2
    if kind == PERTURBATION:
        return Mix(anchor, 0, tools.layers, round(float(rng.uniform(*NEARNESS)), 3))
    return Mix(anchor, 0, middle) if kind == COARSE else Mix(anchor, middle, tools.layers)


def asker(group: Group, records: Sequence[Mapping[str, Any]], tools: Tools, rng: np.random.Generator) -> Asker | None:
    """Gives conditions that lead into a group: the attribute itself, else what worked before; None where none does."""
    conditions = tools.conditions
    if conditions.kind == "none":
        return None
    if conditions.kind == "classes":
        rates = class_rates(group, records, len(conditions.names))
        return lambda _: int(rng.choice(len(rates), p=rates))
    if group.task or group.name not in conditions.names or group.name in ATTRIBUTES:  # the latter are measured
        shown = conditions_of(group, records)
        return (lambda _: shown[int(rng.integers(len(shown)))]) if shown else None
    if group.word is not None:
        return lambda seed: example(conditions, seed, {group.name: str(group.word)})
    column = np.array([row[conditions.names.index(group.name)] for row in conditions.examples])
    low = group.low if np.isfinite(group.low) else min(float(column.min()), group.high)
    high = group.high if np.isfinite(group.high) else max(float(column.max()), low)
    return lambda seed: example(conditions, seed, {group.name: float(rng.uniform(low, high))})


def conditions_of(group: Group, records: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """The attributes that were asked for in samples that turned out to be in a group."""
    draws = [Draw.of_record(record["draw"]) for record in records if record["candidate"] and group.holds(record)]
    return [draw.condition for draw in draws if isinstance(draw.condition, tuple) and not draw.edits]


def class_rates(group: Group, records: Sequence[Mapping[str, Any]], classes: int) -> Float[np.ndarray, " c"]:
    """How often each class is asked for: the more often the larger the share of its unedited samples in the group."""
    tried, inside = np.full(classes, 2.0), np.ones(classes)
    for record in records:
        condition = record["draw"]["condition"]
        if isinstance(condition, int) and not record["draw"].get("edits"):
            tried[condition] += 1
            inside[condition] += record["candidate"] and group.holds(record)
    rates = (inside / tried) ** 2  # squared: most draws go to the best classes
    return rates / rates.sum()
