"""How a predictor learns: one training run, whatever its samples are."""

import copy
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from handsoff.core.device import best_device, on_device
from handsoff.core.errors import HandsOffError
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.core.seeds import seeded, step_generator
from handsoff.jobs.checkpoints import is_whole, load_checkpoint, save_checkpoint
from handsoff.jobs.progress import Progress
from handsoff.learning.augment import affine, photometric
from handsoff.learning.data import FULL, Batch, LabelledArrays
from handsoff.learning.models import brief, build_model
from handsoff.learning.schedule import Schedule
from handsoff.learning.semi import cut_mix, examples, loss_of, teaches
from handsoff.learning.settings import LearnSettings
from handsoff.tasks.base import Labels, Task

HALF_LIFE = 50  # steps after which a step counts half in the averaged weights
TEST_BATCH = 16

Mixture = Callable[[float], list[tuple[LabelledArrays, int]]]  # position in the cooldown → samples of which pool


@dataclass(frozen=True)
class Trained:
    """What a run ends with.

    Attributes:
        model: with the weights that count, in training mode.
        steps: that were made; step: the one whose averaged weights count.
        scores: step → primary metric on the validation part.
    """

    model: nn.Module
    steps: int
    step: int
    scores: dict[str, float]


@dataclass
class Run:
    """A run under way: the network, the running average of its weights, and the best average so far."""

    model: nn.Module
    average: AveragedModel
    best: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule

    def save(self, path: Path) -> None:
        """Write all of it."""
        state = self.schedule
        numbers = {"step": state.step, "best": state.best, "best_step": state.best_step}
        numbers |= {} if state.cools_from is None else {"cools_from": state.cools_from}
        numbers |= {f"score {step}": score for step, score in state.scores.items()}
        modules = {"model": self.model, "average": self.average, "best": self.best}
        save_checkpoint(path, modules, {"optimizer": self.optimizer}, numbers)

    def load(self, path: Path) -> None:
        """Go back to where `save` was called."""
        modules = {"model": self.model, "average": self.average, "best": self.best}
        numbers = load_checkpoint(path, modules, {"optimizer": self.optimizer})
        state = self.schedule
        state.step, state.best, state.best_step = int(numbers["step"]), numbers["best"], int(numbers["best_step"])
        state.cools_from = int(numbers["cools_from"]) if "cools_from" in numbers else None
        state.scores = {
            name.removeprefix("score "): value for name, value in numbers.items() if name.startswith("score ")
        }


def train_predictor(
    task: Task,
    mixture: Mixture,
    seed: int,
    settings: LearnSettings,
    stage: str,
    validation: LabelledArrays | None = None,
    checkpoint: Path | None = None,
) -> Generator[Progress, None, Trained]:
    """One training run under the schedule of `learning.schedule`; everything random comes from `seed`.

    The weights that count are averaged ones: the best on the validation part or, without one, the last. Classes are
    weighted in the loss by how often they occur in the pools of the mixture, as `settings.balance` says.

    Args:
        task: whose labels are learnt.
        mixture: position in the cooldown (0: it has not begun, 1: its end) → how many samples of which pool make the
            batch.
        seed: of the new layers, the batches and their augmentation.
        settings: which network learns, how long and how fast.
        stage: what the progress is called.
        validation: chooses the weights, and when the run is over.
        checkpoint: a file in which an interrupted run goes on, to the same weights; the caller removes it.

    Returns:
        The network with the weights that count, and how long it was trained.
    """
    run = new_run(task, seed, settings)
    if checkpoint is not None and is_whole(checkpoint):
        run.load(checkpoint)
    class_weights = task.learning.class_weights([pool.labels for pool, _ in mixture(0.0)], settings.balance)
    state = run.schedule
    while not state.over:
        loss = learn_step(task, run, mixture, seed, class_weights)
        if state.due:
            offer(task, run, validation)
            if checkpoint is not None and not state.over:
                run.save(checkpoint)
        latest = list(state.scores.items())[-1:]
        note = f"loss {loss:.3f}" + "".join(f", validation {score:.3f} at {at}" for at, score in latest)
        yield Progress(stage, state.step, state.end, note)
    return Trained(run.best, state.step, state.best_step, state.scores)


