"""Training a head: every member leaves out its own fold of the images.

It stops at the step where the loss on that fold was lowest: all images are learnt from, and no member is stopped by
images that it learnt from.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from handsoff.core.errors import HandsOffError
from handsoff.jobs.progress import Part, Progress
from handsoff.labeling.settings import FitSettings

CHECKS = 12  # how often a run is measured on the held-out images


@runtime_checkable
class Run(Protocol):
    """One training run of the members of a head.

    Attributes:
        head: every parameter's first axis is the member.
        held_out: member e never trains on image n where held_out[e, n].
    """

    @property
    def head(self) -> nn.Module: ...

    @property
    def held_out(self) -> Bool[Tensor, "e n"]: ...

    @property
    def settings(self) -> FitSettings: ...

    def step_loss(self, step: int) -> Float[Tensor, ""]:
        """What a step minimises, summed over the members, each without its held-out images."""
        ...

    def loss_on(self, member: int, image: int) -> Float[Tensor, ""]:
        """One member's mean loss on one image."""
        ...


def folds(count: int, members: int) -> Bool[Tensor, "e n"]:
    """Image n is held out from member n mod `members`, but from a member that would have none left."""
    held = torch.arange(count)[None] % members == torch.arange(members)[:, None]
    return held & ~held.all(1, keepdim=True)


def train(run: Run, curve: list[float]) -> Part:
    """AdamW with one cycle; every member ends with its weights of the step that was best on its held-out images.

    Of steps that are alike the last one counts, so of all where none of these images has a label.

    The mean loss on the held-out images is appended to `curve`, `CHECKS` times.

    Raises:
        HandsOffError: the loss was never finite.
    """
    settings, head = run.settings, run.head
    optimizer = torch.optim.AdamW(head.parameters(), settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps)
    best = torch.full((settings.members,), float("inf"), device=run.held_out.device)
    kept = {name: value.detach().clone() for name, value in head.named_parameters()}
    every = max(1, settings.steps // CHECKS)
    for step in range(settings.steps):
        loss = run.step_loss(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            held = held_out_loss(run)
            better = held <= best  # of images without any label the loss is 0 at every check: the last weights stay
            best = torch.where(better, held, best)
            for name, value in head.named_parameters():
                kept[name][better] = value.detach()[better]
            curve.append(round(float(held.mean()), 4))
        if step % 5 == 0 or step + 1 == settings.steps:
            note = f"loss {float(loss.detach()):.3f}" + (f", held out {curve[-1]:.3f}" if curve else "")
            yield Progress("fitting the labeler", step + 1, settings.steps, note)
    if not bool(best.isfinite().all()):
        raise HandsOffError(
            "Fitting diverged: a member's loss on its held-out images was never a number. Choose another output folder "
            "and a lower lr."
        )
    for name, value in head.named_parameters():
        value.data.copy_(kept[name])
    head.eval()


def held_out_loss(run: Run) -> Float[Tensor, " e"]:
    """Each member's mean loss over the images it may not train on (all images where there are none)."""
    losses = []
    for member, held_out in enumerate(run.held_out):
        images = held_out.nonzero()[:, 0].tolist() or range(len(held_out))
        losses.append(torch.stack([run.loss_on(member, image) for image in images]).mean())
    return torch.stack(losses)


def loss_of_last(run: Run, count: int) -> float | None:
    """The mean loss on the last `count` images, each by the members that did not learn from it; None if all did."""
    total = run.held_out.shape[1]
    pairs = run.held_out[:, total - count :].nonzero().tolist()
    if not pairs:
        return None
    found = [run.loss_on(member, total - count + image) for member, image in pairs]
    return round(float(torch.stack(found).mean()), 4)


def mean_loss(run: Run) -> float:
    """The mean loss of all members on all images."""
    members, images = run.held_out.shape
    found = [run.loss_on(member, image) for image in range(images) for member in range(members)]
    return round(float(torch.stack(found).mean()), 4)


def over_members(losses: Float[Tensor, "e b *p"], held_out: Bool[Tensor, "e b"]) -> Float[Tensor, ""]:
    """The loss of a step: the mean over all that each member may learn from, times the number of members."""
    counts = (~held_out).view(*held_out.shape, *[1] * (losses.ndim - held_out.ndim)).expand_as(losses).float()
    return (losses * counts).sum() / counts.sum().clamp_min(1) * len(losses)
