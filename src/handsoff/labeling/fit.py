"""`handsoff fit`: the label generator from codes and their labels.

Every member leaves out its own fold of the photos and stops at the step where the loss on that fold was lowest, so all
photos teach and none is judged by who learnt from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handsoff.core.device import best_device, mixed_precision
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, read_tensors, write_bytes
from handsoff.core.seeds import seeded, step_generator
from handsoff.datasets.labelled import LabelledDataset, open_like
from handsoff.generators.stored import copy_generator, generator_hash, load_generator
from handsoff.jobs.folder import Plan, open_job, require_done
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.features import make_reader
from handsoff.labeling.image_networks import train_networks
from handsoff.labeling.labeler import GENERATOR, save_labeler
from handsoff.labeling.pixel_samples import Pool, gather
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays
from handsoff.tasks import task_type
from handsoff.tasks.base import Labels, Task

CHECKS = 12  # how often a run is measured on the held-out photos
SCALED_BY = 200  # pixels of each photo that say how features are standardised


@dataclass(frozen=True)
class Lesson:
    """What is learnt from: codes with labels, and which member may see which.

    Attributes:
        held_out: member e never trains on code n where held_out[e, n].
        error: absolute reconstruction error per pixel.
    """

    ws: Float[Tensor, "n l d"]
    labels: Labels
    error: Float[Tensor, "n h w"]
    held_out: Bool[Tensor, "e n"]


@dataclass(frozen=True)
class Course:
    """One training run of an ensemble."""

    ensemble: Ensemble
    pool: Pool
    held_out: Bool[Tensor, "e n"]
    task: Task
    settings: FitSettings


def fit(generator: Path, codes: Path, out: Path, settings: FitSettings) -> Work:
    """Train the label generator; `out` gets it, a copy of the generator and the contact sheet of the inversions.

    Raises:
        MismatchError: the codes are of another generator.
        InputError: the codes are not finished, or `out` holds something else.
    """
    report = require_done(codes, "invert")
    identity = generator_hash(generator)
    if report["inputs"]["generator"]["fingerprint"] != identity:
        raise MismatchError(
            f"{codes} holds codes of another generator than {generator}: run handsoff invert with this one."
        )
    paths = {"generator": (generator, identity), "codes": (codes, report["codes_hash"])}
    inputs = {name: {"path": str(path.resolve()), "fingerprint": mark} for name, (path, mark) in paths.items()}
    job = open_job(out, Plan("fit", inputs, settings.model_dump()))
    if job.done:
        return job.outcome
    with job.undone_if_refused():
        card, pack, task = taught(codes, settings.task)
        lesson = prepare(codes, card, pack, settings)
    net = load_generator(generator)
    yield from train_networks(task, own_photos(pack, card, settings), out, settings)
    reader = make_reader(net, perception=settings.perception)
    pool = yield from gather(
        reader, lesson.ws, lesson.labels, (-settings.trust * lesson.error).exp(), task, settings.balance, settings.seed
    )
    with seeded(settings.seed):
        ensemble = Ensemble(reader.channels, task.channels, settings.members, settings.hidden, settings.dropout)
    ensemble = ensemble.to(best_device())
    standardise(ensemble, pool)
    curve: list[float] = []
    yield from train_ensemble(Course(ensemble, pool, lesson.held_out, task, settings), curve)
    copy_generator(generator, out / GENERATOR)
    write_bytes(out / "inversions.png", (codes / "contact.png").read_bytes())
    facts = settings.model_dump(include={"task", "members", "hidden", "perception", "networks", "network_share"})
    save_labeler(
        out,
        ensemble,
        {**facts, "schema": task.schema, "generator": identity, "licence": net.licence, "codes": len(lesson.ws)},
    )
    job.finish(seed=settings.seed, licence=net.licence, codes_used=len(lesson.ws), held_out_loss=curve)
    return job.outcome


def taught(codes: Path, name: str) -> tuple[dict[str, Any], LabelledDataset, Task]:
    """The card of the codes, their labels of this kind, and the task as `handsoff invert` found it.

    Raises:
        InputError: the codes carry no such labels.
        UnknownNameError: there is no such task.
    """
    card = read_json(codes / "codes.json")
    task_type(name)
    if name not in card["tasks"]:
        raise InputError(
            f"{codes} carries labels for {', '.join(card['tasks'])}, not for {name}: choose one of them, or invert photos that have such labels."
        )
    pack = open_like(codes / "labels", {name: card["tasks"][name]})
    return card, pack, pack.tasks[name]


def prepare(codes: Path, card: dict[str, Any], pack: LabelledDataset, settings: FitSettings) -> Lesson:
    """Read codes and labels; photo p is held out from member p mod members (all its variants with it)."""
    photos = sorted(set(card["photo"]))
    chosen = photos[: settings.first]
    rows = [index for index, photo in enumerate(card["photo"]) if photo in set(chosen)]
    if settings.first is not None and len(chosen) < settings.first:
        raise InputError(
            f"{codes} holds codes of {len(photos)} photos, not {settings.first}: lower --first or invert more."
        )
    tensors = read_tensors(codes / "codes.safetensors")
    labels = np.stack([pack.label(settings.task, card["names"][row]) for row in rows])
    position = torch.tensor([chosen.index(card["photo"][row]) for row in rows])
    held_out = position[None] % settings.members == torch.arange(settings.members)[:, None]
    device = best_device()
    return Lesson(
        tensors["ws"][rows].to(device), labels, tensors["error"][rows].float().to(device), held_out.to(device)
    )


def own_photos(pack: LabelledDataset, card: dict[str, Any], settings: FitSettings) -> LabelledArrays:
    """The labelled photos as they are, without their variants."""
    names = sorted(set(card["photo"]))[: settings.first]
    found = [pack.sample(name) for name in names]
    return LabelledArrays(
        np.stack([image for image, _ in found]), np.stack([labels[settings.task] for _, labels in found])
    )


@torch.no_grad()
def standardise(ensemble: Ensemble, pool: Pool) -> None:
    """Mean and deviation of every hypercolumn channel over pixels of all photos."""
    some = torch.randperm(pool.columns.shape[1], generator=torch.Generator().manual_seed(0))[:SCALED_BY].to(
        pool.columns.device
    )
    values = pool.columns[:, some].float().flatten(0, 1)
    ensemble.mean.copy_(values.mean(0))
    ensemble.scale.copy_(values.std(0) + 1e-3)


def train_ensemble(course: Course, curve: list[float]) -> Part:
    """Adam with one cycle; every member ends with its weights of the step that was best on its held-out photos."""
    settings, ensemble = course.settings, course.ensemble
    optimizer = torch.optim.AdamW(ensemble.parameters(), settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps)
    best = torch.full((settings.members,), float("inf"), device=course.held_out.device)
    kept = {name: value.detach().clone() for name, value in ensemble.named_parameters()}
    every = max(1, settings.steps // CHECKS)
    for step in range(settings.steps):
        loss = fit_step(course, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            held = held_out_loss(course)
            better = held < best
            best = torch.where(better, held, best)
            for name, value in ensemble.named_parameters():
                kept[name][better] = value.detach()[better]
            curve.append(round(float(held.mean()), 4))
        if step % 5 == 0 or step + 1 == settings.steps:
            note = f"loss {float(loss.detach()):.3f}" + (f", held out {curve[-1]:.3f}" if curve else "")
            yield Progress("fitting the label generator", step + 1, settings.steps, note)
    for name, value in ensemble.named_parameters():
        value.data.copy_(kept[name])
    ensemble.eval()


def fit_step(course: Course, step: int) -> Float[Tensor, ""]:
    """The loss of one step: a few thousand pixels of a few codes, each member without its held-out photos."""
    pool, settings = course.pool, course.settings
    stream = step_generator(settings.seed, step, 2)
    dropout_seed = int(torch.randint(2**62, (), generator=stream))
    chosen = torch.randint(len(pool), (settings.images,), generator=stream)
    picks = torch.multinomial(pool.weights[chosen], settings.pixels, replacement=True, generator=stream)
    chosen, picks = chosen.to(pool.columns.device), picks.to(pool.columns.device)
    place = chosen[:, None], picks
    course.ensemble.train()
    with seeded(dropout_seed), mixed_precision():
        outputs = course.ensemble(pool.columns[place].flatten(0, 1))
    weights = ~course.held_out[:, chosen].repeat_interleave(settings.pixels, 1) * pool.trust[place].flatten()
    target = pool.target[place]
    by_image = outputs.float().unflatten(1, target.shape[:2]).movedim(3, 2)
    losses = torch.stack([course.task.learning.loss(member, target).flatten() for member in by_image])
    return (losses * weights).sum() / weights.sum().clamp_min(1) * settings.members


@torch.no_grad()
def held_out_loss(course: Course) -> Float[Tensor, " e"]:
    """Each member's mean loss over the photos it may not train on (all photos where there are none)."""
    pool, ensemble = course.pool, course.ensemble.eval()
    losses = []
    for member, held_out in enumerate(course.held_out):
        photos = held_out.nonzero()[:, 0].tolist() or range(len(pool))
        found = []
        for photo in photos:
            with mixed_precision():
                outputs = ensemble.alone(member, pool.columns[photo])
            found.append(course.task.learning.loss(outputs.float().T[None], pool.target[photo][None]).mean())
        losses.append(torch.stack(found).mean())
    return torch.stack(losses)
