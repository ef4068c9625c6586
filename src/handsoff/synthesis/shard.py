"""One shard of a dataset: some draws → labelled samples → their files and records.

When all files of a shard are on the disk, whoever asked for it writes its records into the ledger, as
`ledger/SHARD.json`. A shard that has such an entry is done; any other is made again, with the same bytes. So a killed
run leaves nothing wrong, any engine may do any shard, and a shard may be made twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from handsoff.core.files import weights_hash
from handsoff.core.sequences import Lazy
from handsoff.datasets.generated import Record
from handsoff.editing.edit import about
from handsoff.editing.outcome import change
from handsoff.engines.once import Once
from handsoff.generators.conditions import named
from handsoff.jobs.folder import Plan, refuse_changed
from handsoff.labeling.labeler import CARD, Labeler, load_labeler
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import NOTHING, Materials, Vector, read_materials
from handsoff.synthesis import pooled
from handsoff.synthesis.output import SHARD, Output
from handsoff.synthesis.samples import NO_ATTRIBUTES, LabelledSample, Wanted, label_draws, tasks_of

LEDGER = "ledger"
EDIT = "edit"  # in the record of a sample: what an edit vector did to it
T = TypeVar("T")


@runtime_checkable
class Shard(Protocol):
    """A part of the samples of a dataset.

    Attributes:
        first: which of all samples its first one is.
        names: of its samples.
    """

    @property
    def first(self) -> int: ...

    @property
    def names(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class DrawShard:
    """Samples `first`, `first` + 1, …, one per draw."""

    first: int
    draws: tuple[Draw, ...]

    def __str__(self) -> str:
        return f"samples {self.first} to {self.first + len(self.draws) - 1}"

    @property
    def names(self) -> list[str]:
        return [f"{number:08d}" for number in range(self.first, self.first + len(self.draws))]


@dataclass(frozen=True)
class ShardContext:
    """What all shards of a dataset share.

    Attributes:
        labelers: folders of labelers, and the fingerprints of what they held when the work began.
        out: the folder of the dataset.
        output: where its samples go.
        plan: what the dataset is made by; workers keep what they loaded only as long as it stays the same.
        wanted: what is measured of every sample.
        rounds: how many rounds of edits there were: each adds to what lies in the folder of the dataset for them.
    """

    labelers: tuple[tuple[Path, str], ...]
    out: Path
    output: Output
    plan: Plan
    wanted: Wanted = NO_ATTRIBUTES
    rounds: int = 0


@dataclass(frozen=True)
class DrawShards(Lazy[DrawShard]):
    """The draws of one round after the other in shards, each made when it is looked at.

    Attributes:
        first: the number of the first sample.
        rounds: the draws; each round begins with a new shard.
    """

    first: int
    rounds: tuple[Sequence[Draw], ...]

    def __len__(self) -> int:
        return sum(count_shards(draws) for draws in self.rounds)

    def item(self, place: int) -> DrawShard:
        first = self.first
        for draws in self.rounds:
            if place < count_shards(draws):
                start = place * SHARD
                return DrawShard(first + start, tuple(draws[start : start + SHARD]))
            first, place = first + len(draws), place - count_shards(draws)
        raise IndexError(place)

    def draw(self, row: int) -> Draw:
        """The draw of a sample."""
        for draws in self.rounds:
            if row < len(draws):
                return draws[row]
            row -= len(draws)
        raise IndexError(row)

    @property
    def drawn(self) -> int:
        """Number of samples."""
        return sum(map(len, self.rounds))


def count_shards(samples: Sequence[object]) -> int:
    return -(-len(samples) // SHARD)


def in_shards(samples: Sequence[T]) -> Iterator[tuple[int, tuple[T, ...]]]:
    """The samples in groups of `SHARD`, each with the place of its first."""
    for start in range(0, len(samples), SHARD):
        yield start, tuple(samples[start : start + SHARD])


def make_shard(shard: DrawShard, context: ShardContext) -> list[Record]:
    """Make the shard and return the records of its samples."""
    labelers = loaded(context.labelers)
    changes: dict[int, Record] = {}
    drawn = label_draws(labelers, shard.draws, materials(context))
    samples = compared(drawn, shard, labelers, changes)
    images: list[UInt8[np.ndarray, "h w 3"]] = []
    seen = noted(samples, images) if context.wanted.pooled else samples
    made = context.output.write(shard.first, shard.names, seen, tasks_of(labelers), context.wanted)
    if context.wanted.pooled:
        read = readers(context).read(np.stack(images))
        for record, found in zip(made, read, strict=True):
            record["attributes"] = {**record.get("attributes", {}), **found}
    if context.wanted.asked:
        conditions = labelers[0].generator.conditions
        for draw, record in zip(shard.draws, made, strict=True):
            told = {} if draw.edits else named(conditions, draw.condition)
            known = {name: told[name] for name in context.wanted.asked if name in told}
            record["attributes"] = {**record.get("attributes", {}), **known}
    for index, record in changes.items():
        made[index][EDIT] = record
    records = zip(shard.draws, made, strict=True)
    return [{"name": record["name"], "draw": draw.record(), **record} for draw, record in records]


def noted(samples: Iterable[LabelledSample], images: list[UInt8[np.ndarray, "h w 3"]]) -> Iterator[LabelledSample]:
    """The samples, whose images are added to a list."""
    for sample in samples:
        images.append(sample.image)
        yield sample


def compared(
    samples: Iterable[LabelledSample], shard: DrawShard, labelers: Sequence[Labeler], changes: dict[int, Record]
) -> Iterator[LabelledSample]:
    """The samples; what edit vectors did to some of them is noted in `changes`, by their places."""
    vectors = {index: edit for index, draw in enumerate(shard.draws) if (edit := last_vector(draw)) is not None}
    plain = label_draws(labelers, [replace(shard.draws[index], edits=()) for index in vectors])
    tasks = tasks_of(labelers)
    for index, sample in enumerate(samples):
        if index in vectors:
            task, _, part = about(vectors[index].vector).partition("/")
            before = next(plain).labels[task]
            changes[index] = change(before, sample.labels[task], tasks[task].parts.index(part)).record()
        yield sample


def last_vector(draw: Draw) -> Vector | None:
    """The edit vector that a draw ends with, if it does."""
    return draw.edits[-1] if draw.edits and isinstance(draw.edits[-1], Vector) else None


def ledger_entry(out: Path, first: int, count: int) -> Path:
    """The entry of the shard of `count` samples whose first one has this number."""
    return out / LEDGER / f"{first:08d}-{count}.json"


def entry_of(out: Path, shard: Shard) -> Path:
    return ledger_entry(out, shard.first, len(shard.names))


def read_edits(context: ShardContext) -> Materials:
    """What edits need."""
    return read_materials(context.out) if context.rounds else NOTHING


def read_pooled(context: ShardContext) -> pooled.Pooled:
    """What predicts attributes."""
    return pooled.load(context.out / LEDGER)


materials, readers = Once(read_edits), Once(read_pooled)


@lru_cache(maxsize=1)
def loaded(labelers: tuple[tuple[Path, str], ...]) -> list[Labeler]:
    """The labelers, loaded once per worker.

    Raises:
        MismatchError: one has been fitted anew since the work began.
    """
    for folder, mark in labelers:
        refuse_changed(folder, mark, weights_hash(folder / CARD))
    return [load_labeler(folder) for folder, _ in labelers]
