"""The pixels that a label generator is fitted to: their hypercolumns are read once and kept in half precision.

Up to 4,096 pixels of every photo. At 64 px these are all of them; at 1024 px, 50 photos take 2 GB where their whole
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
from handsoff.jobs.progress import Progress
from handsoff.labeling.features import Reader
from handsoff.labeling.hypercolumn import pixel_places, sample
from handsoff.tasks.base import Labels, Task

HALF = float(np.finfo(np.float16).max)
KEPT = {
    torch.float32: torch.float16
}  # what features are computed in → what they are kept in, where that is not the same
PIXELS = 4096  # kept of every photo
TOGETHER = 2**16  # pixels of images read at once: the working set stays small


@dataclass(frozen=True)
class Pool:
    """P pixels of each of N photos.

    Attributes:
        columns: their hypercolumns.
        target: what `task.learning.loss` compares with.
        trust: how much each counts.
        weights: how likely each is drawn.
    """

    columns: Float[Tensor, "n p c"]
    target: Shaped[Tensor, "n p ..."]
    trust: Float[Tensor, "n p"]
    weights: Float[Tensor, "n p"]

    def __len__(self) -> int:
        return len(self.columns)


def gather(
    reader: Reader,
    ws: Float[Tensor, "n l d"],
    labels: Labels,
    trust: Float[Tensor, "n h w"],
    task: Task,
    balance: float,
    seed: int,
) -> Generator[Progress, None, Pool]:
    """Choose the pixels and read them; `balance` as in `task.learning.sampling_weights`."""
    size = reader.generator.resolution
    places, weights = choose(task.learning.sampling_weights(labels, size, balance), seed)
    columns = torch.empty(*places.shape, reader.channels, dtype=KEPT.get(fast_dtype(), fast_dtype()), device=ws.device)
    targets = []
    batch = max(1, TOGETHER // (size[0] * size[1]))
    for start in range(0, len(ws), batch):
        part = slice(start, start + batch)
        with torch.no_grad(), mixed_precision():
            blocks = reader.read(ws[part])[1]
        columns[part] = sample(blocks, at(places[part], size).to(ws.device)).clamp(-HALF, HALF)
        targets += [
            picked(task.learning.encode(labels[index : index + 1], size), places[index : index + 1])
            for index in range(len(ws))[part]
        ]
        yield Progress("reading the codes' features", min(start + batch, len(ws)), len(ws))
    kept_trust = trust.flatten(1).gather(1, places.to(trust.device))
    return Pool(columns, torch.cat(targets).to(ws.device), kept_trust, weights)


def choose(chances: Float[Tensor, "n a"], seed: int) -> tuple[Int64[Tensor, "n p"], Float[Tensor, "n p"]]:
    """Which pixels of every image are kept, and how likely each is drawn of those."""
    count, pixels = chances.shape
    if pixels <= PIXELS:
        return torch.arange(pixels).expand(count, -1), chances
    stream = torch.Generator().manual_seed(seed)
    places = torch.multinomial(chances + chances.amax(1, keepdim=True) * 1e-9, PIXELS, generator=stream)
    return places, (chances.gather(1, places) > 0).float()


def at(places: Int64[Tensor, "n p"], size: Frame) -> Float[Tensor, "n p 2"]:
    return pixel_places(places // size[1], places % size[1], size)


def picked(maps: Shaped[Tensor, "n h w ..."], places: Int64[Tensor, "n p"]) -> Shaped[Tensor, "n p ..."]:
    return maps.flatten(1, 2)[torch.arange(len(maps))[:, None], places]
