"""One shard of a dataset: some draws → labelled samples → their files → an entry in the ledger.

The entry, `ledger/SHARD.json`, is written when all files of the shard are on the disk, and says what they are. A shard
that has one is done; any other is made again, with the same bytes. So a killed run leaves nothing wrong, and any engine
may do any shard.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from handsoff.jobs.ledger import read_entry, write_entry
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.sampling.draws import Draw
from handsoff.synthesis.samples import label_draws, tasks_of, write_labelled

SHARD = 64  # samples of a shard


@dataclass(frozen=True)
class Shard:
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
    """

    labelers: tuple[tuple[Path, str], ...]
    out: Path


def shards_of(draws: Sequence[Draw], first: int) -> Iterator[Shard]:
    """The draws in shards; the first sample has the number `first`."""
    for start in range(0, len(draws), SHARD):
        yield Shard(first + start, tuple(draws[start : start + SHARD]))


def make_shard(shard: Shard, context: ShardContext) -> Path:
    """Make the shard unless it is made and return its ledger entry: the records of its samples.

    Files are written by threads while the next samples are computed.
    """
    entry = ledger_entry(context.out, shard)
    if read_entry(entry) is not None:
        return entry
    labelers = loaded(context.labelers)
    tasks = tasks_of(labelers)
    with ThreadPoolExecutor() as pool:
        writes = [
            pool.submit(write_labelled, context.out, name, sample, tasks)
            for name, sample in zip(shard.names, label_draws(labelers, shard.draws), strict=True)
        ]
    made = zip(shard.draws, [write.result() for write in writes], strict=True)
    write_entry(entry, [{"name": record["name"], "draw": draw.record(), **record} for draw, record in made])
    return entry


def ledger_entry(out: Path, shard: Shard) -> Path:
    return out / "ledger" / f"{shard.first:08d}-{len(shard.draws)}.json"


@lru_cache(maxsize=1)
def loaded(labelers: tuple[tuple[Path, str], ...]) -> list[Labeler]:
    """The labelers, loaded once per worker."""
    return [load_labeler(folder) for folder, _ in labelers]
