"""What a dataset of millions costs besides computing it: `python benchmarks/scale.py [--quick] [--work FOLDER]`.

Two runs in this process, whose memory is looked at on the way. First `handsoff generate` makes 200,000 samples of a
generator of 8 px into tar shards: from the first 20,000 on its memory should stay what it is. Then the ledger gets the
records of a million samples that nobody computed, is read again, decided about and written as samples.jsonl.
Less than 20 minutes; what was interrupted goes on in the same --work. Writes benchmarks/results/scale.json.
"""

import argparse
import gc
import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.console import Console

from handsoff.core.disk import used_bytes
from handsoff.core.files import write_json
from handsoff.core.images import to_uint8
from handsoff.datasets.generated import write_records
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.engines.local import LOCAL
from handsoff.generators.contract import Conditions
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.inspection.diagnose import machine
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.folder import Job, Plan
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.settings import FitSettings
from handsoff.sampling.draws import Draws
from handsoff.synthesis.dataset import Production, make_shards
from handsoff.synthesis.output import FolderOutput
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import SHARD, DrawShard, DrawShards, ShardContext
from handsoff.synthesis.table import SHOWN, Samples, Table
from handsoff.tasks.segmentation import Segmentation
from handsoff.verbs import VERBS

RESULTS = Path(__file__).parent / "results"
DRAWS, QUICK_DRAWS = 200_000, 12_800
RECORDS, QUICK_RECORDS = 1_000_000, 64_000
WARM = 0.1  # of the draws, after which memory is to stay what it is
RARE = 0.3  # a part is not shown where its share would be less
EVERY = 20  # shards between two looks at the memory
PARTS = [f"class {index}" for index in range(12)]
FEW = FitSettings(members=2, hidden=(8, 8), steps=4, images=2, pixels=20, networks=0, features=("generator",))


def megabytes() -> float:
    """What this process has in memory."""
    return psutil.Process().memory_info().rss / 1e6


def labeler(place: Path) -> Path:
    """Of a generator of 8 px, fitted in a few steps; how well it labels does not matter here."""
    if (place / "labeler" / "DONE").is_file():
        return place / "labeler"
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config((8, 8), (4, 4), 8, 8, 1, 32, 8), "CC0").eval()
    save_generator(net, place / "generator")
    task = Segmentation({"classes": ["dark", "bright"]})
    with torch.no_grad():
        for index, image in enumerate(to_uint8(net.synthesize(net.draw(range(4))))):
            mask = (image.mean(-1) > np.median(image.mean(-1))).astype(np.uint8)
            write_sample(place / "labelled", f"photo{index}", image, {"segmentation": mask}, {"segmentation": task})
    write_cards(place / "labelled", {"segmentation": task})
    inputs: dict[str, Any] = {"generator": place / "generator", "labelled": place / "labelled"}
    run_to_end(VERBS["invert"].work(inputs, place / "latents", InvertSettings(encoder_steps=0, steps=1)))
    inputs = {"generator": place / "generator", "examples": place / "latents"}
    run_to_end(VERBS["fit"].work(inputs, place / "labeler", FEW))
    return place / "labeler"


def made_samples(place: Path, count: int) -> dict[str, Any]:
    """A run of `handsoff generate`: its memory on the way, and what it leaves on the disk."""
    settings = GenerateSettings(n=count, output="webdataset")
    out, began, seen = place / "dataset", time.perf_counter(), list[tuple[str, float, float]]()
    work = VERBS["generate"].work({"labelers": [labeler(place)]}, out, settings)
    for number, now in enumerate(work):
        if number % EVERY == 0:
            seen.append((now.stage, now.done, megabytes()))
    seen.append(("done", count, megabytes()))
    warm = [found for stage, done, found in seen if stage != "generating" or done > WARM * count]
    ledger = sum(file.stat().st_size for file in (out / "ledger").iterdir())
    return {
        "samples": count,
        "seconds": round(time.perf_counter() - began, 1),
        "megabytes_warm": round(warm[0], 1),
        "megabytes_most": round(max(warm), 1),
        "ledger_files": len(list((out / "ledger").iterdir())),
        "ledger_bytes_per_sample": round(ledger / count),
        "index_bytes_per_sample": round((out / "shards.jsonl").stat().st_size / count),
        "records_bytes_per_sample": round((out / "samples.jsonl").stat().st_size / count),
    }


