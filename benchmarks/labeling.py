"""What labels cost beside images, and against the published form: `python benchmarks/labeling.py`.

Naive, as published: every feature map upsampled to the output size, concatenated, ten MLPs in turn. Ours:
`Ensemble.dense`. Same generator (config-f channels), same ten members (256 and 32 hidden), 19 classes, same sample.
Every case runs in a process of its own, so that its peak memory is its own. Writes benchmarks/results/labeling.json.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from handsoff.core.device import best_device, keep_freed_memory, mixed_precision
from handsoff.core.files import write_json
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.inspection.diagnose import machine
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.hypercolumn import Features

SIZES = (256, 512, 1024)
MEMBERS, HIDDEN, CLASSES = 10, (256, 32), 19
BAND_BYTES = 3e9  # of a hypercolumn held at once by the naive form: more does not fit a machine of 24 GB
ROUNDS = 3
RESULT = Path(__file__).parent / "results" / "labeling.json"


def world(size: int) -> tuple[StyleGAN2, Ensemble]:
    """A generator and an ensemble with random weights."""
    torch.manual_seed(0)
    net = (
        StyleGAN2(StyleGAN2Config((size, size), (4, 4), 512, 512, 8, channel_base=32768, channel_max=512))
        .eval()
        .requires_grad_(requires_grad=False)
    )
    ensemble = Ensemble(sum(net.feature_channels), CLASSES, MEMBERS, HIDDEN).eval().requires_grad_(requires_grad=False)
    return net.to(best_device()), ensemble.to(best_device())


def naive(features: Features, ensemble: Ensemble, size: int) -> torch.Tensor:
    """The published form, in bands of rows where the whole does not fit: [members, classes, H, W]."""
    channels = sum(feature.shape[1] for feature in features)
    rows = size
    while channels * rows * size * 4 > BAND_BYTES:
        rows //= 2
    bands = []
    for top in range(0, size, rows):
        columns = torch.cat([upsampled(feature, size, top, rows) for feature in features]).flatten(1).T
        columns = (columns - ensemble.mean) / ensemble.scale
        outputs = []
        for member in range(MEMBERS):
            x = columns
            for layer, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases, strict=True)):
                x = (x.relu() if layer else x) @ weight[member] + bias[member]
            outputs.append(x.T.reshape(CLASSES, -1, size))
        bands.append(torch.stack(outputs))
    return torch.cat(bands, 2)


def upsampled(feature: torch.Tensor, size: int, top: int, rows: int) -> torch.Tensor:
    """Rows of a map upsampled to `size`, with one native row of context on each side: [C, rows, size]."""
    scale = size // feature.shape[-1]
    first, last = max(0, top // scale - 1), min(feature.shape[-1], -(-(top + rows) // scale) + 1)
    part = F.interpolate(feature[:, :, first:last].float(), size=((last - first) * scale, size), mode="bilinear")
    return part[0, :, top - first * scale : top - first * scale + rows]


def peak() -> float:
    """Peak memory of this process so far, bytes."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def timed(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The fastest of a few rounds, and what the last gave."""
    best, found = float("inf"), None
    for _ in range(rounds):
        found = None
        began = time.perf_counter()
        found = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best, found


@torch.inference_mode()
def case(form: str, size: int, precision: str, rounds: int, logits: Path) -> dict[str, Any]:
    """Seconds and memory of one form; naive leaves its logits for ours to be compared with."""
    keep_freed_memory()
    net, ensemble = world(size)
    latents = net.draw([0])
    if form == "naive":
        image_seconds, (_, features) = timed(lambda: net.features(latents), 1)
        before = peak()
        seconds, found = timed(lambda: naive(features, ensemble, size), 1)
        np.save(logits, found.cpu().numpy())
        return {"image": image_seconds, "label": seconds, "memory": peak() - before}
    with mixed_precision() if precision == "mixed" else torch.autocast("cpu", enabled=False):
        image_seconds, (_, features) = timed(lambda: net.features(latents), rounds)
        before = peak()
        seconds, found = timed(lambda: ensemble.dense(features, (size, size)), rounds)
    memory = peak() - before
    theirs = torch.from_numpy(np.load(logits))
    ours = found[:, 0].float().cpu()
    same = float((ours.softmax(1).mean(0).argmax(0) == theirs.softmax(1).mean(0).argmax(0)).double().mean())
    difference = float((ours - theirs).norm() / theirs.norm())
    return {
        "image": image_seconds,
        "label": seconds,
        "memory": memory,
        "relative_difference": difference,
        "same_argmax": same,
    }


