"""`handsoff generate`: a labelled dataset from seeds."""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handsoff.core.device import best_device
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png, read_json, sha256, write_bytes, write_json
from handsoff.core.images import tile
from handsoff.core.seeds import standard_normal
from handsoff.datasets.labelled import remove_sample, write_cards, write_sample
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import check_supported, write_all, writer_of
from handsoff.formats.exchange import FOLDER, open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.labeler import CARD, WEIGHTS, Labeler, label_together, load_labeler
from handsoff.synthesis.select import Record, select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks.base import Label, Task

CHUNK = 64  # samples per ledger entry
BATCH, PIXELS = 16, 2**20  # images, and pixels of them, at the most that are computed together
SHOWN = 16
MAP_AXES = 3  # of uncertainties per pixel: (N, H, W)
Doubt = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class LabelledSample:
    """A drawn image with a label and its uncertainty per task."""

    seed: int
    image: UInt8[np.ndarray, "h w 3"]
    labels: dict[str, Label]
    uncertainty: dict[str, Doubt]
    doubts: dict[str, float]

    @property
    def name(self) -> str:
        return f"{self.seed:08d}"


def generate(labelers: list[Path], out: Path, settings: GenerateSettings) -> Work:
    """Draw `n` samples, label them, drop the most uncertain; `out` is a labelled folder with a manifest.

    Several label generators of one generator label the same samples, each with labels of its task.

    Raises:
        InputError: a label generator is unusable, two have the same task, or `out` holds something else.
        MismatchError: they belong to different generators.
    """
    inputs = {}
    for index, folder in enumerate(labelers):
        require_done(folder, "fit")
        inputs["labeler" if index == 0 else f"labeler {index + 1}"] = {
            "path": str(folder.resolve()),
            "fingerprint": sha256(folder / WEIGHTS),
        }
    refuse_strangers(labelers)
    job = open_job(out, Plan("generate", inputs, settings.model_dump()))
    if job.done:
        return job.outcome
    loaded = [load_labeler(folder) for folder in labelers]
    with job.undone_if_refused():
        check_supported(tuple(tasks_of(loaded)), writer_of(settings.format))
    records: list[Record] = []
    with ThreadPoolExecutor() as pool, ThreadPoolExecutor(1) as clerk:
        for written in chunks(loaded, out, settings, pool, clerk):
            records += written
            mean = np.mean([list(record["uncertainties"].values()) for record in records])
            yield Progress("generating", len(records), settings.n, f"mean uncertainty {mean:.3f}")
    yield from finish(job, loaded, records, labelers[0], settings)
    return job.outcome


def refuse_strangers(labelers: Sequence[Path]) -> None:
    """Several label generators must share their generator and differ in their task.

    Raises:
        MismatchError: another generator.
        InputError: the same task twice.
    """
    cards = [read_json(folder / CARD) for folder in labelers]
    for folder, card in zip(labelers[1:], cards[1:], strict=True):
        if card["generator"] != cards[0]["generator"]:
            raise MismatchError(
                f"{folder} was fitted to another generator than {labelers[0]}: give label generators of the same one."
            )
    names = [card["task"] for card in cards]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"Two label generators have the task {twice[0]}: give one of each task.")


def labeler_licence(labeler: Path) -> str:
    """The terms under which everything stands that a finished label generator labels.

    Raises:
        InputError: it is not finished.
    """
    require_done(labeler, "fit")
    return str(read_json(labeler / CARD)["licence"])


def tasks_of(labelers: Sequence[Labeler]) -> dict[str, Task]:
    return {labeler.task.name: labeler.task for labeler in labelers}


def chunks(
    labelers: Sequence[Labeler], out: Path, settings: GenerateSettings, pool: Executor, clerk: Executor
) -> Iterator[list[Record]]:
    """What the ledger says of chunk after chunk; while one is computed, the one before it may still be written."""
    begun: deque[Future[list[Record]]] = deque()
    for start in range(0, settings.n, CHUNK):
        seeds = range(settings.seed + start, settings.seed + min(start + CHUNK, settings.n))
        begun.append(chunk(labelers, seeds, out, settings.psi, pool, clerk))
        if len(begun) > 1:
            yield begun.popleft().result()
    yield begun.popleft().result()


def chunk(
    labelers: Sequence[Labeler], seeds: range, out: Path, psi: float, pool: Executor, clerk: Executor
) -> Future[list[Record]]:
    """Make the samples of `seeds`: `pool` writes them and, after them, `clerk` their ledger entry. What has an entry is not made again."""
    ledger = out / "ledger" / f"{seeds.start:08d}-{len(seeds)}.json"
    if ledger.is_file():
        return clerk.submit(read_json, ledger)
    tasks = tasks_of(labelers)
    return clerk.submit(
        entered, ledger, [pool.submit(write_one, out, sample, tasks) for sample in samples(labelers, seeds, psi)]
    )