def new_run(task: Task, seed: int, settings: LearnSettings) -> Run:
    model = new_model(task, seed, settings.model)
    decay = 0.5 ** (1 / min(HALF_LIFE, max(settings.steps // 20, 1)))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), settings.lr, weight_decay=settings.weight_decay, fused=True)
    return Run(model, average, copy.deepcopy(model), optimizer, Schedule(settings))


def learn_step(task: Task, run: Run, mixture: Mixture, seed: int, class_weights: Float[Tensor, " k"] | None) -> float:
    """One step of the optimiser and of the average; returns the loss."""
    state = run.schedule
    stream = step_generator(seed, state.step)
    weak = affine(draw(mixture(state.position), stream), task, stream)
    teacher = run.average.module if teaches(state) else None
    found = examples(task, weak, photometric(weak.images, stream), state.settings, teacher)
    found = cut_mix(found, state.settings.cutmix, step_generator(seed, state.step, stream=3))
    with seeded(step_generator(seed, state.step, stream=2)):
        outputs = run.model(found.images)
    loss = loss_of(task, outputs, found, class_weights)
    for group in run.optimizer.param_groups:
        group["lr"] = state.settings.lr * state.rate
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    run.optimizer.step()
    run.average.update_parameters(run.model)
    state.step += 1
    return float(loss.item())


def offer(task: Task, run: Run, validation: LabelledArrays | None) -> None:
    """Score the averaged weights and keep them if they are the best; without a validation part the last are kept."""
    state, averaged = run.schedule, run.average.module
    if validation is None:
        state.best_step = state.step
    else:
        name, score = next(iter(score_predictor(averaged, task, validation)["metrics"].items()))
        if not state.scored(score, -score if task.metrics[name].lower_is_better else score):
            return
    run.best.load_state_dict(averaged.state_dict())


def new_model(task: Task, seed: int, name: str) -> nn.Module:
    """The network called `name`, pretrained where it can be and the rest drawn from `seed`, in training mode."""
    with seeded(step_generator(seed, 0, stream=1)):
        model = build_model(name, task.channels)
    return on_device(model).train()


@torch.inference_mode()
def require_usable(task: Task, frame: Frame, name: str) -> None:
    """Build the network and show it one image of `frame`.

    Raises:
        HandsOffError: it cannot be built here, or cannot take such an image.
    """
    model = new_model(task, 0, name).eval()
    try:
        model(torch.zeros(1, 3, *frame, device=best_device()))
    except (RuntimeError, ValueError) as error:
        raise HandsOffError(
            f"The predictor {name} cannot take images of {frame[0]}x{frame[1]} pixels ({brief(error)}): "
            "choose another model."
        ) from None


def draw(mixture: list[tuple[LabelledArrays, int]], stream: torch.Generator) -> Batch:
    """A batch: so many samples of each pool, drawn with replacement; those that people labelled come first."""
    picked = [
        pool.take(torch.randint(len(pool), (number,), generator=stream).numpy()) for pool, number in mixture if number
    ]
    picked.sort(key=lambda part: part.pseudo)
    images = np.concatenate([part.images for part in picked])
    weights = None
    if any(part.weights is not None for part in picked):
        full = np.full_like(images[..., 0], FULL)
        weights = np.concatenate([full[: len(part)] if part.weights is None else part.weights for part in picked])
    labels = np.concatenate([part.labels for part in picked])
    return Batch(to_float(images), labels, sum(len(part) for part in picked if not part.pseudo), weights)


@torch.inference_mode()
def predictions(model: nn.Module, task: Task, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[Labels]:
    """Labels of `images`, a batch at a time."""
    for start in range(0, len(images), TEST_BATCH):
        outputs = model(to_float(images[start : start + TEST_BATCH]).to(best_device()))
        yield task.learning.decode(outputs[None])[0]


def score_predictor(model: nn.Module, task: Task, samples: LabelledArrays) -> dict[str, Any]:
    """The task's score of the model on `samples`."""
    model.eval()
    truths = (samples.labels[start : start + TEST_BATCH] for start in range(0, len(samples), TEST_BATCH))
    scores = task.scores.score(zip(predictions(model, task, samples.images), truths, strict=True))
    model.train()
    return scores
