"""What fitting the labeler costs at 1024 px: `python benchmarks/fitting.py`.

A generator with config-f channels and random weights, photos made by itself, masks by brightness, ten members of 256
and 32 units, 19 classes; `handsoff fit` without image networks, in a process of its own, so that its peak memory is its
own. Beside it the memory that the published form needs on paper: every hypercolumn, in half precision. Writes
benchmarks/results/fitting.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from handsoff.core.device import keep_freed_memory, mixed_precision
from handsoff.core.files import write_json
from handsoff.core.images import to_uint8
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.generators.stored import load_generator, save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.inspection.diagnose import machine
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.tasks.segmentation import Segmentation

BUDGETS, CLASSES, MEMBERS, HIDDEN = (16, 50), 19, 10, (256, 32)
RESULT = Path(__file__).parent / "results" / "fitting.json"


def prepare(folder: Path, size: int, count: int) -> None:
    """A generator, labelled photos, and the mean latents for all of them: fitting costs the same with any."""
    torch.manual_seed(0)
    net = StyleGAN2(
        StyleGAN2Config((size, size), (4, 4), 512, 512, 8, channel_base=32768, channel_max=512), "CC0"
    ).eval()
    save_generator(net, folder / "generator")
    tasks = {"segmentation": Segmentation({"classes": [f"class {index}" for index in range(CLASSES)]})}
    with torch.no_grad(), mixed_precision():
        for seed in range(count):
            image = to_uint8(net.synthesize(net.draw([seed])))[0]
            mask = (image.mean(-1) / 256 * CLASSES).astype(np.uint8)
            write_sample(folder / "labelled", f"{seed:03d}", image, {"segmentation": mask}, tasks)
    write_cards(folder / "labelled", tasks)
    run_to_end(
        invert(folder / "generator", folder / "labelled", folder / "latents", InvertSettings(encoder_steps=0, steps=0))
    )


def case(folder: Path, first: int) -> dict[str, float]:
    """Seconds and peak memory of one fit, seconds of the generator's passes alone, bytes of all hypercolumns."""
    keep_freed_memory()
    net = load_generator(folder / "generator")
    latents = net.draw([0])
    with torch.no_grad(), mixed_precision():
        net.features(latents)
        began = time.perf_counter()
        net.features(latents)
        passes = first * (time.perf_counter() - began)
    began = time.perf_counter()
    run_to_end(
        fit(
            folder / "generator",
            folder / "latents",
            folder / f"labeler-{first}",
            FitSettings(first=first, members=MEMBERS, hidden=HIDDEN, networks=0),
        )
    )
    seconds, memory = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    published = 2.0 * sum(net.feature_channels) * net.image_size[0] * net.image_size[1] * first
    return {"seconds": seconds, "generator_seconds": passes, "memory": memory, "naive_memory": published}


def in_own_process(*arguments: object) -> str:
    """What it prints; a process starts with the peak memory of its parent, so this one stays small."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  # this file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.size, max(BUDGETS))
        return
    if options.case:
        print(json.dumps(case(Path(options.case[0]), int(options.case[1]))))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        in_own_process("--size", options.size, "--prepare", folder)
        for first in BUDGETS:
            found = json.loads(in_own_process("--case", folder, first).splitlines()[-1])
            rows.append({"size": options.size, "images": first, **found})
            Console().print(rows[-1])
    versions = {name: version(name) for name in ("handsoff-labels", "torch")}
    write_json(
        RESULT,
        {
            "machine": machine(),
            "versions": versions,
            "members": MEMBERS,
            "hidden": HIDDEN,
            "classes": CLASSES,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
