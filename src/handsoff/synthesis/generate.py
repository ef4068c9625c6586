"""`handsoff generate`: a labelled dataset from seeds."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handsoff.core.device import best_device
from handsoff.core.errors import InputError
from handsoff.core.files import png, read_json, sha256, write_bytes, write_json
from handsoff.core.images import tile
from handsoff.core.seeds import latents
from handsoff.formats.labelled import write_classes, write_sample
from handsoff.jobs.folder import Job, open_job, require_done
from handsoff.jobs.progress import Progress, Work
from handsoff.labeling.labeler import WEIGHTS as LABELER_WEIGHTS
from handsoff.labeling.labeler import Labeler, image_uncertainty, load_labeler
from handsoff.synthesis.settings import GenerateSettings

CHUNK = 64  # samples per ledger entry
BATCH = 16  # always computed together, the last ones filled up: a sample must not depend on how many are drawn
SHOWN = 16
Record = dict[str, Any]
Images = UInt8[np.ndarray, "n h w 3"]
Masks = UInt8[np.ndarray, "n h w"]
Doubts = Float[np.ndarray, "n h w"]


def generate(labelers: list[Path], out: Path, settings: GenerateSettings) -> Work:
    """Draw `n` samples, label them, drop the most uncertain; `out` is a labelled folder with a manifest.

    Raises:
        InputError: a labeler is unusable, or `out` holds something else.
    """
    if len(labelers) != 1:
        raise InputError(f"handsoff generate takes one label generator in this version, not {len(labelers)}.")
    require_done(labelers[0], "fit")
    inputs = {"labeler": {"path": str(labelers[0].resolve()), "fingerprint": sha256(labelers[0] / LABELER_WEIGHTS)}}
    job = open_job(out, "generate", inputs, settings.model_dump())
    if job.done:
        return
    labeler = load_labeler(labelers[0])
    records: list[Record] = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, settings.n, CHUNK):
            seeds = range(settings.seed + start, settings.seed + min(start + CHUNK, settings.n))
            records += chunk(labeler, seeds, out, settings.psi, pool)
            yield Progress("generating", len(records), settings.n, f"mean uncertainty {np.mean([record['uncertainty'] for record in records]):.3f}")
    yield from finish(job, labeler, records, labelers[0], settings)


def name_of(seed: int) -> str:
    return f"{seed:08d}"


def chunk(labeler: Labeler, seeds: range, out: Path, psi: float, pool: ThreadPoolExecutor) -> list[Record]:
    """Write the samples of `seeds` and, after them, their ledger entry; what has an entry is not made again."""
    ledger = out / "ledger" / f"{seeds.start:08d}-{len(seeds)}.json"
    if ledger.is_file():
        entries: list[Record] = read_json(ledger)
        return entries
    records, writes = [], []
    for batch, images, labels, uncertainty in samples(labeler, seeds, psi):
        for seed, image, label, unsure in zip(batch, images, labels, uncertainty, strict=True):
            writes.append(pool.submit(write_one, out, seed, image, label, unsure))
        for seed, value in zip(batch, image_uncertainty(uncertainty), strict=True):
            records.append({"name": name_of(seed), "seed": seed, "uncertainty": round(float(value), 6)})
    for write in writes:
        write.result()
    write_json(ledger, records)
    return records


def samples(labeler: Labeler, seeds: range, psi: float) -> Iterator[tuple[range, Images, Masks, Doubts]]:
    """Labelled samples of `seeds`, a batch at a time: (seeds, images, labels, uncertainty per pixel)."""
    for start in range(0, len(seeds), BATCH):
        batch = seeds[start : start + BATCH]
        z = latents([*batch, *[0] * (BATCH - len(batch))], labeler.generator.z_dim).to(best_device())
        with torch.no_grad():
            images, labels, uncertainty = labeler.label(labeler.generator.mapping(z, psi))
        yield batch, images[: len(batch)], labels[: len(batch)], uncertainty[: len(batch)]


def write_one(out: Path, seed: int, image: UInt8[np.ndarray, "h w 3"], label: UInt8[np.ndarray, "h w"], uncertainty: Float[np.ndarray, "h w"]) -> None:
    write_sample(out, name_of(seed), image, label)
    write_bytes(out / "uncertainty" / f"{name_of(seed)}.png", png(np.rint(uncertainty * 255).astype(np.uint8)))


def finish(job: Job, labeler: Labeler, records: list[Record], source: Path, settings: GenerateSettings) -> Work:
    """Select, remove what was dropped, and write the dataset's own account of itself."""
    out = job.out
    select(records, settings.keep)
    for record in records:
        if not record["kept"]:
            for path in (out / "images", out / "masks", out / "uncertainty"):
                (path / f"{record['name']}.png").unlink(missing_ok=True)
    yield Progress("selecting", 1, 1)
    write_classes(out, labeler.task.schema["classes"])
    write_bytes(out / "samples.jsonl", "".join(json.dumps(record) + "\n" for record in records).encode())
    write_bytes(out / "inversions.png", (source / "inversions.png").read_bytes())
    kept = [record for record in records if record["kept"]]
    preview(out, labeler, kept, settings.psi)
    manifest: Record = {"task": labeler.task.name, "schema": labeler.task.schema, "resolution": list(labeler.size)}
    manifest |= {"licence": labeler.generator.licence, "generator": labeler.card["generator"], "merge": labeler.card["merge"]}
    manifest |= {"drawn": len(records), "kept": len(kept), "psi": settings.psi, "seed": settings.seed}
    manifest["uncertainty"] = "Jensen-Shannon divergence of the ensemble over its bound, 0..1; per pixel in uncertainty/NAME.png times 255"
    write_json(out / "manifest.json", manifest)
    job.finish(seed=settings.seed, licence=labeler.generator.licence, drawn=len(records), kept=len(kept))


def select(records: list[Record], keep: float) -> None:
    """Mark the `keep` most certain share (DatasetGAN, section 3.3); ties go to the lower seed."""
    count = max(1, math.floor(len(records) * keep + 0.5))
    order = sorted(records, key=lambda record: (record["uncertainty"], record["seed"]))
    for rank, record in enumerate(order):
        record["kept"] = rank < count
        record["reason"] = None if rank < count else f"uncertainty {record['uncertainty']:.4f} is among the highest {1 - keep:.0%}"


def preview(out: Path, labeler: Labeler, kept: list[Record], psi: float) -> None:
    """A sheet of the first kept samples: image | label."""
    seeds = [record["seed"] for record in kept[:SHOWN]]
    z = latents([*seeds, *[0] * (BATCH - len(seeds))], labeler.generator.z_dim).to(best_device())
    with torch.no_grad():
        images, labels, _ = labeler.label(labeler.generator.mapping(z, psi))
    pairs = np.stack([images, labeler.task.draw(images, labels)], 1)[: len(seeds)]
    write_bytes(out / "preview.png", png(tile(pairs.reshape(-1, *images.shape[1:]), 8)))
