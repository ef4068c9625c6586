"""The links between photos and a dataset, each measured on its own: generator, inversion, labeler, selection."""

from collections.abc import Generator as Steps
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from handsoff.backbones.distances import pooled_features
from handsoff.backbones.lite0 import Lite0, frozen_lite0
from handsoff.core.device import mixed_precision
from handsoff.core.files import png, read_json, write_bytes
from handsoff.core.images import tile, to_float, to_uint8
from handsoff.datasets.generated import GeneratedDataset
from handsoff.datasets.labelled import open_like
from handsoff.datasets.sources import forget_photos, load_photos, map_photos, open_source
from handsoff.formats.photos import photos_in
from handsoff.generators.contract import Generator
from handsoff.generators.latents import load_latents
from handsoff.geometry.views import scaled_to
from handsoff.jobs.progress import Progress
from handsoff.labeling.labeler import Labeler
from handsoff.learning.data import LabelledArrays
from handsoff.learning.supervised import score_predictor
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import NOTHING, Materials, read_materials
from handsoff.synthesis.samples import batch_size
from handsoff.tasks.base import Labels, Task

BATCH = 16  # images that are drawn or labelled together
FEATURE_SIZE = 128  # longer side at which images are compared, pixels
SHOWN = 24  # samples on a contact sheet
ERRORS = ("pixel", "perceptual", "prior")  # of a reconstruction

Features = Float[Tensor, "n c"]
Images = UInt8[np.ndarray, "n h w 3"]


def batches(count: int, together: int = BATCH) -> Iterator[slice]:
    return (slice(start, min(start + together, count)) for start in range(0, count, together))


def photo_features(photos: Path, generator: Generator, count: int, cache: Path) -> Steps[Progress, None, Features]:
    """Features of some of the photos that a generator was trained on, chosen at random, framed as it saw them."""
    yield from load_photos(photos_in(open_source(photos)), generator.image_size, cache, generator.framing)
    framed = map_photos(cache, generator.image_size)
    chosen = np.sort(np.random.default_rng(1).permutation(len(framed))[:count])
    images, net = framed[chosen], frozen_lite0()
    parts = [features_of(net, to_float(images[part])) for part in batches(len(images))]
    forget_photos(cache)
    return torch.cat(parts)


def drawn_features(
    generator: Generator, draws: Sequence[Draw], materials: Materials = NOTHING
) -> Steps[Progress, None, Features]:
    """Features of the images of draws."""
    net, parts = frozen_lite0(), []
    for part in batches(len(draws)):
        with torch.no_grad():
            images = generator.synthesize(draw_latents(generator, draws[part], materials)).clamp(-1, 1)
        parts.append(features_of(net, images))
        yield Progress("drawing images to compare with photos", part.stop, len(draws))
    return torch.cat(parts)


def features_of(net: Lite0, images: Float[Tensor, "n 3 h w"]) -> Features:
    return pooled_features(net, [images], scaled_to((images.shape[2], images.shape[3]), FEATURE_SIZE))


def diversity(features: Features) -> float:
    """The mean squared distance of features to their mean."""
    return float((features - features.mean(0)).square().sum(1).mean())


def reconstruction(latents: Path) -> dict[str, float]:
    """How well inversion rebuilds photos: means over them of every term of the error (`handsoff invert`)."""
    card = read_json(latents / "latents.json")
    return {name: float(np.mean(card[name])) for name in ERRORS}


def label_quality(labeler: Labeler, latents: Path, count: int | None = None) -> dict[str, Any]:
    """Scores of a labeler on inverted photos against their human labels."""
    names = read_json(latents / "latents.json")["names"][:count]
    truth = open_like(latents / "labels", {labeler.task.name: labeler.task.schema})
    found = load_latents(latents / "latents.safetensors")[: len(names)].to(labeler.generator.device)
    pairs = []
    for part in batches(len(names), batch_size(labeler.size)):
        human = np.stack([truth.label(labeler.task.name, name) for name in names[part]])
        pairs.append((labeler.label(found[part])[1], human))
    return labeler.task.scores.score(pairs)


def label_transfer(model: nn.Module, task: Task, generator: Generator, latents: Path) -> dict[str, Any]:
    """Scores of a network on inverted photos and on their reconstructions, against the human labels of the photos.

    The difference is what reconstructions lose of what labels are about.
    """
    names = read_json(latents / "latents.json")["names"]
    photos = open_like(latents / "labels", {task.name: task.schema})
    labels = np.stack([photos.label(task.name, name) for name in names])
    found = load_latents(latents / "latents.safetensors").to(generator.device)
    with torch.no_grad(), mixed_precision():
        rebuilt = [to_uint8(generator.synthesize(found[part]).float()) for part in batches(len(names))]
    images = {"photos": np.stack([photos.image(name) for name in names]), "reconstructions": np.concatenate(rebuilt)}
    return {kind: score_predictor(model, task, LabelledArrays(seen, labels)) for kind, seen in images.items()}


def selection(
    labeler: Labeler, dataset: GeneratedDataset, count: int, pictures: Path
) -> Steps[Progress, None, dict[str, Any]]:
    """How often each part occurs in kept and in dropped samples, made again from their records; draws both."""
    found: dict[str, Any] = {}
    for name, kept in (("kept", True), ("dropped", False)):
        records = [record for record in dataset.records() if record["kept"] is kept]
        found[name] = {"samples": len(records)}
        if records:
            draws = [Draw.of_record(record["draw"]) for record in records[:count]]
            stage, materials = f"labelling {name} samples again", read_materials(dataset.folder)
            images, labels = yield from labelled_again(labeler, draws, stage, materials)
            found[name] |= {"looked_at": len(draws), "share": shares(labeler, labels)}
            write_bytes(pictures / f"{name}.png", contact_sheet(labeler, images[:SHOWN], labels[:SHOWN]))
    return found


def labelled_again(
    labeler: Labeler, draws: Sequence[Draw], stage: str, materials: Materials
) -> Steps[Progress, None, tuple[Images, Labels]]:
    found = []
    for part in batches(len(draws), batch_size(labeler.size)):
        found.append(labeler.label(draw_latents(labeler.generator, draws[part], materials))[:2])
        yield Progress(stage, part.stop, len(draws))
    return np.concatenate([images for images, _ in found]), np.concatenate([labels for _, labels in found])


def shares(labeler: Labeler, labels: Labels) -> dict[str, float]:
    """Part (class, point) → its share of all there is in these labels."""
    return {part: round(share, 5) for part, (_, share) in labeler.task.scores.label_statistics(labels).items()}


def photo_shares(labeler: Labeler, latents: Path, count: int | None = None) -> dict[str, float]:
    """The same of the labelled photos, or of the first ones."""
    photos = open_like(latents / "labels", {labeler.task.name: labeler.task.schema})
    names = read_json(latents / "latents.json")["names"][:count]
    return shares(labeler, np.stack([photos.label(labeler.task.name, name) for name in names]))


def contact_sheet(labeler: Labeler, images: Images, labels: Labels) -> bytes:
    """Images beside their labels, as a PNG."""
    pairs = np.stack([images, labeler.task.drawing.draw(images, labels)], 1)
    return png(tile(pairs.reshape(-1, *images.shape[1:]), 8))
