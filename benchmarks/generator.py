"""The generator's forward pass against the published form of modulated convolution: `python benchmarks/generator.py`.

Naive: a weight of its own for every sample, as one grouped convolution (as in the published code). Ours: scale → shared
convolution → scale. Same weights, same latents, one run; prints a table and writes benchmarks/results/generator.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from handsoff.core.device import best_device, keep_freed_memory, mixed_precision
from handsoff.core.files import write_json
from handsoff.generators.stylegan2 import StyledConv, StyleGAN2, StyleGAN2Config
from handsoff.inspection.diagnose import machine

SIZES = {64: (2, 32), 256: (1, 8), 1024: (1, 2)}  # batches of each; channels as published (config-f)
ROUNDS = 5
RESULT = Path(__file__).parent / "results" / "generator.json"


def grouped(self: StyledConv, x: torch.Tensor, w: torch.Tensor, noise: str) -> torch.Tensor:
    """The published form, in place of `StyledConv.forward`."""
    count, channels = x.shape[:2]
    with torch.autocast(w.device.type, enabled=False):
        weight = self.weight[None] * self.affine(w.float())[:, None, :, None, None]
        weight = weight * weight.square().sum((2, 3, 4), keepdim=True).add(1e-8).rsqrt()
    x = x.reshape(1, count * channels, *x.shape[2:])
    if self.up:
        x = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1).to(x.dtype), stride=2, groups=count)
        x = x.view(count, -1, *x.shape[2:])
        kernel = (self.resample_filter * 4).to(x.dtype).expand(x.shape[1], 1, -1, -1)
        x = F.conv2d(x, kernel, padding=1, groups=x.shape[1])
    else:
        x = F.conv2d(x, weight.flatten(0, 1).to(x.dtype), padding=1, groups=count)
        x = x.view(count, -1, *x.shape[2:])
    if noise != "none":
        x = x + self.noise(x, noise)
    return F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), 0.2) * 2**0.5


@contextmanager
def naive() -> Iterator[None]:
    ours = StyledConv.forward
    StyledConv.forward = grouped  # type: ignore[method-assign,assignment]  # for the comparison only
    try:
        yield
    finally:
        StyledConv.forward = ours  # type: ignore[method-assign]  # as it was


@torch.inference_mode()
def seconds(work: Callable[[], Any], rounds: int) -> float:
    """Median of a few rounds after one to warm up."""
    spent = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent[1:])


@torch.inference_mode()
def compare(net: StyleGAN2, batch: int, rounds: int) -> dict[str, Any]:
    latents = net.draw(range(batch))
    with naive():
        theirs = net.synthesize(latents)
        slow = seconds(lambda: net.synthesize(latents), rounds)
    difference = float((net.synthesize(latents) - theirs).norm() / theirs.norm())
    found: dict[str, Any] = {
        "resolution": net.image_size[0],
        "batch": batch,
        "relative_difference": difference,
        "naive_float32": slow,
    }
    for name, precision in (("float32", nullcontext), ("mixed", mixed_precision)):
        with precision():
            found[f"ours_{name}"] = seconds(lambda: net.synthesize(latents), rounds)
            found[f"ratio_{name}"] = slow / found[f"ours_{name}"]
    with naive(), mixed_precision():
        found["naive_mixed"] = seconds(lambda: net.synthesize(latents), rounds)
    found["ratio_mixed_to_mixed"] = found["naive_mixed"] / found["ours_mixed"]
    return found


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(
        "px",
        "batch",
        "naive float32 s",
        "ours float32 s",
        "naive mixed s",
        "ours mixed s",
        "ratio float32",
        "ratio mixed",
        "difference",
    )
    for row in rows:
        times = [f"{row[name]:.3f}" for name in ("naive_float32", "ours_float32", "naive_mixed", "ours_mixed")]
        ratios = [f"{row[name]:.2f}" for name in ("ratio_float32", "ratio_mixed_to_mixed")]
        table.add_row(str(row["resolution"]), str(row["batch"]), *times, *ratios, f"{row['relative_difference']:.1e}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    keep_freed_memory()
    torch.manual_seed(0)
    rows = []
    for size, batches in SIZES.items():
        config = StyleGAN2Config((size, size), (4, 4), 512, 512, 8, channel_base=32768, channel_max=512)
        net = StyleGAN2(config).eval().requires_grad_(requires_grad=False).to(best_device())
        rows += [compare(net, batch, rounds) for batch in batches]
    show(rows)
    write_json(
        RESULT,
        {
            "machine": machine(),
            "versions": {name: version(name) for name in ("handsoff-labels", "torch")},
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
