"""How a network learns: one training run of the downstream model, whatever its samples are."""

import copy
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from handsoff.core.device import best_device, on_device
from handsoff.core.errors import HandsOffError
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.core.seeds import seeded, step_generator
from handsoff.jobs.progress import Progress
from handsoff.learning.augment import augment
from handsoff.learning.data import LabelledArrays
from handsoff.learning.models import brief, build_model
from handsoff.learning.settings import LearnSettings
from handsoff.tasks.base import Labels, Task

CHOICES = (5, 6, 7, 8)  # eighths of the run after which the validation part is asked
TEST_BATCH = 16

Mixture = Callable[[int], list[tuple[LabelledArrays, int]]]  # step → how many samples of which pool make the batch


@dataclass
class Choice:
    """The best weights so far on a validation part; without one nothing is chosen and the last weights count.

    Attributes:
        scores: step → primary metric.
    """

    validation: LabelledArrays | None
    scores: dict[str, float] = field(default_factory=dict)
    step: int = 0
    value: float = -np.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, step: int, steps: int, model: nn.Module, task: Task) -> None:
        """Score the model and keep it if it is the best, at the steps that are asked."""
        if self.validation is None or step not in {-(-steps * eighths // 8) for eighths in CHOICES}:
            return
        name, score = next(iter(evaluated(model, task, self.validation)["metrics"].items()))
        self.scores[str(step)] = score
        value = -score if task.metrics[name].lower_is_better else score
        if value > self.value or not self.weights:
            self.step, self.value, self.weights = step, value, copy.deepcopy(model.state_dict())


def train_predictor(
    task: Task, mixture: Mixture, seed: int, settings: LearnSettings, stage: str, choice: Choice
) -> Generator[Progress, None, nn.Module]:
    """One training run: AdamW under a one-cycle schedule; everything random comes from `seed`. Ends with the chosen weights.

    The loss counts the classes by the labels of all pools of the first batch, as `settings.balance` says.
    """
    model = new_model(task, seed, settings.model)
    class_weights = task.learning.class_weights([pool.labels for pool, _ in mixture(0)], settings.balance)
    optimizer = torch.optim.AdamW(model.parameters(), settings.lr, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=settings.steps + 1)
    for step in range(settings.steps):
        stream = step_generator(seed, step)
        images, labels = draw(mixture(step), stream)
        images, labels = augment(images, labels, task, stream)
        target = task.learning.encode(labels, (images.shape[2], images.shape[3])).to(best_device())
        with seeded(step_generator(seed, step, stream=2)):
            outputs = model(images.to(best_device()))
        loss = task.learning.loss(outputs, target, class_weights).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        choice.offer(step + 1, settings.steps, model, task)
        note = f"loss {loss.item():.3f}" + "".join(f", {score:.3f} at {at}" for at, score in choice.scores.items())
        yield Progress(stage, step + 1, settings.steps, note)
    if choice.weights:
        model.load_state_dict(choice.weights)
    return model


def new_model(task: Task, seed: int, name: str) -> nn.Module:
    """The network called `name`, pretrained where it can be and the rest drawn from `seed`, in training mode."""
    with seeded(step_generator(seed, 0, stream=1)):
        model = build_model(name, task.channels)
    return on_device(model).train()


@torch.inference_mode()
def require_usable(task: Task, frame: Frame, name: str) -> None:
    """Build the network and show it one image of `frame`.

    Raises:
        HandsOffError: one of the two cannot be done.
    """
    model = new_model(task, 0, name).eval()
    try:
        model(torch.zeros(1, 3, *frame, device=best_device()))
    except (RuntimeError, ValueError) as error:
        raise HandsOffError(
            f"The downstream model {name} cannot take images of {frame[0]}x{frame[1]} pixels ({brief(error)}): choose another."
        ) from None


def draw(mixture: list[tuple[LabelledArrays, int]], stream: torch.Generator) -> tuple[Float[Tensor, "n 3 h w"], Labels]:
    """A batch: so many samples of each pool, drawn with replacement."""
    picked = [
        (pool, torch.randint(len(pool), (number,), generator=stream).numpy()) for pool, number in mixture if number
    ]
    images = np.concatenate([pool.images[index] for pool, index in picked])
    return to_float(images), np.concatenate([pool.labels[index] for pool, index in picked])


@torch.inference_mode()
def predictions(model: nn.Module, task: Task, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[Labels]:
    """Labels of `images`, a batch at a time."""
    for start in range(0, len(images), TEST_BATCH):
        outputs = model(to_float(images[start : start + TEST_BATCH]).to(best_device()))
        yield task.learning.decode(outputs[None])[0]


def evaluated(model: nn.Module, task: Task, samples: LabelledArrays) -> dict[str, Any]:
    """The task's score of the model on `samples`."""
    model.eval()
    truths = (samples.labels[start : start + TEST_BATCH] for start in range(0, len(samples), TEST_BATCH))
    scores = task.scores.score(zip(predictions(model, task, samples.images), truths, strict=True))
    model.train()
    return scores
