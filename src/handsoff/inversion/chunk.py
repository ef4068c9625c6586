"""One chunk of an inversion: photos that are refined together. Chunks are independent, so any engine may do them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import UInt8

from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.errors import InputError
from handsoff.core.files import refuse_unwritable, sha256
from handsoff.core.images import to_float
from handsoff.core.tensors import write_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.engines.once import Once
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.stored import generator_hash, load_generator
from handsoff.inversion.encoder import ENCODER, Encoder, load_encoder, starting_point
from handsoff.inversion.latent_space import measure_latent_space, require_w_space
from handsoff.inversion.refine import Target, refine
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.folder import Plan, refuse_changed

MIN_LABELLED = 4
CHUNKS = "chunks"  # a file for each, until the results are written


@dataclass(frozen=True)
class Chunk:
    """Photos `start` to `stop` - 1, a shard of the work."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"photos {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class Context:
    """What all chunks share.

    Attributes:
        plan: with the fingerprints of the inputs, so that nothing is taken for the same that is not.
    """

    generator: Path
    labelled: Path
    out: Path
    settings: InvertSettings
    plan: Plan


@dataclass(frozen=True)
class Workplace:
    """What a worker loads once."""

    target: Target
    encoder: Encoder | None
    photos: UInt8[Any, "n h w 3"]


def chunks_of(count: int, together: int) -> Iterator[Chunk]:
    for start in range(0, count, together):
        yield Chunk(start, min(start + together, count))


def refine_chunk(chunk: Chunk, context: Context) -> Path:
    """Refine the photos of a chunk unless that is done; the file of what was found."""
    file = context.out / CHUNKS / f"{chunk.start:06d}.safetensors"
    if not is_whole(file):
        here = load(context)
        images = to_float(here.photos[chunk.start : chunk.stop]).to(here.target.generator.device)
        start = starting_point(here.target, here.encoder, images)
        write_tensors(file, refine(here.target, images, start, context.settings).tensors(), sealed=True)
    return file


def read(context: Context) -> Workplace:
    """What a worker needs, as it was when the work began.

    Raises:
        MismatchError: the generator, the photos or the encoder have been changed since.
    """
    begun = {name: source["fingerprint"] for name, source in context.plan.inputs.items()}
    refuse_changed(context.generator, begun["generator"], generator_hash(context.generator))
    chosen = chosen_samples(context.labelled, context.settings)
    refuse_changed(context.labelled, begun["labelled"], chosen.describe()["fingerprint"])
    if context.settings.encoder_steps and context.settings.encoder is not None:
        lent = Path(context.settings.encoder)
        refuse_changed(lent, begun["encoder"], sha256(lent / ENCODER))
    net = require_w_space(load_generator(context.generator), str(context.generator))
    photos = chosen.load(net.image_size, net.framing)[0]
    return Workplace(target_of(net), encoder_of(net, context), photos)


load = Once(read)


def target_of(net: StyleGenerator) -> Target:
    """What is searched in, and what images are compared with."""
    return Target(net, measure_latent_space(net), Perceptual(frozen_lite0(), net.image_size))


def encoder_of(net: StyleGenerator, context: Context) -> Encoder | None:
    """The encoder that was trained or given, where one is wanted."""
    settings = context.settings
    if not settings.encoder_steps:
        return None
    return load_encoder(net, context.out if settings.encoder is None else Path(settings.encoder))


def chosen_samples(labelled: Path, settings: InvertSettings) -> LabelledDataset:
    """The samples that the settings choose, no image read yet.

    Raises:
        InputError: there are no usable labels, or fewer than four.
    """
    data = open_labelled(labelled, settings.labels, settings.tasks)
    data = data.part(settings.skip, None if settings.first is None else settings.skip + settings.first)
    if len(data.names) < MIN_LABELLED:
        raise InputError(
            f"{labelled} gives {len(data.names)} labelled images: at least {MIN_LABELLED} are needed, label some more."
        )
    refuse_unwritable((f"{name}.png" for name in data.names), str(labelled))
    return data