def entered(ledger: Path, writes: Sequence[Future[Record]]) -> list[Record]:
    """Wait for the files, then write their ledger entry."""
    records = [write.result() for write in writes]
    write_json(ledger, records)
    return records


def samples(labelers: Sequence[Labeler], seeds: Sequence[int], psi: float) -> Iterator[LabelledSample]:
    """Labelled samples of `seeds`."""
    net = labelers[0].generator
    together = max(
        1, min(BATCH, PIXELS // (net.resolution[0] * net.resolution[1]))
    )  # always, the last ones filled up: a sample hangs on its seed alone
    for start in range(0, len(seeds), together):
        batch = list(seeds[start : start + together])
        z = standard_normal([*batch, *[0] * (together - len(batch))], net.z_dim).to(best_device())
        with torch.no_grad():
            images, found = label_together(labelers, net.mapping(z, psi))
        named = {labeler.task: pair for labeler, pair in zip(labelers, found, strict=True)}
        doubts = {task.name: task.scores.image_uncertainty(uncertainty) for task, (_, uncertainty) in named.items()}
        for index, seed in enumerate(batch):
            labels, uncertainty = ({task.name: pair[part][index] for task, pair in named.items()} for part in (0, 1))
            yield LabelledSample(
                seed,
                images[index],
                labels,
                uncertainty,
                {name: float(values[index]) for name, values in doubts.items()},
            )


def write_one(out: Path, sample: LabelledSample, tasks: dict[str, Task]) -> Record:
    """Write one sample's files; what is none comes back for the ledger."""
    rest = write_sample(out, sample.name, sample.image, sample.labels, tasks)
    record: Record = {
        "name": sample.name,
        "seed": sample.seed,
        "uncertainties": {name: round(value, 6) for name, value in sample.doubts.items()},
    }
    for name, values in sample.uncertainty.items():
        if values.ndim + 1 == MAP_AXES:
            write_bytes(
                out / doubt_folder(tasks, name) / f"{sample.name}.png", png(np.rint(values * 255).astype(np.uint8))
            )
        else:
            record.setdefault("per_point", {})[name] = [round(float(value), 4) for value in values]
    return {**record, "rest": rest}


def doubt_folder(tasks: dict[str, Any], name: str) -> str:
    """Where a dataset keeps the uncertainty maps of a task: beside others, each has a folder of its own."""
    return "uncertainty" if len(tasks) == 1 else f"uncertainty-{name}"


def finish(
    job: Job, labelers: Sequence[Labeler], records: list[Record], source: Path, settings: GenerateSettings
) -> Part:
    """Select, remove what was dropped, and write the dataset's own account of itself."""
    out, tasks = job.out, tasks_of(labelers)
    select(records, settings.keep, settings.drop)
    kept = [record for record in records if record["kept"]]
    for record in records:
        if not record["kept"]:
            remove_sample(out, record["name"], tasks)
            for name in tasks:
                (out / doubt_folder(tasks, name) / f"{record['name']}.png").unlink(missing_ok=True)
    yield Progress("selecting", 1, 1)
    write_cards(out, tasks, {record["name"]: record["rest"] for record in kept})
    told = [{name: value for name, value in record.items() if name != "rest"} for record in records]
    write_bytes(out / "samples.jsonl", "".join(json.dumps(record) + "\n" for record in told).encode())
    write_bytes(out / "inversions.png", (source / "inversions.png").read_bytes())
    preview(out, labelers, [record["seed"] for record in kept[:SHOWN]], settings.psi)
    net = labelers[0].generator
    manifest: Record = {
        "tasks": {name: task.schema for name, task in tasks.items()},
        "resolution": list(net.resolution),
    }
    manifest |= {"licence": net.licence, "generator": labelers[0].card["generator"]}
    manifest |= {"drawn": len(records), "kept": len(kept), "psi": settings.psi, "seed": settings.seed}
    manifest["uncertainty"] = (
        "disagreement of the ensemble, 0..1; per pixel in uncertainty*/NAME.png times 255, per point in samples.jsonl"
    )
    write_json(out / "manifest.json", manifest)
    if settings.format != FOLDER:
        yield from write_all(
            out / settings.format, open_dataset(open_source(out)), ConvertSettings(format=settings.format)
        )
    job.finish(seed=settings.seed, licence=net.licence, drawn=len(records), kept=len(kept))


def preview(out: Path, labelers: Sequence[Labeler], seeds: Sequence[int], psi: float) -> None:
    """A sheet of the first kept samples: image | label, for every task."""
    tasks, pictures = tasks_of(labelers), []
    for sample in samples(labelers, seeds, psi):
        drawn = [task.drawing.draw(sample.image[None], sample.labels[name][None])[0] for name, task in tasks.items()]
        pictures += [sample.image, *drawn]
    write_bytes(out / "preview.png", png(tile(np.stack(pictures), 4 * (1 + len(tasks)))))