def records(shard: DrawShard, _: ShardContext) -> list[dict[str, Any]]:
    """Records of samples that nobody computed, as large as real ones."""
    rng = np.random.default_rng(shard.first)
    values = rng.random((len(shard.draws), 1 + len(PARTS))).round(6).tolist()
    return [
        {
            "name": name,
            "draw": draw.record(),
            "uncertainties": {"segmentation": uncertainty},
            "shows": {"segmentation": {part: share for part, share in zip(PARTS, shares, strict=True) if share > RARE}},
            "rest": {},
            "files": {f"{kind}/{name}.png": [40_000, "0" * 64] for kind in ("images", "masks", "uncertainty")},
        }
        for name, draw, (uncertainty, *shares) in zip(shard.names, shard.draws, values, strict=True)
    ]  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = work()
    return found, round(time.perf_counter() - began, 1)


def kept_records(place: Path, count: int) -> dict[str, Any]:
    """A ledger of records alone: written, read again, decided about with strata, streamed to samples.jsonl."""
    out = place / "records"
    shutil.rmtree(out, ignore_errors=True)
    job = Job(out, Plan("generate", {}, {}), "made")
    shards = DrawShards(0, (Draws(Conditions(), range(count)),))
    context = ShardContext((), out, FolderOutput(out))
    parts = dict.fromkeys([("segmentation", part) for part in PARTS], SHOWN)
    production = Production("records", records, shards, context, count, {}, partial(Table, parts))
    gc.collect()
    before = megabytes()
    _, written = timed(lambda: run_to_end(make_shards(job, production, LOCAL)))
    table, read = timed(lambda: run_to_end(make_shards(job, production, LOCAL)))
    gc.collect()
    columns = megabytes() - before
    decided, deciding = timed(lambda: select(table, 0.9, strata="parts"))
    samples, most = Samples(out, shards, table, decided), [megabytes()]

    def lines() -> Iterator[dict[str, Any]]:
        for number, record in enumerate(samples):
            if number % 10_000 == 0:
                most.append(megabytes())
            yield record

    _, streamed = timed(lambda: write_records(out, lines()))
    entries = list((out / "ledger").iterdir())
    found = {
        "records": count,
        "seconds": {"write": written, "read": read, "decide": deciding, "stream": streamed},
        "megabytes_of_columns": round(columns, 1),
        "megabytes_more_at_most": round(max(most) - before, 1),
        "ledger_files": len(entries),
        "ledger_bytes_on_disk": used_bytes(out / "ledger"),
    }
    shutil.rmtree(out)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sixteenth of both")
    parser.add_argument("--work", type=Path, default=Path("build/scale"), help="where the datasets are made")
    parser.add_argument("--out", type=Path, default=RESULTS / "scale.json")
    given = parser.parse_args()
    place = given.work / ("quick" if given.quick else "whole")
    torch.set_num_threads(1)
    part = place / "samples.json"
    if not part.is_file():
        write_json(part, made_samples(place, QUICK_DRAWS if given.quick else DRAWS))
    known = kept_records(place, QUICK_RECORDS if given.quick else RECORDS)
    found = {"samples": json.loads(part.read_text()), "records": known}
    Console().print(found)
    if given.quick:  # shows that it runs
        return
    write_json(given.out, {"machine": machine(), "shard": SHARD, "quick": given.quick, **found})


if __name__ == "__main__":
    main()
