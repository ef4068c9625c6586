"""`handsoff invert`: the generator's codes of labelled photos."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import best_device, mixed_precision
from handsoff.core.errors import InputError
from handsoff.core.files import png, read_json, read_tensors, sha256, write_bytes, write_json, write_tensors
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.datasets.labelled import open_labelled, write_cards, write_sample
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.generators.contract import Generator
from handsoff.generators.stored import generator_hash, load_generator
from handsoff.inversion.encoder import ENCODER, LatentSpace, latent_space, load_encoder, train_encoder
from handsoff.inversion.refine import Inversion, refine
from handsoff.inversion.settings import InvertSettings
from handsoff.inversion.variants import moved
from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.tasks import make_task
from handsoff.tasks.base import Labels, Task

CODES, CARD, CONTACT, LABELS = "codes.safetensors", "codes.json", "contact.png", "labels"
MIN_LABELLED = 4
TERMS = ("pixel", "perceptual", "prior")  # of the reconstruction error
View = tuple[Tensor, dict[str, Labels]]  # photos, and their labels by task
SHOWN = 12  # photos on the contact sheet
PIXELS = 2**20  # of photos that are refined together at the most: gradients through the generator need room


def invert(generator: Path, labelled: Path, out: Path, settings: InvertSettings) -> Work:
    """Find ws of labelled photos; `out` gets codes, errors, the labels as seen by the generator, and a contact sheet.

    Every kind of label that all photos have, or those of `settings.tasks`, are carried along, so that one set of codes serves several tasks.

    Raises:
        InputError: unusable labels, fewer than four, of one class only, or `out` holds something else.
    """
    data = open_labelled(labelled, settings.labels, settings.tasks)
    data = data.part(settings.skip, None if settings.first is None else settings.skip + settings.first)
    if len(data.names) < MIN_LABELLED:
        raise InputError(
            f"{labelled} gives {len(data.names)} labelled images: at least {MIN_LABELLED} are needed, label some more."
        )
    inputs = {
        "generator": {"path": str(generator.resolve()), "fingerprint": generator_hash(generator)},
        "labelled": data.describe(),
    }
    job = open_job(out, Plan("invert", inputs, settings.model_dump()))
    if job.done:
        return job.outcome
    net = load_generator(generator)
    with job.undone_if_refused():
        images, labels = data.load(net.resolution)
        schemas = {name: task.learning.infer_schema(labels[name], str(labelled)) for name, task in data.tasks.items()}
        tasks = {name: make_task(name, schema) for name, schema in schemas.items()}
    perceptual, space = Perceptual(frozen_lite0(), net.resolution), latent_space(net)
    if settings.encoder_steps and settings.encoder is None:
        yield from prepare_encoder(generator, net, perceptual, out, settings)
    views = list(make_views(to_float(images).to(best_device()), labels, tasks, settings))
    total = settings.variants * len(images)
    parts = []
    together = max(1, min(settings.batch, PIXELS // (net.resolution[0] * net.resolution[1])))
    for variant, (view, _) in enumerate(views):
        for start in range(0, len(view), together):
            part = chunk(
                net, view[start : start + together], perceptual, space, out, settings, f"{variant:02d}-{start:06d}"
            )
            parts.append(part)
            done = variant * len(images) + min(start + together, len(view))
            yield Progress(
                "refining",
                done,
                total,
                f"MSE {float(part['pixel'].mean()):.4f}, perceptual {float(part['perceptual'].mean()):.3f}",
            )
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    write_results(out, data.names, tasks, views, joined)
    means = {f"mean_{name}": float(joined[name].mean()) for name in TERMS}
    job.finish(
        codes_hash=sha256(out / CODES),
        seed=settings.seed,
        licence=net.licence,
        count=len(data.names),
        codes=total,
        **means,
    )
    return job.outcome


def make_views(
    images: Float[Tensor, "n 3 h w"], labels: dict[str, Labels], tasks: dict[str, Task], settings: InvertSettings
) -> Iterator[View]:
    """The photos as they are, then `variants - 1` moved copies of all of them."""
    yield images, labels
    for variant in range(1, settings.variants):
        yield moved(images, labels, tasks, settings.seed * 1000 + variant)


def prepare_encoder(
    folder: Path, generator: Generator, perceptual: Perceptual, out: Path, settings: InvertSettings
) -> Part:
    """Train the encoder, with the generator's own training photos where they can still be read."""
    if (out / ENCODER).is_file():
        return
    photos = None
    job = read_json(folder / "job.json") if (folder / "job.json").is_file() else {"inputs": {}, "settings": {}}
    images = job["inputs"].get("images")  # an imported generator has none
    path = Path(settings.photos or images["path"]) if settings.photos or images else None
    frame, framing = generator.resolution, job["settings"].get("framing", "crop")
    if path is not None and path.exists():
        cache = out / "photos.u8"
        yield from load_photos(open_source(path), frame, cache, framing)
        photos = map_photos(cache, frame)
    else:
        yield Progress(
            "training the encoder",
            0,
            1,
            f"{path or 'the training photos'} cannot be found: using the generator's samples only",
        )
    yield from train_encoder(generator, photos, perceptual, out, settings)
    (out / "photos.u8").unlink(missing_ok=True)


