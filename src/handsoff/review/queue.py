"""In which order samples are looked at, and which of them."""

import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_record
from handsoff.datasets.corrections import Decision
from handsoff.datasets.generated import Record
from handsoff.inversion.invert import CARD, LABELS
from handsoff.learning.voting import DISAGREEMENT
from handsoff.review.session import Session
from handsoff.synthesis.voters import RECONSTRUCTION_ERROR
from handsoff.tasks.base import Label, Task
from handsoff.tasks.classes import part_titles

NAME, UNCERTAINTY, SMALLEST, SUGGESTED = "name", "uncertainty", "smallest", "suggested"
LISTS, WINDOWS = 8, 64  # that are remembered: of questions, and of those that somebody goes along
RECORDED = (
    UNCERTAINTY,
    DISAGREEMENT,
    RECONSTRUCTION_ERROR,
)  # that give an order, the largest first


@dataclass(frozen=True)
class Filter:
    """Which samples: those that show a part, have a decision, were corrected or not."""

    part: str = ""
    decision: Decision | None = None
    corrected: bool | None = None


@dataclass
class Queue:
    """The samples of a session in an order.

    Attributes:
        numbers: order → sample → its number there, the largest first.
        shows: sample → the titles of the parts that it shows, with the share of the image that each of them takes; of
            the samples whose labels were looked at so far.
        suggested: the samples to correct next, the best first.
        revision: counts the changes of `numbers`.
        answers: what was asked for lately, for pages of the same list.
        lists: name → a list that somebody goes along, the latest last.
    """

    session: Session
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)
    shows: dict[str, dict[str, float]] = field(default_factory=dict)
    suggested: list[str] = field(default_factory=list)
    revision: int = 0
    answers: dict[Hashable, list[str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def orders(self) -> list[str]:
        """What can be asked for, the one to begin with first."""
        last = [SMALLEST] if any(task.parts for task in self.session.tasks.values()) else []
        return [*(order for order in RECORDED if order in self.numbers), NAME, *last, SUGGESTED]

    @cached_property
    def titles(self) -> dict[tuple[str, str], str]:
        """(Task, part) → what the part is called here, where all tasks stand together."""
        return part_titles({name: task.parts for name, task in self.session.tasks.items()})

    def uncertainty(self, name: str) -> float | None:
        return self.numbers.get(UNCERTAINTY, {}).get(name)

    def names(self, order: str, wanted: Filter) -> list[str]:
        """All samples that pass the filter, in order.

        Raises:
            UnknownNameError: there is no such order.
            InputError: the order needs a part.
        """
        sized = wanted.part if order == SMALLEST else ""
        looked = (len(self.shows), self.session.clock)  # changes with what samples show
        ranking = (order, sized, looked if sized else (), self.revision, tuple(self.suggested))
        ranked = self.remembered(ranking, lambda: sorted(self.base(order), key=self.key(order, wanted.part)))
        if wanted == Filter():
            return ranked
        return self.remembered(
            (ranking, wanted, looked), lambda: [name for name in ranked if self.passes(name, wanted)]
        )

    def begun(self, token: str, order: str, wanted: Filter) -> tuple[str, list[str]]:
        """The list that an earlier answer has named, as it was then, or a new one; and its name.

        Whoever decides along a list asks for its next page: what was decided since must not move that page.

        Raises:
            UnknownNameError: there is no such order.
            InputError: the order needs a part.
        """
        found = self.lists.get(token)
        if found is None:
            token, found = secrets.token_hex(8), self.names(order, wanted)
            if (wanted.part or order == SMALLEST) and len(self.shows) < len(self.session.dataset.names):
                return "", found  # until all samples were looked at, it grows
        self.lists.pop(token, None)
        self.lists[token] = found
        forget_oldest(self.lists, WINDOWS)
        return token, found

    def remembered(self, asked: Hashable, make: Callable[[], list[str]]) -> list[str]:
        """A list that was asked for lately, or else made now."""
        found = self.answers.get(asked)
        if found is None:
            found = self.answers[asked] = make()
            forget_oldest(self.answers, LISTS)
        return found

    def renumber(self, order: str, numbers: dict[str, float]) -> None:
        """Sort by other numbers from now on; samples without a new one keep theirs."""
        self.numbers[order] = {**self.numbers.get(order, {}), **numbers}
        self.revision += 1

    def base(self, order: str) -> Sequence[str]:
        if order not in self.orders():
            raise UnknownNameError("order", order, self.orders())
        return self.suggested if order == SUGGESTED else self.session.dataset.names

    def key(self, order: str, part: str) -> Callable[[str], Any]:
        """What to sort by; equal ones stay sorted by name."""
        if order in self.numbers:
            numbers = self.numbers[order]
            return lambda name: -numbers.get(name, -1.0)
        if order == SMALLEST:
            if not part:
                raise InputError("The order smallest is by the size of one part: choose a part.")
            return lambda name: self.shows.get(name, {}).get(part, 0.0)
        return lambda _: 0

    def passes(self, name: str, wanted: Filter) -> bool:
        if wanted.decision is not None and self.session.decision(name) != wanted.decision:
            return False
        if wanted.corrected is not None and bool(self.session.corrected.get(name)) != wanted.corrected:
            return False
        return not wanted.part or wanted.part in self.shows.get(name, {})

    def look_at(self, name: str) -> None:
        """Find out which parts a sample shows now."""
        found: dict[str, float] = {}
        for task_name, task in self.session.tasks.items():
            shares = parts_of(task, self.session.label(task_name, name))
            found |= {self.titles[task_name, part]: share for part, share in shares.items()}
        self.shows[name] = found

    def row(self, name: str) -> dict[str, Any]:
        """What a list of samples says of one."""
        record = self.session.record(name)
        return {
            "name": name,
            "uncertainty": self.uncertainty(name),
            "decision": record.decision,
            "corrected": sorted(self.session.corrections_of(name)),
            "version": record.version,
            "shows": list(self.shows.get(name, {})),
        }


def forget_oldest(found: dict[Any, list[str]], most: int) -> None:
    """Keep the `most` lists that were remembered last; other threads may forget some meanwhile."""
    for old in list(found)[:-most]:
        found.pop(old, None)


def open_queue(session: Session) -> Queue:
    """The queue of a dataset, with the orders that its account gives."""
    return Queue(session, recorded_numbers(session.account() or inversion_errors(session.dataset.source.path)))


@dataclass(frozen=True)
class InversionCard:
    """What `handsoff invert` says of photos: their names, and the perceptual distances of their reconstructions."""

    names: list[str]
    perceptual: list[float]


def inversion_errors(labels: Path) -> dict[str, Record]:
    """Sample name → its reconstruction error, where `handsoff invert` wrote these labels.

    Raises:
        InputError: the card beside them is damaged.
    """
    file = labels.resolve().parent / CARD
    if labels.resolve().name != LABELS or not file.is_file():
        return {}
    card = read_record(file, InversionCard)
    return {name: {RECONSTRUCTION_ERROR: error} for name, error in zip(card.names, card.perceptual, strict=False)}


def recorded_numbers(account: Mapping[str, Record]) -> dict[str, dict[str, float]]:
    """Order → sample → number, for the numbers that the account of a dataset has of its samples."""
    found: dict[str, dict[str, float]] = {}
    for order in RECORDED:
        numbers = {
            name: float(record[order]) for name, record in account.items() if isinstance(record.get(order), int | float)
        }
        if numbers:
            found[order] = numbers
    return found


def parts_of(task: Task, label: Label) -> dict[str, float]:
    """The parts that a label shows, each with its share of all there is."""
    statistics = task.scores.label_statistics(label[None])
    return {part: share for part, (samples, share) in statistics.items() if samples and part in task.parts}
