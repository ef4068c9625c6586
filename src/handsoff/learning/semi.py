"""What a step makes of samples that a machine labelled: confidence per pixel, a teacher, CutMix (`LearnSettings`).

The teacher is the run's own averaged weights (mean teacher, Tarvainen & Valpola 2017). It sees a sample as the affine
map left it; the network sees the same with other colours, blur and noise, and perhaps with a piece of another image
(FixMatch, Sohn et al. 2020; CutMix, Yun et al. 2019).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor, nn

from handsoff.core.device import best_device
from handsoff.learning.augment import uniform
from handsoff.learning.data import FULL, Batch
from handsoff.learning.schedule import Schedule
from handsoff.learning.settings import LearnSettings
from handsoff.tasks.base import Task

SIDES = (0.25, 0.75)  # of the box that CutMix pastes, as shares of the image's sides


@dataclass(frozen=True)
class Examples:
    """What the network sees in one step, and what it is to say of it.

    Attributes:
        images: in about [-1, 1].
        target: the encoded labels.
        human: so many, the first ones, were labelled by people.
        soft: the teacher's targets for the others, which then replace their labels; None: there is no teacher.
        weights: how much each pixel counts, in [0, 1]; None: all alike.
    """

    images: Float[Tensor, "n 3 h w"]
    target: Shaped[Tensor, "n h w ..."]
    human: int
    soft: Float[Tensor, "m h w k"] | None = None
    weights: Float[Tensor, "n h w"] | None = None


def confidence_weights(uncertainty: Float[np.ndarray, "h w"], least: float) -> UInt8[np.ndarray, "h w"]:
    """Uncertainty per pixel, in [0, 1] → weights, times 255: 1 - uncertainty, and 0 where that is below `least`."""
    confidence = np.rint((1 - uncertainty) * FULL).astype(np.uint8)
    return np.where(confidence >= least * FULL, confidence, np.uint8(0))


def teaches(state: Schedule) -> bool:
    """Whether the teacher labels in this step: it is asked for, and the run has warmed up."""
    settings = state.settings
    return settings.unlabelled == "teacher" and state.step >= min(settings.teacher_from, settings.steps // 2)


def examples(
    task: Task,
    weak: Batch,
    strong: Float[Tensor, "n 3 h w"],
    settings: LearnSettings,
    teacher: nn.Module | None = None,
) -> Examples:
    """What is to be learnt of a batch, on the device where the network is.

    Args:
        task: where it knows no soft targets, labels stay what is learnt.
        weak: the samples after the affine map.
        strong: their images as the network sees them.
        settings: how sure the teacher must be.
        teacher: labels anew what a machine had labelled.
    """
    device, human = best_device(), weak.human
    target = task.learning.encode(weak.labels, (strong.shape[2], strong.shape[3])).to(device)
    weights = None if weak.weights is None else torch.from_numpy(weak.weights).to(device) / FULL
    found = Examples(strong.to(device), target, human, None, weights)
    answer = None
    if teacher is not None and human < len(strong):
        answer = ask(task, teacher, weak.images[human:].to(device))
    if answer is None:
        return found
    soft, confidence = answer
    known = torch.ones_like(confidence[:1]).expand(human, -1, -1) if weights is None else weights[:human]
    sure = (confidence >= settings.teacher_threshold).float()
    return replace(found, soft=soft, weights=torch.cat([known, sure]))


@torch.no_grad()
def ask(
    task: Task, teacher: nn.Module, images: Float[Tensor, "m 3 h w"]
) -> tuple[Float[Tensor, "m h w k"], Float[Tensor, "m h w"]] | None:
    """What a teacher says of images, and how sure it is; None where the task knows no soft targets."""
    teacher.eval()
    found = task.learning.soft_target(teacher(images))
    teacher.train()
    return found


def cut_mix(found: Examples, share: float, stream: torch.Generator) -> Examples:
    """Paste a box of another image over images that a machine had labelled; targets and weights follow.

    Args:
        found: the examples of a step.
        share: of those images that get a box.
        stream: draws which, the boxes, and whose.
    """
    human, count = found.human, len(found.images) - found.human
    if not share or not count:
        return found
    frame = (found.images.shape[2], found.images.shape[3])
    chosen = torch.rand(count, generator=stream) < share
    box = (boxes(count, frame, stream) & chosen[:, None, None]).to(found.images.device)
    partner = torch.randperm(count, generator=stream).to(found.images.device)

    def pasted(values: Shaped[Tensor, "m h w ..."]) -> Shaped[Tensor, "m h w ..."]:
        return torch.where(box.view(*box.shape, *[1] * (values.ndim - box.ndim)), values[partner], values)

    def mixed(values: Shaped[Tensor, "n h w ..."]) -> Shaped[Tensor, "n h w ..."]:
        return torch.cat([values[:human], pasted(values[human:])])

    return Examples(
        mixed(found.images.movedim(1, -1)).movedim(-1, 1),
        mixed(found.target),
        human,
        None if found.soft is None else pasted(found.soft),
        None if found.weights is None else mixed(found.weights),
    )


def boxes(count: int, frame: tuple[int, int], stream: torch.Generator) -> Bool[Tensor, "n h w"]:
    """A random box inside each of so many images: true in the box."""
    inside = []
    for length in frame:
        side, place = uniform(count, *SIDES, stream) * length, torch.rand(count, generator=stream)
        first = place * (length - side)
        centres = torch.arange(length) + 0.5
        inside.append((centres >= first[:, None]) & (centres < (first + side)[:, None]))
    return inside[0][:, :, None] & inside[1][:, None, :]


def loss_of(
    task: Task, outputs: Float[Tensor, "n k h w"], found: Examples, class_weights: Float[Tensor, " k"] | None
) -> Float[Tensor, ""]:
    """The mean over all pixels of loss times weight; a pixel of weight 0 has no gradient, whatever the task's loss."""
    weights, human = found.weights, found.human
    if weights is not None:
        outputs = torch.where(weights[:, None] > 0, outputs, outputs.detach())
    if found.soft is None:
        loss = task.learning.loss(outputs, found.target, class_weights)
    else:
        hard = task.learning.loss(outputs[:human], found.target[:human], class_weights)
        loss = torch.cat([hard, task.learning.soft_loss(outputs[human:], found.soft, class_weights)])
    return (loss if weights is None else loss * weights).mean()
