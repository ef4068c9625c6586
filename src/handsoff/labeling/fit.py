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
from handsoff.core.seeds import step_generator
from handsoff.downstream.data import Samples
from handsoff.formats.labelled import Labelled, open_like
from handsoff.generators.base import w_statistics
from handsoff.generators.stored import copy_generator, generator_hash, load_generator
from handsoff.jobs.folder import open_job, require_done
from handsoff.jobs.progress import Progress, Work
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.hypercolumn import pixel_places, sample
from handsoff.labeling.labeler import GENERATOR, save_labeler
from handsoff.labeling.networks import train_networks
from handsoff.labeling.reader import Reader, make_reader
from handsoff.labeling.settings import FitSettings
from handsoff.tasks import task_type
from handsoff.tasks.base import Labels, Task

CHECKS = 12  # how often a run is measured on the held-out photos
DENSE_BATCH = 5


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
    """One training run of an ensemble.

    Attributes:
        chances: how likely each pixel is drawn.
        spread: noise on a code is a standard normal vector times this.
    """

    ensemble: Ensemble
    reader: Reader
    lesson: Lesson
    task: Task
    settings: FitSettings
    chances: Float[Tensor, "n p"]
    spread: Float[Tensor, "d d"]


def fit(generator: Path, codes: Path, out: Path, settings: FitSettings) -> Work:
    """Train the label generator; `out` gets it, a copy of the generator and the contact sheet of the inversions.

    Raises:
        MismatchError: the codes are of another generator.
        InputError: the codes are not finished, or `out` holds something else.
    """
    report = require_done(codes, "invert")
    identity = generator_hash(generator)
    if report["inputs"]["generator"]["fingerprint"] != identity:
        raise MismatchError(f"{codes} holds codes of another generator than {generator}: run handsoff invert with this one.")
    paths = {"generator": (generator, identity), "codes": (codes, report["codes_hash"])}
    inputs = {name: {"path": str(path.resolve()), "fingerprint": mark} for name, (path, mark) in paths.items()}
    job = open_job(out, "fit", inputs, settings.model_dump())
    if job.done:
        return
    with job.undone_if_refused():
        card, pack, task = taught(codes, settings.task)
        lesson = prepare(codes, card, pack, settings)
    net = load_generator(generator)
    yield from train_networks(task, own_photos(pack, card, settings), out, settings)
    torch.manual_seed(settings.seed)
    reader = make_reader(net, perception=settings.perception)
    ensemble = Ensemble(reader.channels, task.channels, settings.members, settings.hidden, settings.dropout).to(best_device())
    standardise(ensemble, reader, lesson)
    curve: list[float] = []
    spread = torch.linalg.pinv(w_statistics(net)[1].double()).float() * settings.jitter
    course = Course(ensemble, reader, lesson, task, settings, task.chances(lesson.labels, net.resolution, settings.balance), spread)
    yield from learn(course, curve)
    copy_generator(generator, out / GENERATOR)
    write_bytes(out / "inversions.png", (codes / "contact.png").read_bytes())
    facts = settings.model_dump(include={"task", "members", "hidden", "perception", "networks", "network_share"})
    save_labeler(out, ensemble, {**facts, "schema": task.schema, "generator": identity, "licence": net.licence, "codes": len(lesson.ws)})
    job.finish(seed=settings.seed, licence=net.licence, codes_used=len(lesson.ws), held_out_loss=curve)


def taught(codes: Path, name: str) -> tuple[dict[str, Any], Labelled, Task]:
    """The card of the codes, their labels of this kind, and the task as `handsoff invert` found it.

    Raises:
        InputError: the codes carry no such labels.
        UnknownNameError: there is no such task.
    """
    card = read_json(codes / "codes.json")
    task_type(name)
    if name not in card["tasks"]:
        raise InputError(f"{codes} carries labels for {', '.join(card['tasks'])}, not for {name}: choose one of them, or invert photos that have such labels.")
    pack = open_like(codes / "labels", {name: card["tasks"][name]})
    return card, pack, pack.tasks[name]


def prepare(codes: Path, card: dict[str, Any], pack: Labelled, settings: FitSettings) -> Lesson:
    """Read codes and labels; photo p is held out from member p mod members (all its variants with it)."""
    photos = sorted(set(card["photo"]))
    chosen = photos[: settings.first]
    rows = [index for index, photo in enumerate(card["photo"]) if photo in set(chosen)]
    if settings.first is not None and len(chosen) < settings.first:
        raise InputError(f"{codes} holds codes of {len(photos)} photos, not {settings.first}: lower --first or invert more.")
    tensors = read_tensors(codes / "codes.safetensors")
    labels = np.stack([pack.label(settings.task, card["names"][row]) for row in rows])
    position = torch.tensor([chosen.index(card["photo"][row]) for row in rows])
    held_out = position[None] % settings.members == torch.arange(settings.members)[:, None]
    device = best_device()
    return Lesson(tensors["ws"][rows].to(device), labels, tensors["error"][rows].float().to(device), held_out.to(device))


