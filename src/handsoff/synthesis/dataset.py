"""What all datasets share, wherever their images come from: made shard by shard, selected once, then finished.

An engine makes the shards, and when all are made the most certain samples are selected from the ledger.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from handsoff.core.disk import require_space_for_rest
from handsoff.core.files import png, write_bytes
from handsoff.core.images import tile
from handsoff.datasets.generated import Record, remove_uncertainty, write_manifest, write_records
from handsoff.datasets.labelled import open_like, remove_sample, write_cards
from handsoff.engines.contract import Engine
from handsoff.jobs.folder import Job
from handsoff.jobs.ledger import fit, read_entry
from handsoff.jobs.progress import Progress
from handsoff.synthesis.card import Origin, write_card
from handsoff.synthesis.samples import FILES, REST
from handsoff.synthesis.shard import Shard, ledger_entry
from handsoff.tasks.base import Task

SHOWN = 16  # samples in preview.png
CONTENT = "content"  # in the ledger: hash of an image
FOUND = "uncertainties"  # a record without them is no sample
OWN = frozenset({REST, FILES, CONTENT})  # of the ledger
UNCERTAINTY_IS = (
    "disagreement of the ensemble, 0..1; per pixel in uncertainty*/NAME.png times 255, per point in samples.jsonl"
)
Sieve = Callable[[list[Record]], list[Record]]
Decision = Callable[[list[Record]], list[Record]]


def everything(records: list[Record]) -> list[Record]:
    return records


@dataclass(frozen=True)
class Production:
    """How samples are made.

    Attributes:
        stage: what is being done, for the progress.
        function: makes a shard, given the context, and returns its ledger entry.
        total: number of samples of all shards.
        sieve: of all records so far, in order, those of samples of the dataset; raises where going on is no use.
    """

    stage: str
    function: Callable[[Any, Any], Path]
    shards: Sequence[Shard]
    context: Any
    total: int
    sieve: Sieve = everything


def make_samples(
    job: Job, production: Production, decide: Decision, engine: Engine
) -> Generator[Progress, None, list[Record]]:
    """Make all shards and decide which samples stay; of a run that goes on, damaged shards are made again.

    Returns the records of the samples as `decide` gives them back, marked as kept or not.
    """
    while True:
        records = yield from make_shards(job, production, engine)
        yield Progress("selecting", 0, 1)
        chosen = decide(records)
        damaged = [] if job.outcome == "made" else (yield from damaged_shards(job.out, production.shards, chosen))
        if not damaged:
            return chosen
        for shard in damaged:
            ledger_entry(job.out, shard).unlink()


def make_shards(job: Job, production: Production, engine: Engine) -> Generator[Progress, None, list[Record]]:
    """Make all shards that are not made yet, and return the records of the samples of all of them."""
    records: list[Record] = []
    measured: list[float] = []
    looked_at = 0
    for entry in engine.map(production.function, production.shards, production.context):
        made: list[Record] = read_entry(entry)
        if not records:
            require_space_for_rest(job.out, len(list((job.out / "images").glob("*.png"))), production.total)
        records += made
        measured += [fmean(record[FOUND].values()) for record in made if FOUND in record]
        if len(records) >= 2 * looked_at:  # not every time: it looks at all records so far
            production.sieve(records)
            looked_at = len(records)
        note = f"mean uncertainty {fmean(measured):.3f}" if measured else ""
        yield Progress(production.stage, len(records), production.total, note)
    return production.sieve(records)


def damaged_shards(
    out: Path, shards: Sequence[Shard], records: Sequence[Record]
) -> Generator[Progress, None, list[Shard]]:
    """The shards that a file is missing or wrong of; files of samples that are dropped do not count."""
    kept = {record["name"]: record[FILES] for record in records if record["kept"]}
    damaged = []
    for number, shard in enumerate(shards, start=1):
        if not all(fit(kept[name], out) for name in shard.names if name in kept):
            damaged.append(shard)
        yield Progress("checking what was made before", number, len(shards), f"{len(damaged)} to make again")
    return damaged


def finish(
    out: Path, tasks: Mapping[str, Task], records: Sequence[Record], origin: Origin, facts: Mapping[str, Any]
) -> None:
    """Remove what was dropped, and write what the dataset says of itself.

    Args:
        out: the dataset.
        tasks: of its labels.
        records: of all samples, as `make_samples` returns them.
        origin: for the card.
        facts: for the manifest.
    """
    kept = [record for record in records if record["kept"]]
    for record in records:
        if not record["kept"]:
            remove_files(out, record["name"], tasks)
    write_cards(out, tasks, {record["name"]: record[REST] for record in kept})
    write_records(out, ({key: value for key, value in record.items() if key not in OWN} for record in records))
    write_card(out, tasks, records, origin)
    write_preview(out, [record["name"] for record in kept[:SHOWN]], tasks)
    schemas = {name: task.schema for name, task in tasks.items()}
    write_manifest(out, {"tasks": schemas, **facts, "uncertainty": UNCERTAINTY_IS})


def remove_files(out: Path, name: str, tasks: Mapping[str, Task]) -> None:
    """Remove image, labels and uncertainty of a sample."""
    remove_sample(out, name, tasks)
    remove_uncertainty(out, tasks, name)


def write_preview(out: Path, names: Sequence[str], tasks: Mapping[str, Task]) -> None:
    """`preview.png`: some samples, each as its image and, for every task, the image with the label drawn over it."""
    data = open_like(out, {name: task.schema for name, task in tasks.items()})
    pictures = []
    for name in names:
        image, labels = data.sample(name)
        pictures += [image, *(task.drawing.draw(image[None], labels[kind][None])[0] for kind, task in tasks.items())]
    write_bytes(out / "preview.png", png(tile(np.stack(pictures), 4 * (1 + len(tasks)))))
