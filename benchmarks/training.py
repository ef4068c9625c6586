"""What makes a generator learn more per minute: `python benchmarks/training.py PHOTOS --minutes 15 --work FOLDER`.

Every variant trains a generator from scratch on the same photos for the same processor time on one core
(OMP_NUM_THREADS=1), measuring left out. FD and KD-lite0 of 2,000 samples, and the FD of their middle quarters at twice
the size, which sees smeared eyes and mouths; against processor minutes and thousands of images shown.

A variant that is finished in FOLDER is not trained again. Writes benchmarks/results/training.json.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.core.device import keep_freed_memory, mixed_precision, on_device
from handsoff.core.files import png, read_json, write_bytes, write_json
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.core.seeds import seeded
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.inspection.diagnose import machine
from handsoff.jobs.progress import run_to_end
from handsoff.training.data import TrainingData
from handsoff.training.gan import train
from handsoff.training.gan.augment import diff_augment
from handsoff.training.gan.discriminators import (
    EqualConv,
    Features,
    Labels,
    Projected,
    ResidualBlock,
    Sides,
    WithDeviation,
    steepness,
)
from handsoff.training.gan.state import GANState, estimate_w_avg
from handsoff.training.settings import TrainSettings

RESULT = Path(__file__).parent / "results" / "training.json"
FRAME, MEASURED, VIEW = (64, 64), 2_000, (128, 128)
EVERY = 5  # processor minutes between measurements
Step = Callable[[GANState, np.ndarray, TrainSettings], None]


class Relativistic(Projected):
    """Pairs a real image with a made one (R3GAN, arXiv 2501.05441, equation 5), R1 and R2 on the features."""

    def loss(self, real: Features, fake: Features, step: int, labels: Sides = (None, None)) -> Tensor:
        del step, labels
        sides = [[feature.detach().requires_grad_() for feature in side] for side in (real, fake)]
        logits = [self.logits(side) for side in sides]
        self.last = [logit.detach() for logit in logits[0]]
        gap = torch.stack([F.softplus(f - r).mean() for r, f in zip(*logits, strict=True)]).sum()
        return gap + self.r1 / 2 * sum(steepness(found, side) for found, side in zip(logits, sides, strict=True))

    def generator_loss(self, fake: Features, labels: Labels = None) -> Tensor:
        pairs = zip(self.last, self.logits(fake, labels), strict=True)
        return torch.stack([F.softplus(r - f).mean() for r, f in pairs]).sum()


class HingeR2(Projected):
    """Hinge loss with R2 beside R1: also flat around made images."""

    def loss(self, real: Features, fake: Features, step: int, labels: Sides = (None, None)) -> Tensor:
        made = [feature.detach().requires_grad_() for feature in fake]
        return super().loss(real, made, step, labels) + self.r1 / 2 * steepness(self.logits(made), made)


class Pixels(nn.Module):
    """A small discriminator of the pixels themselves, beside the projected one."""

    widths = (24, 48, 96, 128)

    def __init__(self) -> None:
        super().__init__()
        self.stem = EqualConv(3, self.widths[0], 3)
        self.blocks = nn.Sequential(*[ResidualBlock(i, o) for i, o in zip(self.widths, self.widths[1:], strict=False)])
        self.deviation, last = WithDeviation(), self.widths[-1]
        self.conv, self.out = EqualConv(last + 1, last, 3), EqualConv(last, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(F.leaky_relu(self.stem(images), 0.2) * math.sqrt(2))
        return self.out(F.leaky_relu(self.conv(self.deviation(x)), 0.2) * math.sqrt(2)).float()


class WithPixels(Projected):
    """Both discriminators: what `extract` gives begins with the image; logistic loss and lazy R1 on the pixels."""

    weight, interval, gamma = 1.0, 8, 1.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pixels = Pixels()

    def extract(self, images: Tensor) -> Features:
        return [diff_augment(images), *super().extract(images)]

    def loss(self, real: Features, fake: Features, step: int, labels: Sides = (None, None)) -> Tensor:
        penalise = step % self.interval == 0
        images = real[0].detach().requires_grad_(penalise)
        found = self.pixels(images)
        loss = F.softplus(-found).mean() + F.softplus(self.pixels(fake[0])).mean()
        if penalise:
            (gradient,) = torch.autograd.grad(found.mean((1, 2, 3)).sum(), images, create_graph=True)
            loss = loss + self.interval * self.gamma / 2 * gradient.float().square().sum((1, 2, 3)).mean()
        return super().loss(real[1:], fake[1:], step, labels) + loss

    def generator_loss(self, fake: Features, labels: Labels = None) -> Tensor:
        return super().generator_loss(fake[1:], labels) + self.weight * F.softplus(-self.pixels(fake[0])).mean()


@dataclass(frozen=True)
class Variant:
    """What differs from the defaults."""

    settings: dict[str, Any] = field(default_factory=dict)
    discriminator: type[Projected] = Projected
    decays: bool = False


VARIANTS = {
    "defaults": Variant(),
    "batch 16": Variant({"batch": 16}),
    "batch 8": Variant({"batch": 8}),
    "batch 64": Variant({"batch": 64}),
    "features at 96 px": Variant({"feature_size": 96}),
    "features at 192 px": Variant({"feature_size": 192}),
    "no R1": Variant({"r1": 0.0}),
    "discriminator rate 1e-3": Variant({"d_lr": 1e-3}),
    "R1 and R2": Variant(discriminator=HingeR2),
    "relativistic, R1 and R2": Variant(discriminator=Relativistic),
    "pixel discriminator": Variant(discriminator=WithPixels),
    "rates decay at the end": Variant(decays=True),
}


@dataclass(frozen=True)
class Judge:
    """The photos that samples are compared with."""

    whole: Tensor
    middle: Tensor

    @classmethod
    def of(cls, photos: np.ndarray) -> "Judge":
        chosen = np.sort(np.random.default_rng(0).permutation(len(photos))[:MEASURED])
        images = [to_float(photos[chosen[start : start + 50]]) for start in range(0, len(chosen), 50)]
        return cls(*features_of(images))

    @torch.no_grad()
    def judge(self, state: GANState) -> dict[str, float]:
        whole, middle = features_of(list(samples(state, MEASURED)))
        return {**distances(self.whole, whole), "fd_middle": distances(self.middle, middle)["fd_lite0"]}


def features_of(batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Pooled features of images, and of their middle quarters."""
    net = frozen_lite0()
    middles = (images[..., 16:48, 16:48] for images in batches)
    return pooled_features(net, iter(batches), VIEW), pooled_features(net, middles, VIEW)


