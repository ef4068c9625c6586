"""What decisions look at of all samples, as columns in memory; the records of the samples stay in the ledger.

So millions of samples take some bytes each: 1, 8 per task, 1 per part of the labels where there are strata, 8 per part
or attribute that an aim names.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from handsoff.datasets.generated import Record
from handsoff.jobs.ledger import read_entry
from handsoff.sampling.targets import LEAST, is_number
from handsoff.synthesis.shard import EDIT, Shard, entry_of

FOUND = "uncertainties"  # a record without them is no sample
AFTER = "shows_after"  # in the ledger: what labels show since pixels are ignored; decisions look at `shows`
PartOf = tuple[str, str]  # a task and what its labels tell apart
SHARE, SHOWN = "d", "B"  # of a part: its share, or only whether it is shown


@dataclass
class Attribute:
    """The values of one attribute: numbers, or words by their place in `words`; NaN where it is not known."""

    values: Any = field(default_factory=lambda: array("d"))  # array[float] is no type at run time before Python 3.12
    words: dict[str, int] = field(default_factory=dict)
    whole: bool = True  # all are whole numbers

    def add(self, value: Any) -> None:
        if value is None:
            self.values.append(np.nan)
        elif is_number(value):
            self.whole &= isinstance(value, int)
            self.values.append(value)
        else:
            self.values.append(self.words.setdefault(str(value), len(self.words)))

    def __getitem__(self, row: int) -> Any:
        value = self.values[row]
        if value != value:  # noqa: PLR0124  # NaN
            return None
        if self.words:
            return list(self.words)[int(value)]
        return int(value) if self.whole else value


class Table:
    """The columns; row i is the i-th record of the ledger.

    Args:
        parts: the parts that decisions look at, and whether at their share or only at whether they are shown.
    """

    def __init__(self, parts: Mapping[PartOf, str] | None = None) -> None:
        self.count = 0
        self.parts = {part: array(kind) for part, kind in (parts or {}).items()}
        self.attributes: dict[str, Attribute] = {}
        self.uncertainties: dict[str, Any] = {}
        self.failed = array("B")  # whether an edit vector did something else than it was made for

    def add(self, records: Sequence[Record]) -> None:
        """Take the columns from the next records of the ledger."""
        for record in records:
            found = record.get(FOUND, {})
            for task in found:
                if task not in self.uncertainties:
                    self.uncertainties[task] = self.unknown()
            for task, values in self.uncertainties.items():
                values.append(found.get(task, np.nan))
            for (task, part), column in self.parts.items():
                share = record.get("shows", {}).get(task, {}).get(part, 0.0)
                column.append(share if column.typecode == SHARE else int(share >= LEAST))
            known = record.get("attributes", {})
            for name in known:
                if name not in self.attributes:
                    self.attributes[name] = Attribute(self.unknown())
            for name, attribute in self.attributes.items():
                attribute.add(known.get(name))
            self.failed.append(not record.get(EDIT, {"confirmed": True})["confirmed"])
            self.count += 1

    def unknown(self) -> Any:
        """The column of something that no record has said yet."""
        return array("d", [np.nan]) * self.count

    def samples(self) -> Int64[np.ndarray, " n"]:
        """The rows that are samples of the dataset."""
        return np.arange(self.count)

    def certainties(self, rows: Int64[np.ndarray, " n"]) -> Float[np.ndarray, "n t"]:
        """The uncertainty of samples, a column per task."""
        return np.stack([np.frombuffer(values)[rows] for values in self.uncertainties.values()], 1)

    def confirmed(self, rows: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which samples are what they were made for: all but those whose edit was not confirmed."""
        return np.frombuffer(self.failed, np.uint8)[rows] == 0

    def shown(self, rows: Int64[np.ndarray, " n"]) -> dict[PartOf, Bool[np.ndarray, " n"]]:
        """Which samples show a part, of those parts that any shows."""
        found = {part: np.frombuffer(column, column.typecode)[rows] >= LEAST for part, column in self.parts.items()}
        return {part: shows for part, shows in found.items() if shows.any()}

    def record(self, row: int) -> Record:
        """What the columns say of a sample."""
        shows: dict[str, dict[str, float]] = {}
        for (task, part), column in self.parts.items():
            shows.setdefault(task, {})[part] = column[row]
        attributes = {name: value for name, known in self.attributes.items() if (value := known[row]) is not None}
        return {"shows": shows, "attributes": attributes}


@dataclass(frozen=True)
class Decided:
    """What was decided of samples.

    Attributes:
        rows: of the samples in the table.
        uncertainty: the number that was decided by.
        kept: who stays.
        share: of the samples that stays as the most certain ones.
        candidate: who was certain enough, where not all of these stay.
        proposal: row → how a sample was proposed, where it was.
        confirmed: who is what it was made for; the others cannot stay.
    """

    rows: Int64[np.ndarray, " n"]
    uncertainty: Float[np.ndarray, " n"]
    kept: Bool[np.ndarray, " n"]
    share: float
    candidate: Bool[np.ndarray, " n"] | None = None
    proposal: Callable[[int], Record | None] | None = None
    confirmed: Bool[np.ndarray, " n"] | None = None

    def told(self, place: int) -> Record:
        """What the record of a sample says of the decision."""
        value, kept = float(self.uncertainty[place]), bool(self.kept[place])
        certain = kept if self.candidate is None else bool(self.candidate[place])
        proposal = None if self.proposal is None else self.proposal(int(self.rows[place]))
        reason = None if certain else f"uncertainty {value:.4f} is among the highest {1 - self.share:.0%}"
        if certain and not kept:
            reason = "the aim needs others"
        if self.confirmed is not None and not self.confirmed[place]:
            reason = "the edit missed its class, or changed more than that"
        return {
            **({} if proposal is None else {"proposal": proposal}),
            "uncertainty": value,
            "kept": kept,
            "reason": reason,
            **({} if self.candidate is None else {"candidate": certain}),
        }


@dataclass(frozen=True)
class Samples:
    """The samples of a dataset, in order; iterating reads their records from the ledger, shard by shard.

    Attributes:
        out: the dataset.
        shards: all of them, made.
        table: their columns.
        decided: who stays.
    """

    out: Path
    shards: Sequence[Shard]
    table: Table
    decided: Decided

    def __len__(self) -> int:
        return len(self.decided.rows)

    @property
    def kept(self) -> int:
        """How many stay."""
        return int(self.decided.kept.sum())

    def __iter__(self) -> Iterator[Record]:
        for shard, places in self.places():
            for place, record in zip(places, read_entry(entry_of(self.out, shard)), strict=True):
                if place is not None:
                    shown = {"shows": record.pop(AFTER)} if AFTER in record else {}
                    yield {**record, **shown, **self.decided.told(place)}

    def names(self, *, kept: bool) -> Iterator[str]:
        """The names of the samples that stay, or of all that do not; nothing is read."""
        for shard, places in self.places():
            for name, place in zip(shard.names, places, strict=True):
                if (place is not None and bool(self.decided.kept[place])) is kept:
                    yield name

    def places(self) -> Iterator[tuple[Shard, list[int | None]]]:
        """For every record of a shard which of the samples it is; None: it is none."""
        first = 0
        for shard in self.shards:
            rows = range(first, first + len(shard.names))
            start, stop = np.searchsorted(self.decided.rows, [rows.start, rows.stop])
            places: list[int | None] = [None] * len(rows)
            for place in range(int(start), int(stop)):
                places[int(self.decided.rows[place]) - first] = place
            yield shard, places
            first = rows.stop
