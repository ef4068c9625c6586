"""What a training run shows of itself: distances, grids, the log, and the best generator so far."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.core.device import best_device, mixed_precision
from handsoff.core.files import png, write_bytes
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.geometry.views import scaled_to
from handsoff.training.gan.state import State
from handsoff.training.settings import TrainSettings

MEASURED_IMAGES = 2_000  # on each side of the distances
Photos = UInt8[np.ndarray, "n h w 3"]


class Snapshots:
    """Measures the averaged generator, writes a grid of its images, and saves it whenever it is the best so far."""

    def __init__(self, photos: Photos, out: Path, settings: TrainSettings) -> None:
        self.out, self.net = out, frozen_lite0()
        frame = (photos.shape[1], photos.shape[2])
        self.size = scaled_to(frame, settings.feature_size)
        chosen = np.sort(np.random.default_rng(0).permutation(len(photos))[:MEASURED_IMAGES])
        self.real = pooled_features(
            self.net, (to_float(photos[chosen[i : i + 50]]) for i in range(0, len(chosen), 50)), self.size
        )
        self.last: dict[str, float] = {}

    @torch.no_grad()
    def generated(self, state: State, seeds: range) -> Iterator[Float[Tensor, "n 3 h w"]]:
        for start in range(seeds.start, seeds.stop, 50):
            latents = state.average.draw(range(start, min(start + 50, seeds.stop)))
            with mixed_precision():
                yield state.average.synthesize(latents).clamp(-1, 1)

    def take(self, state: State, losses: dict[str, float], rate: float) -> None:
        """One snapshot: distances, log line, grid, and the generator if it is the best."""
        estimate_w_avg(state.average)
        self.last = distances(
            self.real, pooled_features(self.net, self.generated(state, range(MEASURED_IMAGES)), self.size)
        )
        side = max(1, math.floor(math.sqrt(64)))
        sheet = tile(to_uint8(torch.cat(list(self.generated(state, range(side * side))))), side)
        write_bytes(self.out / "grids" / f"{round(state.images / 1000):06d}.png", png(sheet))
        line: dict[str, Any] = {
            "kimg": shown_kimg(state.images),
            "seconds": round(state.seconds, 1),
            "images_per_second": round(rate, 1),
            "loss_d": losses.get("d"),
            "loss_g": losses.get("g"),
            **self.last,
        }
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        if self.last["fd_lite0"] < state.best_fd:
            state.best_fd = self.last["fd_lite0"]
            save_generator(state.average, self.out)


@torch.no_grad()
def estimate_w_avg(generator: StyleGAN2) -> None:
    """Set w_avg, which truncation pulls towards, to the mean of w over many z."""
    z = torch.randn(10_000, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(best_device())
    generator.mapping_network.w_avg.copy_(generator.mapping_network(z).mean(0))


def trim_log(path: Path, images: int) -> float | None:
    """Drop lines written after the checkpoint that the run continues from, and a last line that was not written whole.

    Returns:
        The thousands of images that the last line left states.
    """
    if not path.is_file():
        return None
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [(line, stated) for line in lines if (stated := kimg_in(line)) is not None and stated <= shown_kimg(images)]
    write_bytes(path, b"".join(line for line, _ in kept))
    return kept[-1][1] if kept else None


def kimg_in(line: bytes) -> float | None:
    """What a line of the log states, None where it is not whole."""
    try:
        return float(json.loads(line)["kimg"]) if line.endswith(b"}\n") else None
    except (ValueError, TypeError, KeyError):
        return None


def shown_kimg(images: int) -> float:
    """Thousands of images as the log states them."""
    return round(images / 1000, 2)
