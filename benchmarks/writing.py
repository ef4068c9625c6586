"""What writing costs beside computing: `python benchmarks/writing.py LABELER... [-n 768]`.

LABELER are folders of `handsoff fit` on one generator. For the first alone and for all together, images a second of
the generator alone, labelled (nothing written), labelled and written one after the other, and by `handsoff generate`.
Then how often the classes in mixed precision are those in float32 (the first LABELER must segment).
Writes benchmarks/results/NAME.json.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from rich.console import Console

from handsoff.core.device import keep_freed_memory, mixed_precision
from handsoff.core.files import write_json
from handsoff.core.images import to_uint8
from handsoff.inspection.diagnose import machine
from handsoff.jobs.progress import run_to_end
from handsoff.labeling import labeler as labeling
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.sampling.draws import Draw, draw_latents, uniform_draws
from handsoff.synthesis.generate import generate
from handsoff.synthesis.samples import LabelledSample, batch_size, label_draws, tasks_of, write_labelled
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import SHARD

RESULTS = Path(__file__).parent / "results"
COMPARED = 64  # samples labelled in both precisions


def draws(labelers: Sequence[Labeler], count: int) -> Sequence[Draw]:
    return uniform_draws(labelers[0].generator.conditions, range(count))


def samples(labelers: Sequence[Labeler], count: int) -> Iterator[LabelledSample]:
    """Labelled, not written."""
    return label_draws(labelers, draws(labelers, count))


def bare(labelers: Sequence[Labeler], count: int) -> None:
    """The images alone, in the batches of `handsoff generate`."""
    generator, together, wanted = labelers[0].generator, batch_size(labelers[0].size), draws(labelers, count)
    with torch.no_grad(), mixed_precision():
        for start in range(0, count, together):
            to_uint8(generator.synthesize(draw_latents(generator, wanted[start : start + together])))


def one_after_the_other(labelers: Sequence[Labeler], count: int) -> None:
    tasks = tasks_of(labelers)
    with tempfile.TemporaryDirectory() as folder:
        for index, sample in enumerate(samples(labelers, count)):
            write_labelled(Path(folder), f"{index:08d}", sample, tasks)


def by_generate(folders: list[Path], count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_to_end(generate(folders, Path(folder) / "dataset", GenerateSettings(n=count, keep=1.0)))


def rate(work: Callable[[int], Any], count: int) -> float:
    """Images a second, the better of two rounds, without what is done once for any number (loading, the manifest)."""

    def seconds(number: int) -> float:
        began = time.perf_counter()
        work(number)
        return time.perf_counter() - began

    once = min(seconds(SHARD) for _ in range(2))
    return count / (min(seconds(SHARD + count) for _ in range(2)) - once)


def rates(folders: list[Path], count: int) -> dict[str, Any]:
    """Images a second of every way."""
    labelers = [load_labeler(folder) for folder in folders]
    plain = [dataclasses.replace(labeler, networks=()) for labeler in labelers]
    return {
        "tasks": list(tasks_of(labelers)),
        "size": list(labelers[0].size),
        "bare": rate(lambda number: bare(labelers, number), count),
        "labelled_by_members_alone": rate(lambda number: list(samples(plain, number)), count),
        "labelled": rate(lambda number: list(samples(labelers, number)), count),
        "one_after_the_other": rate(lambda number: one_after_the_other(labelers, number), count),
        "generate": rate(lambda number: by_generate(folders, number), count),
    }


def agreement(folder: Path) -> dict[str, float]:
    """The share of pixels whose class is the same in float32."""

    def full_precision() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", enabled=False)

    def labels() -> Iterator[np.ndarray]:
        labeler = load_labeler(folder)
        return (sample.labels[labeler.task.name] for sample in samples([labeler], COMPARED))

    mixed = np.stack(list(labels()))
    with mock.patch.object(labeling, "mixed_precision", full_precision):
        full = np.stack(list(labels()))
    return {"same_label": float((mixed == full).mean()), "samples": COMPARED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelers", type=Path, nargs="+", metavar="LABELER")
    parser.add_argument("-n", type=int, default=768)
    parser.add_argument("--name", default="writing")
    options = parser.parse_args()
    keep_freed_memory()
    cases = [options.labelers[:1]] + ([options.labelers] if len(options.labelers) > 1 else [])
    rows = [rates(case, options.n // len(case)) for case in cases]  # several labelers take longer
    Console().print(rows)
    result = {
        "machine": machine(),
        "versions": {name: version(name) for name in ("handsoff-labels", "torch")},
        "rows": rows,
    }
    write_json(RESULTS / f"{options.name}.json", {**result, "precision": agreement(options.labelers[0])})


if __name__ == "__main__":
    main()
