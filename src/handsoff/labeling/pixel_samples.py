"""The pixels that the pixel classifiers are trained on: their hypercolumns are read once and kept in half precision.

Up to 4,096 pixels of every image. At 64 px these are all of them; at 1024 px, 50 images take 2 GB where their whole
hypercolumns would take 580.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from handsoff.core.device import fast_dtype, mixed_precision
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.jobs.progress import Progress
from handsoff.labeling.examples import TrainingData
from handsoff.labeling.features import JoinedFeatures
from handsoff.labeling.hypercolumn import Features, pixel_places, sample

HALF = float(np.finfo(np.float16).max)
KEPT = {torch.float32: torch.float16}  # what features are computed in → kept in, where that is not the same
PIXELS = 4096  # kept of every image
TOGETHER = 2**16  # pixels of images whose features are read at once: the working set stays small


@dataclass(frozen=True)
class PixelSamples:
    """P pixels of each of N images.

    Attributes:
        hypercolumns: what is read there.
        target: what `task.learning.loss` compares with.
        weights: how likely each pixel is drawn in training.
    """

    hypercolumns: Float[Tensor, "n p c"]
    target: Shaped[Tensor, "n p ..."]
    weights: Float[Tensor, "n p"]

    def __len__(self) -> int:
        return len(self.hypercolumns)

    @property
    def device(self) -> torch.device:
        return self.hypercolumns.device


def read_pixel_samples(
    extractor: JoinedFeatures, data: TrainingData, balance: float, seed: int
) -> Generator[Progress, None, PixelSamples]:
    """Choose the pixels and read their hypercolumns; `balance` is the power of `task.learning.sampling_weights`."""
    size, device, learning = extractor.generator.image_size, extractor.generator.device, data.task.learning
    places, weights = choose(learning.sampling_weights(data.labels, size, balance), seed)
    dtype = KEPT.get(fast_dtype(), fast_dtype())
    hypercolumns = torch.empty(*places.shape, extractor.channels, dtype=dtype, device=device)
    targets = []
    batch = max(1, TOGETHER // (size[0] * size[1]))
    for start in range(0, len(data), batch):
        part = slice(start, start + batch)
        maps = features_of(extractor, data, part)
        hypercolumns[part] = sample(maps, centres(places[part], size).to(device)).clamp(-HALF, HALF)
        targets += [
            picked(learning.encode(data.labels[index : index + 1], size), places[index : index + 1])
            for index in range(len(data))[part]
        ]
        yield Progress("reading features", min(start + batch, len(data)), len(data))
    return PixelSamples(hypercolumns, torch.cat(targets).to(device), weights)


@torch.no_grad()
def features_of(extractor: JoinedFeatures, data: TrainingData, part: slice | list[int]) -> Features:
    """Feature maps of some of the examples: from latents where the extractor needs them, else from the images."""
    device = extractor.generator.device
    with mixed_precision():
        if data.latents is not None:
            return extractor.from_latents(data.latents[part].to(device))[1]
        return extractor.from_images(to_float(data.images[part]).to(device))


def choose(weights: Float[Tensor, "n a"], seed: int) -> tuple[Int64[Tensor, "n p"], Float[Tensor, "n p"]]:
    """Which pixels of every image are kept, and how likely each of those is drawn.

    Of more than `PIXELS` those are kept that come first in priority sampling (Duffield et al. 2007): drawing from them
    by the weights returned is, on average, drawing from all.
    """
    count, pixels = weights.shape
    if pixels <= PIXELS:
        return torch.arange(pixels).expand(count, -1), weights
    stream = torch.Generator().manual_seed(seed)
    places, kept = zip(*(first_by_weight(row, torch.rand(pixels, generator=stream)) for row in weights), strict=True)
    return torch.stack(places), torch.stack(kept)


def first_by_weight(
    weights: Float[Tensor, " a"], chance: Float[Tensor, " a"]
) -> tuple[Int64[Tensor, " p"], Float[Tensor, " p"]]:
    """The `PIXELS` of one image with the highest weight / chance, and what each of them weighs then."""
    top = (weights / chance.clamp_min(1e-12)).topk(PIXELS + 1)
    places = top.indices[:-1]
    kept = weights[places]
    return places, torch.where(kept > 0, kept.clamp_min(top.values[-1]), 0.0)


def centres(places: Int64[Tensor, "n p"], size: Frame) -> Float[Tensor, "n p 2"]:
    """Numbers of pixels, row by row → their centres in the coordinates of `hypercolumn.sample`."""
    return pixel_places(places // size[1], places % size[1], size)


def picked(maps: Shaped[Tensor, "n h w ..."], places: Int64[Tensor, "n p"]) -> Shaped[Tensor, "n p ..."]:
    return maps.flatten(1, 2)[torch.arange(len(maps))[:, None], places]
