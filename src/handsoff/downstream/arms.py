"""The comparison: the same model trained on real labels, on synthetic ones and on both, several times each.

Every arm gets the same pretrained model, the same number of steps, the same schedule and the same augmentation. The
weights that count are the last ones or, where a validation part is given, the best of four in the second half on it.
Test samples are read once, when a run is over.
"""

import copy
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.device import best_device
from handsoff.core.files import png, read_json, write_bytes, write_json
from handsoff.core.images import tile, to_float
from handsoff.core.seeds import step_generator
from handsoff.downstream.augment import augment, mirrored_ids
from handsoff.downstream.data import Data, Samples
from handsoff.downstream.segmenter import Segmenter
from handsoff.downstream.settings import EvaluateSettings
from handsoff.jobs.progress import Progress, Work
from handsoff.tasks.base import Task

ARMS = ("real_only", "synthetic_only", "real_plus_synthetic")
CHOICES = (5, 6, 7, 8)  # eighths of the run after which the validation part is asked
LOWER_IS_BETTER = frozenset({"nme", "nmse", "rmse", "abs_rel"})  # of the metrics in the contract
TEST_BATCH = 16
SHOWN = 8  # test samples in a prediction sheet


@dataclass(frozen=True)
class Result:
    """One finished run, as it lies in `runs/ARM-SEED.json`.

    Attributes:
        step: the step whose weights were tested; validation: step → its primary metric on the validation part.
    """

    arm: str
    seed: int
    metrics: dict[str, float]
    per_class: dict[str, float]
    steps: int
    step: int
    validation: dict[str, float]
    seconds: float


@dataclass
class Choice:
    """The best weights so far on the validation part."""

    scores: dict[str, float] = field(default_factory=dict)
    step: int = 0
    value: float = -np.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, step: int, model: Segmenter, task: Task, validation: Samples) -> None:
        """Score the model as it is and keep it if it is the best."""
        name, score = next(iter(evaluated(model, task, validation)["metrics"].items()))
        self.scores[str(step)] = score
        value = -score if name in LOWER_IS_BETTER else score
        if value > self.value or not self.weights:
            self.step, self.value, self.weights = step, value, copy.deepcopy(model.state_dict())


def run_arms(task: Task, data: Data, out: Path, settings: EvaluateSettings) -> Work:
    """Every arm with every seed; runs that are in `out/runs` already are left as they are."""
    for seed in range(settings.seeds):
        for arm in ARMS:
            if not run_file(out, arm, seed).is_file():
                yield from run_one(task, data, arm, seed, out, settings)


def run_file(out: Path, arm: str, seed: int) -> Path:
    return out / "runs" / f"{arm}-{seed}.json"


def finished_runs(out: Path, settings: EvaluateSettings) -> dict[str, list[Result]]:
    """Arm → its results by seed."""
    return {arm: [Result(**read_json(run_file(out, arm, seed))) for seed in range(settings.seeds)] for arm in ARMS}


def run_one(task: Task, data: Data, arm: str, seed: int, out: Path, settings: EvaluateSettings) -> Work:
    """Train, choose, test, and write the run's file (and, for the first seed, a sheet of predictions before it)."""
    began = time.monotonic()
    model, choice = yield from train(task, data, arm, seed, settings)
    if choice.weights:
        model.load_state_dict(choice.weights)
    scores = evaluated(model, task, data.test)
    if seed == 0:
        write_bytes(out / "predictions" / f"{arm}.png", png(sheet(model, task, data.test)))
    seconds = round(time.monotonic() - began, 1)
    step = choice.step or settings.steps
    write_json(run_file(out, arm, seed), asdict(Result(arm, seed, scores["metrics"], scores["per_class"], settings.steps, step, choice.scores, seconds)))


def train(task: Task, data: Data, arm: str, seed: int, settings: EvaluateSettings) -> Generator[Progress, None, tuple[Segmenter, Choice]]:
    """One training run: AdamW under a one-cycle schedule; everything random comes from `seed`."""
    model = new_model(task, seed)
    optimizer = torch.optim.AdamW(model.parameters(), settings.lr, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=settings.steps + 1)
    mirrored = mirrored_ids(list(task.schema.get("classes", [])))
    choice, asked = Choice(), {-(-settings.steps * eighths // 8) for eighths in CHOICES}
    for step in range(settings.steps):
        stream = step_generator(seed, step)
        images, labels = draw(data, real_images(arm, step, settings), settings.batch, stream)
        images, labels = augment(images, labels, mirrored, stream)
        target = task.encode(labels.numpy()).to(best_device())
        loss = task.loss(model(images.to(best_device())), target).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if data.validation is not None and step + 1 in asked:
            choice.offer(step + 1, model, task, data.validation)
        note = f"loss {loss.item():.3f}" + "".join(f", {score:.3f} at {at}" for at, score in choice.scores.items())
        yield Progress(f"{arm.replace('_', ' ')}, run {seed + 1} of {settings.seeds}", step + 1, settings.steps, note)
    return model, choice


def new_model(task: Task, seed: int) -> Segmenter:
    """The pretrained trunk with a decoder drawn from `seed`, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_generator(seed, 0, stream=1).initial_seed())
        model = Segmenter(task.channels)
    return model.to(best_device()).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]  # torch's stub lacks it


def real_images(arm: str, step: int, settings: EvaluateSettings) -> int:
    """How many real images the batch of this step holds."""
    if arm == "real_plus_synthetic":
        position = step / max(settings.steps - 1, 1)
        return round(settings.batch * (settings.real_share_start + (settings.real_share_end - settings.real_share_start) * position))
    return settings.batch if arm == "real_only" else 0


def draw(data: Data, reals: int, count: int, stream: torch.Generator) -> tuple[Float[Tensor, "n 3 h w"], UInt8[Tensor, "n h w"]]:
    """A batch of `reals` real and `count` - `reals` synthetic samples, each drawn with replacement."""
    pools = [(data.real, reals), (data.synthetic, count - reals)]
    picked = [(pool, torch.randint(len(pool), (number,), generator=stream).numpy()) for pool, number in pools if number]
    images = np.concatenate([pool.images[index] for pool, index in picked])
    labels = np.concatenate([pool.labels[index] for pool, index in picked])
    return to_float(images), torch.from_numpy(labels)


@torch.inference_mode()
def predictions(model: Segmenter, task: Task, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[UInt8[np.ndarray, "_n h w"]]:
    """Labels of `images`, a batch at a time."""
    for start in range(0, len(images), TEST_BATCH):
        outputs = model(to_float(images[start : start + TEST_BATCH]).to(best_device()))
        yield task.decode(outputs[None])[0]


def evaluated(model: Segmenter, task: Task, samples: Samples) -> dict[str, Any]:
    """The task's score of the model on `samples`."""
    model.eval()
    truths = (samples.labels[start : start + TEST_BATCH] for start in range(0, len(samples), TEST_BATCH))
    scores = task.score(zip(predictions(model, task, samples.images), truths, strict=True))
    model.train()
    return scores


def sheet(model: Segmenter, task: Task, samples: Samples) -> UInt8[np.ndarray, "gh gw 3"]:
    """Three rows over samples spread evenly: image, truth, prediction."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, SHOWN).round().astype(int))
    images, truths = samples.images[chosen], samples.labels[chosen]
    model.eval()
    predicted = np.concatenate(list(predictions(model, task, images)))
    model.train()
    return tile(np.concatenate([images, task.draw(images, truths), task.draw(images, predicted)]), len(chosen))
