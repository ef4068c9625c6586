"""Tar shards are closed when it is known which samples stay; the index then says where each of their files is."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handsoff.core.places import Place
from handsoff.datasets.shards import INDEX, Extents, Shards, write_index
from handsoff.engines.contract import Engine
from handsoff.jobs.ledger import read_entry, write_entry
from handsoff.jobs.progress import Progress
from handsoff.synthesis.output import TarOutput, shard_file
from handsoff.synthesis.shard import LEDGER, Shard, ledger_entry
from handsoff.synthesis.table import Samples
from handsoff.tasks import make_task
from handsoff.tasks.base import Schema, Task

BESIDE = ("README.md", "manifest.json", "samples.jsonl", "preview.png", INDEX)  # are copied to the URL


@dataclass(frozen=True)
class Closing:
    """A shard that is to be closed.

    Attributes:
        first: the number of its first sample.
        count: number of its samples.
        kept: names of those that stay.
    """

    first: int
    count: int
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Closed:
    """A shard that was closed.

    Attributes:
        files: where in it which file is; None: it was not whole, and must be made again.
        size: of it, in bytes.
    """

    shard: Closing
    files: Extents | None
    size: int


@dataclass(frozen=True)
class ClosingContext:
    """What all shards share.

    Attributes:
        output: where they are.
        schemas: task → schema.
    """

    output: TarOutput
    schemas: dict[str, Schema]


def close_shard(shard: Closing, context: ClosingContext) -> Closed:
    """Close one shard; see `TarOutput.close`."""
    tasks = {name: make_task(name, schema) for name, schema in context.schemas.items()}
    return Closed(shard, *context.output.close(shard.first, shard.kept, tasks))


def close_shards(
    samples: Samples, output: TarOutput, tasks: Mapping[str, Task], engine: Engine
) -> Generator[Progress, None, list[Path]]:
    """Close all shards that are not closed yet; the ledger entries of those that must be made again."""
    context = ClosingContext(output, {name: task.schema for name, task in tasks.items()})
    damaged = []
    for closed in engine.map(close_shard, unclosed(samples, output), context):
        shard = closed.shard
        if closed.files is None:  # made again, it is not closed any more
            closed_entry(samples.out, shard.first, shard.count).unlink(missing_ok=True)
            damaged.append(ledger_entry(samples.out, shard.first, shard.count))
        else:
            content = {"files": closed.files, "size": closed.size}
            write_entry(closed_entry(samples.out, shard.first, shard.count), content)
        done = shard.first + shard.count - samples.shards[0].first
        yield Progress("closing shards", done, samples.table.count, f"{len(damaged)} to make again" if damaged else "")
    return damaged


def unclosed(samples: Samples, output: TarOutput) -> Iterator[Closing]:
    """The shards that are not closed, with the samples of theirs that stay."""
    for shard, places in samples.places():
        if not is_closed(samples.out, output, shard):
            pairs = zip(shard.names, places, strict=True)
            kept = (name for name, place in pairs if place is not None and samples.decided.kept[place])
            yield Closing(shard.first, len(shard.names), tuple(kept))


def is_closed(out: Path, output: TarOutput, shard: Shard) -> bool:
    """Whether a shard was closed and is there in the size that it had then."""
    entry = read_entry(closed_entry(out, shard.first, len(shard.names)))
    return entry is not None and (not entry["files"] or output.place.size(shard_file(shard.first)) == entry["size"])


def closed_entry(out: Path, first: int, count: int) -> Path:
    return out / LEDGER / f"closed-{first:08d}-{count}.json"


def extents_of(out: Path, shards: Sequence[Shard]) -> Iterator[tuple[str, Extents]]:
    """The file of every shard, and where in it which file is."""
    for shard in shards:
        entry = read_entry(closed_entry(out, shard.first, len(shard.names)))
        if entry["files"]:
            yield shard_file(shard.first), entry["files"]


def index(samples: Samples, output: TarOutput) -> None:
    """Write `shards.jsonl`."""
    write_index(samples.out, output.place.where if output.place.url else None, extents_of(samples.out, samples.shards))


def reading(samples: Samples, output: TarOutput, count: int) -> Callable[[str], bytes]:
    """What reads files of the first `count` samples that stay."""
    files: dict[str, tuple[str, int, int]] = {}
    for shard, extents in extents_of(samples.out, samples.shards):
        files |= {name: (shard, start, size) for name, (start, size) in extents.items()}
        if sum(name.startswith("images/") for name in files) >= count:
            break
    return Shards(samples.out, output.place, files).read


def publish(out: Path, place: Place, cards: Sequence[str]) -> None:
    """Copy what the dataset says of itself to the URL of its shards."""
    for name in (*BESIDE, *cards):
        if (out / name).is_file():
            place.copy(out / name)
