"""`handsoff fit`: the label generator from codes and their labels.

Every member leaves out its own fold of the photos and stops at the step where the loss on that fold was lowest, so all
photos teach and none is judged by who learnt from it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from handsoff.core.device import best_device, mixed_precision
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, read_tensors, write_bytes
from handsoff.core.images import Frame
from handsoff.core.seeds import step_generator
from handsoff.downstream.data import Samples
from handsoff.formats.labelled import open_labelled
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
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

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
    labels: UInt8[np.ndarray, "n h w"]
    target: Tensor
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
    card = read_json(codes / "codes.json")
    task = make_task(settings.task, {"classes": card["classes"]})
    net = load_generator(generator)
    lesson = prepare(codes, card, task, settings)
    yield from train_networks(task, own_photos(codes, card, net.resolution, settings), out, settings)
    torch.manual_seed(settings.seed)
    reader = make_reader(net, perception=settings.perception)
    ensemble = Ensemble(reader.channels, task.channels, settings.members, settings.hidden, settings.dropout).to(best_device())
    standardise(ensemble, reader, lesson)
    curve: list[float] = []
    spread = torch.linalg.pinv(w_statistics(net)[1].double()).float() * settings.jitter
    course = Course(ensemble, reader, lesson, task, settings, pixel_chances(lesson.labels, settings.balance), spread)
    yield from learn(course, curve)
    copy_generator(generator, out / GENERATOR)
    write_bytes(out / "inversions.png", (codes / "contact.png").read_bytes())
    facts = settings.model_dump(include={"task", "members", "hidden", "perception", "networks", "network_share"}) | {
        "schema": task.schema,
        "merge": card["merge"],
    }
    save_labeler(out, ensemble, {**facts, "generator": identity, "licence": net.licence, "codes": len(lesson.ws)})
    job.finish(seed=settings.seed, licence=net.licence, codes_used=len(lesson.ws), held_out_loss=curve)


def prepare(codes: Path, card: dict[str, Any], task: Task, settings: FitSettings) -> Lesson:
    """Read codes and labels; photo p is held out from member p mod members (all its variants with it)."""
    photos = sorted(set(card["photo"]))
    chosen = photos[: settings.first]
    rows = [index for index, photo in enumerate(card["photo"]) if photo in set(chosen)]
    if settings.first is not None and len(chosen) < settings.first:
        raise InputError(f"{codes} holds codes of {len(photos)} photos, not {settings.first}: lower --first or invert more.")
    tensors = read_tensors(codes / "codes.safetensors")
    labelled = open_labelled(codes / "labels")
    labels = np.stack([labelled.mask(card["names"][row]) for row in rows])
    position = torch.tensor([chosen.index(card["photo"][row]) for row in rows])
    held_out = position[None] % settings.members == torch.arange(settings.members)[:, None]
    device = best_device()
    return Lesson(tensors["ws"][rows].to(device), labels, task.encode(labels).to(device), tensors["error"][rows].float().to(device), held_out.to(device))


def own_photos(codes: Path, card: dict[str, Any], frame: Frame, settings: FitSettings) -> Samples:
    """The labelled photos as they are, without their variants."""
    names = tuple(sorted(set(card["photo"]))[: settings.first])
    return Samples(*replace(open_labelled(codes / "labels"), names=names).load(frame))


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


def pixel_chances(labels: UInt8[np.ndarray, "n h w"], balance: float) -> Float[Tensor, "n p"]:
    """How likely each pixel is drawn: ∝ frequency of its class to the power of -balance; ignored pixels never are."""
    values, counts = np.unique(labels, return_counts=True)
    chance = np.zeros(256)
    chance[values] = (counts / counts.sum()) ** -balance
    chance[255] = 0.0
    drawn = torch.from_numpy(chance[labels].reshape(len(labels), -1)).float()
    return drawn + (drawn.sum(1, keepdim=True) == 0)  # an image of nothing but ignored pixels: its loss is 0 anyway


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
    target = lesson.target[chosen[:, None], rows, columns].flatten()
    trust = (-settings.trust * lesson.error[chosen[:, None], rows, columns].flatten()).exp()
    weights = ~lesson.held_out[:, chosen].repeat_interleave(settings.pixels, 1) * trust
    losses = torch.stack([course.task.loss(member, target) for member in logits.float()])
    return (losses * weights).sum() / weights.sum().clamp_min(1) * settings.members


@torch.no_grad()
def held_out_loss(course: Course) -> Float[Tensor, " e"]:
    """Each member's mean loss over the photos it may not train on (all photos where there are none)."""
    lesson, ensemble = course.lesson, course.ensemble.eval()
    total = torch.zeros(ensemble.members, len(lesson.ws), device=lesson.ws.device)
    for start in range(0, len(lesson.ws), DENSE_BATCH):
        batch = slice(start, start + DENSE_BATCH)
        with mixed_precision():
            members = ensemble.dense(course.reader.read(lesson.ws[batch])[1], course.reader.generator.resolution)
        total[:, batch] = torch.stack([course.task.loss(member, lesson.target[batch]).flatten(1).mean(1) for member in members])
    weight = torch.where(lesson.held_out.any(1, keepdim=True), lesson.held_out, torch.ones_like(lesson.held_out)).float()
    return (total * weight).sum(1) / weight.sum(1)
