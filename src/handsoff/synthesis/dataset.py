"""What all datasets share, wherever their images come from: made shard by shard, selected once, then finished.

An engine makes the shards, and when all are made the most certain samples are selected. Records of samples are written
into the ledger here, and read from there one shard at a time; only columns of them are in memory (`synthesis.table`).
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from handsoff.core.disk import require_space_for_rest
from handsoff.core.files import png, write_bytes
from handsoff.core.images import tile
from handsoff.datasets.generated import Record, remove_uncertainty, write_manifest, write_records
from handsoff.datasets.writing import remove_sample, write_cards, write_entries
from handsoff.engines.contract import Engine
from handsoff.jobs.folder import Job
from handsoff.jobs.ledger import read_entry, write_entry
from handsoff.jobs.progress import Progress, Rate
from handsoff.synthesis.card import LOOKED_AT, Origin, write_card
from handsoff.synthesis.closing import close_shards, index, publish, reading
from handsoff.synthesis.output import FolderOutput, Output, TarOutput
from handsoff.synthesis.samples import FILES, REST, Image, reader
from handsoff.synthesis.shard import LEDGER, Shard, entry_of
from handsoff.synthesis.table import FOUND, Decided, Samples, Table
from handsoff.tasks.base import Label, Task

SHOWN = 16  # samples in preview.png
CONTENT = "content"  # in the ledger: hash of an image
OWN = frozenset({REST, FILES, CONTENT})  # of the ledger
UNCERTAINTY_IS = (
    "disagreement of the ensemble, 0..1; per pixel in uncertainty*/NAME.png times 255, per point in samples.jsonl"
)
Decision = Callable[[Table], Decided]


@dataclass(frozen=True)
class Production:
    """How samples are made.

    Attributes:
        stage: what is being done, for the progress.
        function: makes a shard, given the context, and returns the records of its samples.
        total: number of samples of all shards.
        tasks: of the labels.
        table: begins the columns of what is made; its `samples()` raises where going on is no use.
    """

    stage: str
    function: Callable[[Any, Any], list[Record]]
    shards: Sequence[Shard]
    context: Any
    total: int
    tasks: Mapping[str, Task]
    table: Callable[[], Table] = Table


def make_samples(
    job: Job, production: Production, decide: Decision, engine: Engine
) -> Generator[Progress, None, Samples]:
    """Make all shards and decide which samples stay; of a run that goes on, damaged shards are made again."""
    while True:
        table = yield from make_shards(job, production, engine)
        yield Progress("selecting", 0, 1)
        samples = Samples(job.out, production.shards, table, decide(table))
        output: Output = production.context.output
        if isinstance(output, TarOutput):
            damaged = yield from close_shards(samples, output, production.tasks, engine)
        else:
            damaged = [] if job.outcome == "made" else (yield from damaged_shards(samples, output))
        if not damaged:
            return samples
        for entry in damaged:
            entry.unlink()


def make_shards(job: Job, production: Production, engine: Engine) -> Generator[Progress, None, Table]:
    """Make all shards that are not made yet, and return the columns of all of them."""
    table, found, total, looked_at, rate = production.table(), 0, 0.0, 0, Rate("samples")
    with closing(records_of(job, production, engine, rate)) as made:  # where it is refused no worker goes on writing
        for records in made:
            if not table.count:
                require_space_for_all(job, production, len(records))
            table.add(records)
            measured = [fmean(record[FOUND].values()) for record in records if FOUND in record]
            found, total = found + len(measured), total + sum(measured)
            if table.count >= 2 * looked_at:  # not every time: it looks at all records so far
                table.samples()
                looked_at = table.count
            notes = (str(rate), f"mean uncertainty {total / found:.3f}" if found else "")
            yield Progress(production.stage, table.count, production.total, ", ".join(filter(None, notes)))
    table.samples()
    return table


def records_of(job: Job, production: Production, engine: Engine, rate: Rate) -> Generator[list[Record], None, None]:
    """The records of every shard, made now or before; the engine ends with it."""
    made: Iterator[list[Record]] | None = None
    try:
        for place, shard in enumerate(production.shards):
            entry = entry_of(job.out, shard)
            records = read_entry(entry)
            if records is None:
                if made is None:  # from here on: the entries before were read already
                    others = unmade(job.out, production.shards[place:])
                    made = engine.map(production.function, others, production.context)
                records = write_entry(entry, next(made))
                rate.count(len(records))
            yield records
    finally:
        if isinstance(made, Generator):
            made.close()


def require_space_for_all(job: Job, production: Production, looked_at: int) -> None:
    """Whether the disk holds all samples, by those of the first shard; photos that are left out count as such.

    Raises:
        HandsOffError: it does not.
    """
    done = max(looked_at, production.context.output.stored())
    once = sum(file.stat().st_size for file in (job.out / LEDGER).glob("*.safetensors"))
    require_space_for_rest(job.out, done, production.total, once)


def unmade(out: Path, shards: Sequence[Shard]) -> Iterator[Shard]:
    """The shards without an entry in the ledger. An engine may look ahead: only results are entered, in this order."""
    return (shard for shard in shards if read_entry(entry_of(out, shard)) is None)


def damaged_shards(samples: Samples, output: FolderOutput) -> Generator[Progress, None, list[Path]]:
    """The entries of shards that a file is missing or wrong of; files of samples that are dropped do not count."""
    damaged = []
    for number, (shard, places) in enumerate(samples.places(), start=1):
        entry = entry_of(samples.out, shard)
        kept = [place is not None and samples.decided.kept[place] for place in places]
        if not all(map(output.is_whole, compress(read_entry(entry), kept))):
            damaged.append(entry)
        yield Progress("checking what was made before", number, len(samples.shards), f"{len(damaged)} to make again")
    return damaged


def finish(samples: Samples, production: Production, origin: Origin, facts: Mapping[str, Any]) -> None:
    """Remove what was dropped, and write what the dataset says of itself; records are read one at a time.

    Args:
        samples: as `make_samples` returns them.
        production: how they were made.
        origin: for the card.
        facts: for the manifest.
    """
    out, tasks, output = samples.out, production.tasks, production.context.output
    if isinstance(output, TarOutput):
        index(samples, output)
    else:
        for name in samples.names(kept=False):
            remove_files(out, name, tasks)
    write_cards(out, tasks)
    for name, task in tasks.items():
        if not task.locations[0].suffixes:
            kept = (record for record in samples if record["kept"])
            write_entries(out, task, ((record["name"], record[REST][name]) for record in kept))
    write_records(out, ({key: value for key, value in record.items() if key not in OWN} for record in samples))
    shown = list(islice((record for record in samples if record["kept"]), LOOKED_AT))
    files = reading(samples, output, len(shown)) if isinstance(output, TarOutput) else output.read
    read = reader(tasks, files, output.suffixes(tasks))
    write_card(samples, tasks, map(read, shown), origin, sharded=isinstance(output, TarOutput))
    write_preview(out, map(read, shown[:SHOWN]), tasks)
    schemas = {name: task.schema for name, task in tasks.items()}
    write_manifest(out, {"tasks": schemas, **facts, "uncertainty": UNCERTAINTY_IS})
    if isinstance(output, TarOutput) and output.place.url:
        publish(out, output.place, [file for task in tasks.values() for file in task.storage.cards()])


def remove_files(out: Path, name: str, tasks: Mapping[str, Task]) -> None:
    """Remove image, labels and uncertainty of a sample."""
    remove_sample(out, name, tasks)
    remove_uncertainty(out, tasks, name)


def write_preview(out: Path, shown: Iterable[tuple[Image, dict[str, Label]]], tasks: Mapping[str, Task]) -> None:
    """`preview.png`: some samples, each as its image and, for every task, the image with the label drawn over it."""
    pictures = []
    for image, labels in shown:
        pictures += [image, *(task.drawing.draw(image[None], labels[kind][None])[0] for kind, task in tasks.items())]
    write_bytes(out / "preview.png", png(tile(np.stack(pictures), 4 * (1 + len(tasks)))))
