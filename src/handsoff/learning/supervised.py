"""How a predictor learns: one training run, whatever its samples are."""

import copy
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
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
from handsoff.learning.data import FULL, Batch, LabelledArrays, Pool
from handsoff.learning.models import brief, build_model
from handsoff.learning.paste import Donors, find_donors, paste
from handsoff.learning.schedule import Schedule
from handsoff.learning.semi import cut_mix, examples, loss_of, teaches
from handsoff.learning.settings import LearnSettings
from handsoff.learning.voting import vote
from handsoff.tasks.base import Labels, Task

HALF_LIFE = 50  # steps after which a step counts half in the averaged weights
TEST_BATCH = 16

Mixture = Callable[[float], list[tuple[Pool, int]]]  # position in the cooldown → samples of which pool


@dataclass(frozen=True)
class Trained:
    """What a run ends with.

    Attributes:
        model: with the weights that count, in training mode.
        steps: on the way to its end; step: the one whose averaged weights count.
        made: all steps, those too that were given up when the run went back to cool down.
        scores: step → primary metric on the validation part.
        seconds: that training took, without the time in which it was interrupted.
    """

    model: nn.Module
    steps: int
    step: int
    made: int
    scores: dict[str, float]
    seconds: float


@dataclass
class Run:
    """A run under way.

    Attributes:
        model, optimizer: as they are now; kept, kept_optimizer: as they were at the best score before the cooldown.
        average: the running average of the weights; best: the best of all averages that were scored.
        began: when, by the monotonic clock; of a run that goes on, when it would have begun without the interruption.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    kept: nn.Module
    kept_optimizer: torch.optim.Optimizer
    average: AveragedModel
    best: nn.Module
    schedule: Schedule
    began: float = field(default_factory=time.monotonic)

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "kept": self.kept, "average": self.average, "best": self.best}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": self.optimizer, "kept_optimizer": self.kept_optimizer}

    def keep(self) -> None:
        """Take the averaged weights for the best and, before the cooldown, remember where the run stands."""
        self.best.load_state_dict(self.average.module.state_dict())
        if self.schedule.cools_from is None:
            self.kept.load_state_dict(self.model.state_dict())
            self.kept_optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))  # it would share them

    def cool_down(self) -> None:
        """Go back to what was remembered, and begin the cooldown there."""
        self.model.load_state_dict(self.kept.state_dict())
        self.optimizer.load_state_dict(copy.deepcopy(self.kept_optimizer.state_dict()))
        self.average.module.load_state_dict(self.best.state_dict())
        self.schedule.cool_down()

    def save(self, path: Path) -> None:
        """Write all of it."""
        state = self.schedule
        numbers = {"step": state.step, "made": state.made, "best": state.best, "best_step": state.best_step}
        numbers["seconds"] = time.monotonic() - self.began
        numbers |= {} if state.cools_from is None else {"cools_from": state.cools_from}
        numbers |= {f"score {step}": score for step, score in state.scores.items()}
        save_checkpoint(path, self.modules, self.optimizers, numbers)

    def load(self, path: Path) -> None:
        """Go back to where `save` was called."""
        numbers = load_checkpoint(path, self.modules, self.optimizers)
        self.began, state = time.monotonic() - numbers["seconds"], self.schedule
        state.step, state.made = int(numbers["step"]), int(numbers["made"])
        state.best, state.best_step = numbers["best"], int(numbers["best_step"])
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
    donors = find_donors(task, [pool for pool, _ in mixture(0.0)]) if settings.paste else None
    state = run.schedule
    while not state.over:
        loss = learn_step(task, run, mixture, seed, class_weights, donors)
        if state.due:
            offer(task, run, validation)
            if state.stands_still:
                run.cool_down()
            if checkpoint is not None and not state.over:
                run.save(checkpoint)
        latest = list(state.scores.items())[-1:]
        note = f"loss {loss:.3f}" + "".join(f", validation {score:.3f} at {at}" for at, score in latest)
        yield Progress(stage, state.step, state.end, note)
    spent = time.monotonic() - run.began
    return Trained(run.best, state.step, state.best_step, state.made, state.scores, spent)


def new_run(task: Task, seed: int, settings: LearnSettings) -> Run:
    model = new_model(task, seed, settings.model)
    decay = 0.5 ** (1 / min(HALF_LIFE, max(settings.steps // 20, 1)))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    kept = copy.deepcopy(model)
    optimizer, kept_optimizer = (
        torch.optim.AdamW(net.parameters(), settings.lr, weight_decay=settings.weight_decay, fused=True)
        for net in (model, kept)
    )
    return Run(model, optimizer, kept, kept_optimizer, average, copy.deepcopy(model), Schedule(settings))


def learn_step(  # what all steps of a run share, and the run
    task: Task,
    run: Run,
    mixture: Mixture,
    seed: int,
    class_weights: Float[Tensor, " k"] | None,
    donors: Donors | None = None,
) -> float:
    """One step of the optimiser and of the average; returns the loss."""
    state = run.schedule
    stream = step_generator(seed, state.step)
    teacher, pasting = run.average.module if teaches(state) else None, step_generator(seed, state.step, stream=4)
    drawn = draw(mixture(state.position), stream)
    drawn = paste(drawn, task, donors, state.settings.paste, pasting, human=teacher is not None)
    weak = affine(drawn, task, stream)
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
    state.advance()
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
    run.keep()


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


def draw(mixture: list[tuple[Pool, int]], stream: torch.Generator) -> Batch:
    """A batch: so many samples of each pool, drawn with replacement; those that people labelled come first."""
    picked = [
        pool.take(torch.randint(len(pool), (number,), generator=stream).numpy()) for pool, number in mixture if number
    ]
    pseudo = np.concatenate([np.zeros(len(part), bool) if part.pseudo is None else part.pseudo for part in picked])
    order = np.argsort(pseudo, kind="stable")
    images = np.concatenate([part.images for part in picked])
    weights = None
    if any(part.weights is not None for part in picked):
        full = np.full_like(images[..., 0], FULL)
        given = [full[: len(part)] if part.weights is None else part.weights for part in picked]
        weights = np.concatenate(given)[order]
    labels = np.concatenate([part.labels for part in picked])
    return Batch(to_float(images[order]), labels[order], int(len(pseudo) - pseudo.sum()), weights)


@torch.inference_mode()
def predictions(
    model: nn.Module, task: Task, images: UInt8[np.ndarray, "n h w 3"], *, mirror: bool = False
) -> Iterator[Labels]:
    """Labels of `images`, a batch at a time; with `mirror` those of the mean of image and mirror image."""
    for start in range(0, len(images), TEST_BATCH):
        batch = to_float(images[start : start + TEST_BATCH]).to(best_device())
        yield task.learning.decode(vote(task, [model], batch, mirrored=mirror))[0]


def score_predictor(model: nn.Module, task: Task, samples: LabelledArrays) -> dict[str, Any]:
    """The task's score of the model on `samples`."""
    model.eval()
    truths = (samples.labels[start : start + TEST_BATCH] for start in range(0, len(samples), TEST_BATCH))
    scores = task.scores.score(zip(predictions(model, task, samples.images), truths, strict=True))
    model.train()
    return scores