def in_own_process(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, __file__, "--case", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # this file
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def hypercolumn_bytes(size: int) -> float:
    channels = sum(StyleGAN2Config((size, size), (4, 4), 512, 512, 8, 32768, 512).channels[1:]) * 2 + 512
    return 4.0 * channels * size * size


def operations(size: int) -> dict[str, float]:
    """Multiplications and additions that each form needs, in billions; without upsampling (about a tenth of ours)."""
    config = StyleGAN2Config((size, size), (4, 4), 512, 512, 8, 32768, 512)
    blocks = list(zip(config.channels, (4 << level for level in range(len(config.channels))), strict=True))
    convolutions, columns, projected = 9.0 * blocks[0][0] ** 2 * 16, float(blocks[0][0]), 16.0 * blocks[0][0]
    for (before, _), (channels, side) in itertools.pairwise(blocks):
        convolutions += 9.0 * before * channels * (side // 2) ** 2 + 9.0 * channels**2 * side**2
        columns += 2 * channels
        projected += 2.0 * channels * side**2
    tail = MEMBERS * (HIDDEN[0] * HIDDEN[1] + HIDDEN[1] * CLASSES) * size**2
    width = MEMBERS * HIDDEN[0]
    counts = {"image": convolutions, "naive": columns * width * size**2 + tail, "ours": projected * width + tail}
    return {name: 2e-9 * count for name, count in counts.items()}


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(
        "px",
        "form",
        "image s",
        "label s",
        "label / image",
        "memory MB",
        "times faster",
        "times smaller",
        "difference",
        "same argmax",
    )
    for row in rows:
        whole = row["image"] + row["label"]
        cells = [
            f"{row['image']:.2f}",
            f"{row['label']:.2f}",
            f"{whole / row['image']:.2f}",
            f"{row['memory'] / 1e6:.0f}",
        ]
        cells += [f"{row[name]:.1f}" if name in row else "" for name in ("faster", "smaller")]
        cells += [
            f"{row['relative_difference']:.1e}" if "relative_difference" in row else "",
            f"{row['same_argmax']:.5f}" if "same_argmax" in row else "",
        ]
        table.add_row(str(row["size"]), row["form"], *cells)
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        form, size, precision, rounds, logits = options.case
        print(json.dumps(case(form, int(size), precision, int(rounds), Path(logits))))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            logits = Path(folder) / "logits.npy"
            reference = in_own_process("naive", size, "float32", 1, logits)
            rows.append({"size": size, "form": "naive", "hypercolumn_bytes": hypercolumn_bytes(size), **reference})
            for precision in ("float32", "mixed"):
                found = in_own_process("ours", size, precision, options.rounds, logits)
                smaller = max(reference["memory"], hypercolumn_bytes(size)) / max(found["memory"], 1)
                rows.append(
                    {
                        "size": size,
                        "form": f"ours {precision}",
                        **found,
                        "faster": reference["label"] / found["label"],
                        "smaller": smaller,
                    }
                )
            show(rows)
    versions = {name: version(name) for name in ("handsoff-labels", "torch")}
    counts = {str(size): operations(size) for size in options.sizes}
    facts = {"machine": machine(), "versions": versions, "members": MEMBERS, "hidden": HIDDEN, "classes": CLASSES}
    write_json(RESULT, {**facts, "operations": counts, "rows": rows})


if __name__ == "__main__":
    main()