def chunk(
    generator: Generator,
    images: Tensor,
    perceptual: Perceptual,
    space: LatentSpace,
    out: Path,
    settings: InvertSettings,
    name: str,
) -> dict[str, Tensor]:
    """Invert one batch, or read it back if an earlier run has finished it."""
    path = out / "chunks" / f"{name}.safetensors"
    if not path.is_file():
        start = first_codes(generator, images, out, settings)
        found = refine(generator, images, start, perceptual, space, settings)
        write_tensors(path, tensors_of(found))
    return read_tensors(path)


def tensors_of(found: Inversion) -> dict[str, Tensor]:
    return {name: getattr(found, name) for name in ("ws", "rebuilt", "pixel", "perceptual", "prior", "error")}


@torch.no_grad()
def first_codes(generator: Generator, images: Tensor, out: Path, settings: InvertSettings) -> Float[Tensor, "n l d"]:
    """Standardised codes to start from: the encoder's, or the mean code."""
    if not settings.encoder_steps:
        return torch.zeros(len(images), generator.num_ws, generator.w_dim, device=images.device)
    encoder = load_encoder(generator, out if settings.encoder is None else Path(settings.encoder))
    with mixed_precision():
        codes: Tensor = encoder(images)
    return codes


def write_results(
    out: Path, photos: Sequence[str], tasks: dict[str, Task], views: list[View], found: dict[str, Tensor]
) -> None:
    """Codes, errors, labels (one per code) and the contact sheet."""
    names = [name if variant == 0 else f"{name}~{variant}" for variant in range(len(views)) for name in photos]
    images = np.concatenate([to_uint8(view) for view, _ in views])
    labels = {name: np.concatenate([view[name] for _, view in views]) for name in tasks}
    rests = {}
    for index, (name, image, error) in enumerate(zip(names, images, found["error"], strict=True)):
        rests[name] = write_sample(
            out / LABELS, name, image, {task: values[index] for task, values in labels.items()}, tasks
        )
        write_bytes(out / "errors" / f"{name}.png", png((error.clamp(0, 1) * 255).to(torch.uint8).numpy()))
    write_cards(out / LABELS, tasks, rests)
    error_images = (found["error"].clamp(0, 1) * 255).to(torch.uint8)[..., None].expand(-1, -1, -1, 3).numpy()
    trio = np.stack([images, to_uint8(found["rebuilt"]), error_images], 1)[:SHOWN]
    write_bytes(out / CONTACT, png(tile(trio.reshape(-1, *trio.shape[2:]), 6)))
    write_tensors(out / CODES, {"ws": found["ws"], "error": found["error"].half()})
    card: dict[str, Any] = {
        "names": names,
        "photo": [name.split("~")[0] for name in names],
        "tasks": {name: task.schema for name, task in tasks.items()},
    }
    card |= {name: [round(float(value), 5) for value in found[name]] for name in TERMS}
    write_json(out / CARD, card)
