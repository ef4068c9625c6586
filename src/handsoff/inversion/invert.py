"""`handsoff invert`: latents of labelled photos."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.files import png, sha256, write_bytes, write_json
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.core.tensors import read_tensors
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.sources import forget_photos, load_photos, map_photos, open_source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.formats.photos import photos_in
from handsoff.generators.latents import RESIDUAL, Latents, join_latents, save_latents
from handsoff.generators.stored import generator_hash, generator_shell, load_generator, read_card
from handsoff.inversion.chunk import (
    CHUNKS,
    Context,
    Workplace,
    chosen_samples,
    chunks_of,
    encoder_of,
    load,
    refine_chunk,
    target_of,
)
from handsoff.inversion.encoder import ENCODER, PARTIAL, train_encoder
from handsoff.inversion.latent_space import require_w_space
from handsoff.inversion.refine import Target, fitting_together, measure, residual_shape
from handsoff.inversion.settings import InvertSettings
from handsoff.inversion.tuning import Pivots, tune, tuned_generator
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.folder import JOB, Job, Plan, open_job, recorded_plan
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.tasks.base import Labels, Task

LATENTS, CARD, CONTACT, LABELS = "latents.safetensors", "latents.json", "contact.png", "labels"
CACHE = "photos.u8"  # the photos that the encoder is trained on, until it is
TERMS = ("pixel", "perceptual", "prior")  # of the reconstruction error
SHOWN = 12  # photos on the contact sheet


def plan(generator: Path, labelled: Path, settings: InvertSettings) -> Plan:
    """What the latents are made by.

    Raises:
        InputError: the generator has no w space or no feature map of the height that the settings ask for, there are
            no usable labels or fewer than four, or the photos or the encoder that the settings name are missing.
    """
    chosen = chosen_samples(labelled, settings)
    shell = require_w_space(generator_shell(generator), str(generator))
    if settings.residual:
        residual_shape(shell, settings.residual)
    inputs = {
        "generator": {"path": str(generator.resolve()), "fingerprint": generator_hash(generator)},
        "labelled": chosen.describe(),
        **encoder_inputs(generator, settings),
    }
    return Plan("invert", inputs, settings.model_dump(exclude={"photos", "encoder"}))


def encoder_inputs(generator: Path, settings: InvertSettings) -> dict[str, dict[str, str]]:
    """The encoder that is borrowed, or the photos that one is trained on, where there are any.

    Raises:
        InputError: one that the settings name is missing.
    """
    if not settings.encoder_steps:
        return {}
    if settings.encoder is not None:
        return {"encoder": encoder_input(Path(settings.encoder))}
    path = training_photos(generator, settings)
    if path is None or (settings.photos is None and not path.exists()):
        return {}
    return {"photos": photos_in(open_source(path)).describe()}


def encoder_input(folder: Path) -> dict[str, str]:
    """An encoder that is borrowed, as an input of the plan.

    Raises:
        InputError: the folder has none.
    """
    if not (folder / ENCODER).is_file():
        raise InputError(f"{folder} has no {ENCODER}: name a folder of handsoff invert that trained an encoder.")
    return {"path": str(folder.resolve()), "fingerprint": sha256(folder / ENCODER)}


def invert(generator: Path, labelled: Path, out: Path, settings: InvertSettings, engine: Engine = LOCAL) -> Work:
    """Find ws of labelled photos; `out` gets latents, errors, the labels as framed for the generator, a contact sheet.

    With `settings.tuning_steps` it also gets a generator of its own, tuned on the photos; that one then belongs to the
    latents.

    The engine refines chunks of `batch` photos; the encoder and the tuning learn from all photos, in this process.

    Every kind of label, or those of `settings.tasks`, are carried along: one folder of latents serves several tasks.

    Raises:
        InputError: as `plan`, the labels are of one class only, or `out` holds something else.
    """
    with open_job(out, plan(generator, labelled, settings)) as job:
        if not job.done:
            yield from find_latents(job, generator, labelled, settings, engine)
        shutil.rmtree(out / CHUNKS, ignore_errors=True)  # once nothing can need them again
    return job.outcome


def find_latents(job: Job, generator: Path, labelled: Path, settings: InvertSettings, engine: Engine) -> Part:
    """An encoder where one is needed, latents chunk by chunk, a tuned generator if wanted, and the results."""
    out = job.out
    net, data = require_w_space(load_generator(generator), str(generator)), chosen_samples(labelled, settings)
    photos, labels = data.load(net.image_size, net.framing)
    tasks, notes = learnable(data, labels, settings)
    context = Context(generator, labelled, out, settings, job.plan)
    target, encoder = target_of(net), None
    if settings.encoder_steps:
        if settings.encoder is None and not is_whole(out / ENCODER):
            yield from prepare_encoder(generator, target, out, settings)
        (out / PARTIAL).unlink(missing_ok=True)
        forget_photos(out / CACHE)
        encoder = encoder_of(net, context)
    parts: list[dict[str, Tensor]] = []
    together = fitting_together(net, settings.batch)
    with load.having(context, Workplace(target, encoder, photos)):
        for file in engine.map(refine_chunk, chunks_of(len(photos), together), context):
            parts.append(needed(read_tensors(file), sum(len(part["ws"]) for part in parts)))
            errors = (f"{name} {float(parts[-1][name].mean()):.4f}" for name in TERMS[:2])
            yield Progress("refining", sum(len(part["ws"]) for part in parts), len(photos), ", ".join(errors))
    if settings.tuning_steps:
        pivots = Pivots(photos, join_latents([latents_in(part) for part in parts]))
        yield from tune(target, pivots, out, settings, read_card(generator).nearness)
        target = replace(target, generator=tuned_generator(out))
        parts = [*measured_again(target, pivots, together)]
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    write_results(out, data.names, tasks, photos, labels, found)
    means = {f"mean_{name}": float(found[name].mean()) for name in TERMS}
    facts = {"fingerprint": sha256(out / LATENTS), "seed": settings.seed, "licence": net.licence}
    job.finish(**facts, count=len(data.names), **means, notes=notes)


def learnable(
    data: LabelledDataset, labels: Mapping[str, Labels], settings: InvertSettings
) -> tuple[dict[str, Task], list[str]]:
    """The kinds of label that come along, as their dataset states them, and a sentence for each that is left out.

    What it leaves open, such as a range of depths, a labeler infers from those labels that it is fitted to. Left out is
    what nobody asked for and nobody gave: labels derived from others, if there is nothing to learn.

    Raises:
        InputError: there is nothing to learn from labels of another kind.
    """
    tasks, notes = {}, []
    for name, kind in data.kinds.items():
        try:
            kind.task.learning.infer_schema(labels[name], str(data.source.path))
        except InputError as error:
            if not kind.derived or settings.tasks is not None:
                raise
            notes.append(f"{error} They were only derived from other labels, so they are left out.")
        else:
            tasks[name] = kind.task
    return tasks, notes


def needed(found: dict[str, Tensor], before: int) -> dict[str, Tensor]:
    """What the results take of a chunk with `before` photos ahead of it.

    Images are much larger than latents: errors become grey levels, and reconstructions stay of photos on the contact
    sheet alone.
    """
    shown = found["rebuilt"][: max(0, SHOWN - before)].clone()  # a view would keep all of them
    return {**found, "rebuilt": shown, "error": (found["error"].clamp(0, 1) * 255).to(torch.uint8)}


def latents_in(found: Mapping[str, Tensor]) -> Latents:
    """The latents among the tensors of an inversion."""
    return Latents({name: found[name] for name in ("ws", RESIDUAL) if name in found})


def measured_again(target: Target, pivots: Pivots, together: int) -> Iterator[dict[str, Tensor]]:
    """How well the same latents rebuild the photos by another generator."""
    for start in range(0, len(pivots.photos), together):
        part = slice(start, start + together)
        images = to_float(pivots.photos[part]).to(target.generator.device)
        measured = measure(target, images, pivots.latents[part].to(target.generator.device))
        yield needed({name: value.cpu() for name, value in measured.tensors().items()}, start)


def prepare_encoder(generator: Path, target: Target, out: Path, settings: InvertSettings) -> Part:
    """Train the encoder, with the generator's own training photos where they can still be read."""
    path, photos = training_photos(generator, settings), None
    if path is not None and path.exists():
        frame = target.generator.image_size
        yield from load_photos(photos_in(open_source(path)), frame, out / CACHE, target.generator.framing)
        photos = map_photos(out / CACHE, frame)
    else:
        note = f"{path or 'the training photos'} cannot be found: using the generator's samples only"
        yield Progress("training the encoder", 0, 1, note)
    yield from train_encoder(target, photos, out, settings)


