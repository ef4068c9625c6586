"""One shard of a dataset: some draws → labelled samples → their files → an entry in the ledger.

The entry, `ledger/SHARD.json`, is written when all files of the shard are on the disk, and says what they are. A shard
that has one is done; any other is made again, with the same bytes. So a killed run leaves nothing wrong, and any engine
may do any shard.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from handsoff.generators.conditions import named
from handsoff.jobs.ledger import read_entry, write_entry
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import NOTHING, Materials, read_materials
from handsoff.synthesis import pooled
from handsoff.synthesis.samples import NO_ATTRIBUTES, LabelledSample, Wanted, label_draws, tasks_of, write_all

SHARD = 64  # samples of a shard
LEDGER = "ledger"
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

    @property
    def names(self) -> list[str]:
        return [f"{number:08d}" for number in range(self.first, self.first + len(self.draws))]


@dataclass(frozen=True)
class ShardContext:
    """What all shards of a dataset share.

    Attributes:
        labelers: folders of labelers, and the fingerprints of what they held when the work began.
        out: the dataset.
        wanted: what is measured of every sample.
        rounds: how many rounds of edits there were: each adds to what lies in the folder of the dataset for them.
    """

    labelers: tuple[tuple[Path, str], ...]
    out: Path
    wanted: Wanted = NO_ATTRIBUTES
    rounds: int = 0


def in_shards(samples: Sequence[T]) -> Iterator[tuple[int, tuple[T, ...]]]:
    """The samples in groups of `SHARD`, each with the place of its first."""
    for start in range(0, len(samples), SHARD):
        yield start, tuple(samples[start : start + SHARD])


def shards_of(draws: Sequence[Draw], first: int) -> Iterator[DrawShard]:
    """The draws in shards; the first sample has the number `first`."""
    for start, part in in_shards(draws):
        yield DrawShard(first + start, part)


def make_shard(shard: DrawShard, context: ShardContext) -> Path:
    """Make the shard unless it is made and return its ledger entry: the records of its samples."""
    entry = ledger_entry(context.out, shard)
    if read_entry(entry) is not None:
        return entry
    labelers = loaded(context.labelers)
    samples = label_draws(labelers, shard.draws, materials(context.out, context.rounds))
    images: list[UInt8[np.ndarray, "h w 3"]] = []
    seen = noted(samples, images) if context.wanted.pooled else samples
    made = write_all(context.out, shard.names, seen, tasks_of(labelers), context.wanted)
    if context.wanted.pooled:
        read = pooled.load(context.out / LEDGER).read(np.stack(images))
        for record, found in zip(made, read, strict=True):
            record["attributes"] = {**record.get("attributes", {}), **found}
    if context.wanted.asked:
        conditions = labelers[0].generator.conditions
        for draw, record in zip(shard.draws, made, strict=True):
            told = {} if draw.edits else named(conditions, draw.condition)
            known = {name: told[name] for name in context.wanted.asked if name in told}
            record["attributes"] = {**record.get("attributes", {}), **known}
    records = zip(shard.draws, made, strict=True)
    write_entry(entry, [{"name": record["name"], "draw": draw.record(), **record} for draw, record in records])
    return entry


def noted(samples: Iterable[LabelledSample], images: list[UInt8[np.ndarray, "h w 3"]]) -> Iterator[LabelledSample]:
    """The samples, whose images are added to a list."""
    for sample in samples:
        images.append(sample.image)
        yield sample


def ledger_entry(out: Path, shard: Shard) -> Path:
    return out / LEDGER / f"{shard.first:08d}-{len(shard.names)}.json"


@lru_cache(maxsize=1)
def materials(out: Path, rounds: int) -> Materials:
    """What edits need, read once per worker and round."""
    return read_materials(out) if rounds else NOTHING


@lru_cache(maxsize=1)
def loaded(labelers: tuple[tuple[Path, str], ...]) -> list[Labeler]:
    """The labelers, loaded once per worker."""
    return [load_labeler(folder) for folder, _ in labelers]