@torch.no_grad()
def samples(state: GANState, count: int) -> Iterator[Tensor]:
    for start in range(0, count, 50):
        with mixed_precision():
            found = state.average.synthesize(state.average.draw(range(start, min(start + 50, count))))
        yield found.float().clamp(-1, 1)


def new_state(variant: Variant, settings: TrainSettings) -> GANState:
    """Both players at their first step."""
    state = train.build(settings)
    if variant.discriminator is not Projected:
        with seeded(settings.seed):
            found = on_device(variant.discriminator(FRAME, settings.feature_size, settings.seed, settings.r1))
        state.discriminator = found
        state.d_optimizer = torch.optim.Adam(found.parameters(), settings.d_lr, betas=(0.0, 0.99), eps=1e-8)
    return state


def trial(name: str, seed: int, photos: np.ndarray, judge: Judge, minutes: float, folder: Path) -> list[dict[str, Any]]:
    """Train one variant; a line per measurement."""
    variant = VARIANTS[name]
    settings, limits = TrainSettings(seed=seed, **variant.settings), train.Limits({}, 0, 1)
    state, lines, spent, due = new_state(variant, settings), [], 0.0, EVERY * 60.0
    mark = time.process_time()
    while spent < minutes * 60:
        if variant.decays:
            share = min(1.0, (1 - spent / (minutes * 60)) / 0.3)
            state.g_optimizer.param_groups[0]["lr"] = settings.g_lr * share
            state.d_optimizer.param_groups[0]["lr"] = settings.d_lr * share
        train.gan_step(state, TrainingData(photos, None, settings.mirror), settings, limits)
        state.images += settings.batch
        state.step += 1
        spent = time.process_time() - mark
        if spent >= min(due, minutes * 60):
            estimate_w_avg(state.average)
            lines.append({"minutes": round(spent / 60, 2), "kimg": round(state.images / 1000, 1), **judge.judge(state)})
            print(name, seed, json.dumps(lines[-1]), flush=True)  # it takes a while
            sheet = to_uint8(torch.cat(list(samples(state, 64))))
            write_bytes(folder / f"{name}-{seed}-{lines[-1]['kimg']:05.1f}.png", png(tile(sheet, 8)))
            mark, due = time.process_time() - spent, due + EVERY * 60
    return lines


def show(rows: list[dict[str, Any]]) -> None:
    table = Table("variant", "seed", "kimg", "minutes", "FD", "FD middle", "KD")
    for row in rows:
        last = row["curve"][-1]
        numbers = (last["kimg"], last["minutes"], last["fd_lite0"], last["fd_middle"], last["kd_lite0"])
        table.add_row(row["variant"], str(row["seed"]), *(f"{number:.1f}" for number in numbers))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    cache = given.work / "photos.u8"
    run_to_end(load_photos(open_source(given.photos), FRAME, cache, "crop"))
    photos = map_photos(cache, FRAME)
    judge, rows = Judge.of(photos), []
    for seed in range(given.seeds):
        for name in given.variants:
            file = given.work / f"{name}-{seed}-{given.minutes:g}.json"
            if not file.is_file():
                write_json(file, trial(name, seed, photos, judge, given.minutes, given.work))
            rows.append({"variant": name, "seed": seed, "curve": read_json(file)})
    show(rows)
    about = {"photos": len(photos), "minutes": given.minutes, "torch": version("torch"), "machine": machine()}
    write_json(RESULT, {**about, "trials": rows})


if __name__ == "__main__":
    main()
