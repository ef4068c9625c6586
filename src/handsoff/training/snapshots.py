"""What a training run shows of itself: distances, grids, the log, and the best generator so far."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.core.device import mixed_precision
from handsoff.core.errors import HandsOffError
from handsoff.core.files import png, write_bytes
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.generators.nearness import Nearness
from handsoff.generators.stored import read_card, save_generator
from handsoff.geometry.views import scaled_to
from handsoff.sampling.draws import draw_latents, uniform_draws
from handsoff.training.events import Events
from handsoff.training.nearest import Neighbours, watched
from handsoff.training.page import GRIDS, LOG, NEAREST, Standing, read_log, write_progress
from handsoff.training.settings import TrainSettings
from handsoff.training.state import State
from handsoff.training.watch import discriminator_losses, warnings_of

MEASURED_IMAGES = 2_000  # on each side of the distances
SIDE = 8  # samples along a side of the grid
Photos = UInt8[np.ndarray, "n h w 3"]


class Snapshots:
    """Measures the averaged generator, writes a grid of its images, and saves it whenever it is the best so far."""

    def __init__(self, photos: Photos, out: Path, settings: TrainSettings, images: int) -> None:
        """`images`: shown so far, by the checkpoint that the run goes on from."""
        self.out, self.net = out, frozen_lite0()
        frame = (photos.shape[1], photos.shape[2])
        self.size = scaled_to(frame, settings.feature_size)
        self.photos, self.order = photos, np.random.default_rng(0).permutation(len(photos))
        self.real = self.features(self.order[:MEASURED_IMAGES])
        self.floor: float | None = None
        self.neighbours = Neighbours(photos)
        self.events = Events(out, images) if settings.tensorboard else None
        self.last: dict[str, float] = {}
        self.warnings: list[str] = []
        self.projected = settings.discriminator == "projected"

    def features(self, chosen: Int64[np.ndarray, " n"]) -> Float[Tensor, "n _d"]:
        """Pooled features of some photos."""
        parts = np.sort(chosen)
        batches = (to_float(self.photos[parts[i : i + 50]]) for i in range(0, len(parts), 50))
        return pooled_features(self.net, batches, self.size)

    def measure_floor(self, count: int) -> float | None:
        """FD-lite0 of `count` other photos: what a perfect generator would have, so small are the samples.

        It is measured once in a run; None where there are not as many photos.
        """
        others = self.order[MEASURED_IMAGES : MEASURED_IMAGES + count]
        if len(others) < count:
            return None
        known = [entry["fd_photos"] for entry in read_log(self.out / LOG) if entry.get("fd_photos") is not None]
        return known[0] if known else distances(self.real, self.features(others))["fd_lite0"]

    @torch.no_grad()
    def generated(self, state: State, seeds: Sequence[int]) -> Iterator[Float[Tensor, "n 3 h w"]]:
        for start in range(0, len(seeds), 50):
            draws = uniform_draws(state.average.conditions, seeds[start : start + 50])
            latents = draw_latents(state.average, draws)
            with mixed_precision():
                yield state.draw(latents).clamp(-1, 1)

    def drawn(self, state: State, seeds: Sequence[int]) -> UInt8[np.ndarray, "n h w 3"]:
        return to_uint8(torch.cat(list(self.generated(state, seeds))))

    def take(self, state: State, rate: float) -> None:
        """One snapshot: distances, grid, log line, and the generator if it is the best."""
        average, count = state.settled(), min(MEASURED_IMAGES, state.measured)
        if self.floor is None:
            self.floor = self.measure_floor(count)
        found: list[Tensor] = []
        images = watched(self.generated(state, range(count)), found)
        self.last = distances(self.real, pooled_features(self.net, images, self.size))
        nearest = self.neighbours.nearest(torch.cat(found))
        nearness = self.neighbours.nearness(nearest)
        grid = tile(self.drawn(state, range(SIDE * SIDE)), SIDE)
        write_bytes(self.out / GRIDS / f"{round(state.images / 1000):06d}.png", png(grid))
        self.log(state, rate, nearness, grid)
        if self.last["fd_lite0"] < state.best_fd:
            if nearness is not None:
                pairs = self.neighbours.picture(nearest, lambda seeds: self.drawn(state, seeds))
                write_bytes(self.out / NEAREST, png(pairs))
            save_generator(average, self.out, nearness)
            state.best_fd = self.last["fd_lite0"]

    def log(self, state: State, rate: float, nearness: Nearness | None, grid: UInt8[np.ndarray, "gh gw 3"]) -> None:
        """Add a line to the log, and to TensorBoard's where that is wanted."""
        measured: dict[str, float | None] = {
            "images_per_second": round(rate, 1),
            **state.mean_losses(),
            **self.last,
            "fd_photos": self.floor,
            "copies": None if nearness is None else nearness.share,
            "nearest": None if nearness is None else nearness.ratio,
        }
        losses = discriminator_losses([*read_log(self.out / LOG), measured])
        self.warnings = warnings_of(losses, state.chance, nearness, projected=self.projected)
        line: dict[str, Any] = {"kimg": shown_kimg(state.images), "seconds": round(state.seconds, 1), **measured}
        with (self.out / LOG).open("a") as log:
            log.write(json.dumps(line | {"warnings": self.warnings}) + "\n")
        if self.events:
            self.events.write(state.images, measured, grid)

    def close(self) -> None:
        if self.events:
            self.events.close()


def show_progress(
    state: State, out: Path, rate: float | None = None, left: float | None = None, *, finished: bool = False
) -> None:
    """Write `progress.html` anew; `rate` is in images per second, `left` in seconds."""
    nearness = stored_nearness(out)
    said = nearness.sentence() if nearness else ""
    write_progress(out, Standing(state.images, state.seconds, rate, left, state.best_fd, said, finished=finished))


def stored_nearness(out: Path) -> Nearness | None:
    """What the card of the stored generator says; None where there is no generator yet, or its card is damaged."""
    try:
        return read_card(out).nearness
    except HandsOffError:
        return None


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