def training_photos(generator: Path, settings: InvertSettings) -> Path | None:
    """Where the settings, or else the generator's own record, say that its training photos are."""
    if settings.photos is not None:
        return Path(settings.photos)
    inputs = recorded_plan(generator).inputs if (generator / JOB).is_file() else {}
    return Path(inputs["images"]["path"]) if "images" in inputs else None  # an imported generator has none


def write_results(
    out: Path,
    names: Sequence[str],
    tasks: Mapping[str, Task],
    photos: UInt8[np.ndarray, "n h w 3"],
    labels: Mapping[str, Labels],
    found: Mapping[str, Tensor],
) -> None:
    """Photos and labels as a labelled folder, the errors, the contact sheet, and last the latents with their card."""
    errors, rests = found["error"].numpy(), {}
    for index, (name, photo, error) in enumerate(zip(names, photos, errors, strict=True)):
        own = {task: labels[task][index] for task in tasks}
        rests[name] = write_sample(out / LABELS, name, photo, own, tasks)
        write_bytes(out / "errors" / f"{name}.png", png(error))
    write_cards(out / LABELS, tasks, rests)
    grey = errors[:SHOWN, ..., None].repeat(3, -1)
    trio = np.stack([photos[:SHOWN], to_uint8(found["rebuilt"]), grey], 1)
    write_bytes(out / CONTACT, png(tile(trio.reshape(-1, *trio.shape[2:]), 6)))
    card: dict[str, Any] = {"names": list(names), "tasks": {name: task.schema for name, task in tasks.items()}}
    card |= {name: [round(float(value), 5) for value in found[name]] for name in TERMS}
    write_json(out / CARD, card)
    save_latents(out / LATENTS, latents_in(found))
