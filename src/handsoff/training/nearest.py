"""Whether a generator repeats its photos: the nearest training photos of its samples, mirrored ones included.

Images are compared as 16×16 means of their colours, and nearness is told as a share of how far training photos are from
each other. A sample at less than half of that is called a copy. Copies that are blurred, noisy, slightly warped or
moved by a pixel stay below; photos that a generator never saw do not. Lite0's features tell copies worse: a little
noise or blur moves them as far as another photo.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.images import tile, to_float
from handsoff.generators.nearness import Nearness

CELLS = 16  # along a side of what is compared
COPY = 0.5  # of the photos' spacing: a sample that is nearer to a photo is a copy of it
SAME = 4 / 127.5 * (3 * CELLS**2) ** 0.5  # two photos that differ by 4 grey levels (RMS) are one that is there twice
SAMPLED = 2_000  # photos that the spacing is the median of
PICTURED, COLUMNS = 24, 4  # pairs of a sample and its nearest photo in the picture
ROWS = 250  # images that are compared at once

Cells = Float[Tensor, "_n 768"]


@dataclass(frozen=True)
class Nearest:
    """The nearest photo of every sample.

    Attributes:
        distances: to it.
        photos: its index.
        mirrored: whether it is nearer when it is flipped left to right.
    """

    distances: Float[Tensor, " n"]
    photos: Int64[Tensor, " n"]
    mirrored: Bool[Tensor, " n"]


class Neighbours:
    """Training photos, to look up which of them is nearest to a sample.

    Attributes:
        spacing: how far a photo usually is from the nearest other one; 0 where there is no other.
    """

    def __init__(self, photos: UInt8[np.ndarray, "n h w 3"]) -> None:
        self.photos = photos
        batches = (to_float(np.array(photos[start : start + ROWS])) for start in range(0, len(photos), ROWS))
        self.cells = torch.cat([cells(images) for images in batches])
        looked_at = torch.from_numpy(np.random.default_rng(0).permutation(len(photos))[:SAMPLED])
        found = self.nearest(self.cells[looked_at], looked_at).distances if len(photos) > 1 else torch.zeros(0)
        apart = found[found > SAME]
        self.spacing = float(apart.median()) if len(apart) else 0.0

    def nearest(self, samples: Cells, themselves: Int64[Tensor, " n"] | None = None) -> Nearest:
        """The nearest photo of each sample; of photos, given by their index, the nearest other one."""
        parts = []
        for start in range(0, len(samples), ROWS):
            some = samples[start : start + ROWS]
            apart = torch.stack([torch.cdist(some, self.cells), torch.cdist(flipped(some), self.cells)])
            if themselves is not None:
                apart[:, torch.arange(len(some)), themselves[start : start + ROWS]] = torch.inf
            nearer, which = apart.min(0)
            distances, photos = nearer.min(1)
            parts.append((distances, photos, which[torch.arange(len(some)), photos] == 1))
        distances, photos, mirrored = (torch.cat(values) for values in zip(*parts, strict=True))
        return Nearest(distances, photos, mirrored)

    def nearness(self, found: Nearest) -> Nearness | None:
        """What is said of samples, by what is nearest to them.

        None where photos cannot be told apart: there is but one, or all are alike.
        """
        if not self.spacing:
            return None
        ratios = found.distances / self.spacing
        return Nearness(len(ratios), len(self.photos), float(ratios.median()), int((ratios < COPY).sum()))

    def picture(
        self, found: Nearest, draw: Callable[[list[int]], UInt8[np.ndarray, "m h w 3"]]
    ) -> UInt8[np.ndarray, "_gh _gw 3"]:
        """The samples that come nearest to a photo, the nearest first, each with that photo to its right.

        Args:
            found: what is nearest to all samples.
            draw: indices of samples → their images.
        """
        order = found.distances.argsort(stable=True)[:PICTURED].tolist()
        pairs = []
        for index, image in zip(order, draw(order), strict=True):
            photo = self.photos[int(found.photos[index])]
            pairs += [image, photo[:, ::-1] if found.mirrored[index] else photo]
        return tile(np.stack(pairs), 2 * COLUMNS)


def cells(images: Float[Tensor, "_n 3 h w"]) -> Cells:
    """The mean colours of a 16×16 grid."""
    return F.adaptive_avg_pool2d(images.float(), CELLS).flatten(1).cpu()


def flipped(found: Cells) -> Cells:
    """The cells of the mirrored images."""
    return found.view(-1, 3, CELLS, CELLS).flip(3).flatten(1)


def watched(images: Iterable[Float[Tensor, "_n 3 h w"]], found: list[Tensor]) -> Iterable[Float[Tensor, "_n 3 h w"]]:
    """The same batches of images; their cells are added to `found` as they go by."""
    for batch in images:
        found.append(cells(batch))
        yield batch
