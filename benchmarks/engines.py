"""What engines give and cost: `python benchmarks/engines.py [--quick]`, on a machine with nothing else to do.

Samples a second of `handsoff generate` from one worker to two, each with one thread, by a labeler of the demo's
generator that was fitted in a few steps (how well it labels does not change what it costs). Then the seconds that a
shard takes when labelling costs nothing: its draws are sent to a worker, and 64 records of samples come back.
A sample is an image of 64 px, its mask and its uncertainty.
A quarter of an hour. Writes benchmarks/results/engines.json.
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from handsoff.core.files import read_json, write_json
from handsoff.demo import DATA
from handsoff.engines.choice import EngineSettings, opened
from handsoff.engines.contract import Engine
from handsoff.inspection.diagnose import machine
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.settings import FitSettings
from handsoff.sampling.draws import Draw
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import SHARD, DrawShard
from handsoff.verbs import VERBS

RESULTS = Path(__file__).parent / "results"
WORKERS = (1, 2)
COUNTS, QUICK_COUNTS = (100, 1_000, 10_000), (100, 1_000)
SAMPLES, QUICK_SAMPLES = 24 * SHARD, 6 * SHARD
FILES = ("images", "masks", "uncertainty")
FEW = FitSettings(steps=20, images=2, pixels=200, network_steps=2)
RECORD = {
    "name": "00000000", "draw": {"seed": 0, "psi": 1.0, "condition": None},
    "uncertainties": {"segmentation": 0.214}, "shows": {"segmentation": {f"class {index}": 0.1 for index in range(8)}},
    "rest": {"segmentation": None}, "files": {f"{kind}/00000000.png": [4096, "0" * 64] for kind in ("images", "masks")},
}  # fmt: skip


def labeler(place: Path) -> Path:
    """Fitted to a few photos of the demo."""
    inputs: dict[str, Any] = {"generator": DATA / "generator", "labelled": DATA / "train.zip"}
    settings = InvertSettings(first=4, encoder_steps=0, steps=0, tasks=("segmentation",))
    run_to_end(VERBS["invert"].work(inputs, place / "latents", settings))
    inputs = {"generator": DATA / "generator", "examples": place / "latents"}
    run_to_end(VERBS["fit"].work(inputs, place / "labeler", FEW))
    return place / "labeler"


def generated(folder: Path, samples: int, engine: Engine) -> tuple[float, float]:
    """Samples a second, from the first shard of every worker to the last of all, and the bytes of a sample's files."""
    with tempfile.TemporaryDirectory() as place:
        out, settings = Path(place) / "dataset", GenerateSettings(n=samples, keep=1.0)
        work = VERBS["generate"].work({"labelers": [folder]}, out, settings, engine)
        seen = [(time.perf_counter(), now.done) for now in work if now.stage == "generating" and now.done]
        used = sum(path.stat().st_size for kind in FILES for path in (out / kind).glob("*.png"))
    (began, first), (ended, last) = seen[len(WORKERS) - 1], seen[-1]
    return (last - first) / (ended - began), used / samples


def records(shard: DrawShard, _: None) -> list[dict[str, Any]]:
    """Labels that cost nothing."""
    return [RECORD] * len(shard.draws)


def first_result(engine: Engine) -> float:
    """Seconds until every worker of a new engine has given a result."""
    began = time.perf_counter()
    list(engine.map(records, [DrawShard(0, (Draw(seed=0),))] * len(WORKERS), None))
    return round(time.perf_counter() - began, 2)


def overhead(engine: Engine, counts: tuple[int, ...]) -> dict[str, Any]:
    """Milliseconds per shard of as many shards as `counts` say, on workers that are there."""
    draws = tuple(Draw(seed=seed) for seed in range(SHARD))
    milliseconds = {}
    for count in counts:
        began = time.perf_counter()
        for _ in engine.map(records, (DrawShard(SHARD * number, draws) for number in range(count)), None):
            pass
        milliseconds[str(count)] = round(1000 * (time.perf_counter() - began) / count, 3)
    return {"milliseconds": milliseconds}


def measure(name: str, folder: Path, *, quick: bool) -> dict[str, Any]:
    """One engine with one worker and with two."""
    found: dict[str, Any] = {}
    for workers in WORKERS:
        settings = EngineSettings(engine=name, workers=None if name == "local" else workers)
        torch.set_num_threads(workers if name == "local" else 1)
        with ExitStack() as stack:
            engine = stack.enter_context(opened(settings))
            if workers == WORKERS[-1]:  # before anything else: later its workers are there already
                found["start"] = first_result(engine)
            rate, found["bytes_per_sample"] = generated(folder, QUICK_SAMPLES if quick else SAMPLES, engine)
            found.setdefault("samples_per_second", {})[str(workers)] = round(rate, 2)
            if workers == WORKERS[-1]:
                found |= overhead(engine, QUICK_COUNTS if quick else COUNTS)
    first, last = found["samples_per_second"].values()
    return {**found, "ratio": round(last / first, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the samples, a tenth of the shards")
    parser.add_argument("--engines", nargs="*", default=["local", "processes", "ray"])
    parser.add_argument("--out", type=Path, default=RESULTS / "engines.json")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of a worker, so that two have twice as much as one
    with tempfile.TemporaryDirectory() as place:
        folder = labeler(Path(place))
        rows = read_json(given.out)["engines"] if given.out.exists() else {}  # of engines that are not asked for now
        for name in given.engines:
            rows[name] = measure(name, folder, quick=given.quick)
            print(name, rows[name])
            if given.quick:  # shows that it runs
                continue
            write_json(given.out, {"machine": machine(), "shard": SHARD, "quick": given.quick, "engines": rows})
    if not given.quick:
        Console().print(f"Written: {given.out}")


if __name__ == "__main__":
    main()