def own_photos(pack: Labelled, card: dict[str, Any], settings: FitSettings) -> Samples:
    """The labelled photos as they are, without their variants."""
    names = sorted(set(card["photo"]))[: settings.first]
    found = [pack.sample(name) for name in names]
    return Samples(np.stack([image for image, _ in found]), np.stack([labels[settings.task] for _, labels in found]))


@torch.no_grad()
def standardise(ensemble: Ensemble, reader: Reader, lesson: Lesson) -> None:
    """Mean and deviation of every hypercolumn channel over the training pixels."""
    columns = []
    height, width = reader.generator.resolution
    stream = torch.Generator().manual_seed(0)
    for start in range(0, len(lesson.ws), DENSE_BATCH):
        with mixed_precision():
            features = reader.read(lesson.ws[start : start + DENSE_BATCH])[1]
        places = torch.randint(height * width, (features[0].shape[0], 200), generator=stream).to(lesson.ws.device)
        columns.append(sample(features, pixel_places(places // width, places % width, reader.generator.resolution)).float().flatten(0, 1))
    joined = torch.cat(columns)
    ensemble.mean.copy_(joined.mean(0))
    ensemble.scale.copy_(joined.std(0) + 1e-3)


def learn(course: Course, curve: list[float]) -> Work:
    """Adam with one cycle; every member ends with its weights of the step that was best on its held-out photos."""
    settings, ensemble = course.settings, course.ensemble
    optimizer = torch.optim.AdamW(ensemble.parameters(), settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps)
    best = torch.full((settings.members,), float("inf"), device=course.lesson.ws.device)
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
    lesson, settings, size = course.lesson, course.settings, course.reader.generator.resolution
    stream = step_generator(settings.seed, step, 2)
    torch.manual_seed(int(torch.randint(2**62, (), generator=stream)))
    device = lesson.ws.device
    chosen = torch.randint(len(lesson.ws), (settings.images,), generator=stream)
    places = torch.multinomial(course.chances[chosen], settings.pixels, replacement=True, generator=stream)
    rows, columns, chosen = (places // size[1]).to(device), (places % size[1]).to(device), chosen.to(device)
    with torch.no_grad(), mixed_precision():
        ws = lesson.ws[chosen]
        if settings.jitter:
            ws = ws + torch.randn_like(ws) @ course.spread.to(device)
        hypercolumns = sample(course.reader.read(ws)[1], pixel_places(rows, columns, size)).flatten(0, 1)
    course.ensemble.train()
    with mixed_precision():
        logits = course.ensemble(hypercolumns)
    dense = course.task.encode(lesson.labels[chosen.cpu().numpy()], size)
    target = dense[torch.arange(len(chosen))[:, None], rows.cpu(), columns.cpu()].to(device)
    trust = (-settings.trust * lesson.error[chosen[:, None], rows, columns].flatten()).exp()
    weights = ~lesson.held_out[:, chosen].repeat_interleave(settings.pixels, 1) * trust
    outputs = logits.float().unflatten(1, target.shape[:2]).movedim(3, 2)
    losses = torch.stack([course.task.loss(member, target).flatten() for member in outputs])
    return (losses * weights).sum() / weights.sum().clamp_min(1) * settings.members


@torch.no_grad()
def held_out_loss(course: Course) -> Float[Tensor, " e"]:
    """Each member's mean loss over the photos it may not train on (all photos where there are none)."""
    lesson, ensemble = course.lesson, course.ensemble.eval()
    total = torch.zeros(ensemble.members, len(lesson.ws), device=lesson.ws.device)
    for start in range(0, len(lesson.ws), DENSE_BATCH):
        batch = slice(start, start + DENSE_BATCH)
        size = course.reader.generator.resolution
        with mixed_precision():
            members = ensemble.dense(course.reader.read(lesson.ws[batch])[1], size)
        target = course.task.encode(lesson.labels[batch], size).to(lesson.ws.device)
        total[:, batch] = torch.stack([course.task.loss(member, target).flatten(1).mean(1) for member in members])
    weight = torch.where(lesson.held_out.any(1, keepdim=True), lesson.held_out, torch.ones_like(lesson.held_out)).float()
    return (total * weight).sum(1) / weight.sum(1)
