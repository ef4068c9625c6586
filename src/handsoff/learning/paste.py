"""Copy-paste (Ghiasi et al. 2021, arXiv 2012.07177): rare parts of labelled images over other samples of a batch.

A part is pasted where it is in its own image or in the mirror image of that. Image and label are moved afterwards.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.images import to_float
from handsoff.learning.data import FULL, Batch, LabelledArrays, Pool
from handsoff.tasks.base import Labels, Task

RARE = 0.5  # a part is rare if fewer of the labelled images show it


@dataclass(frozen=True)
class Donors:
    """Images that people labelled, by the rare parts that they show.

    Attributes:
        pool: the images.
        places: part, by its place in `Task.parts` → those that show it.
    """

    pool: LabelledArrays
    places: dict[int, Int64[np.ndarray, " _m"]]


def check_paste(share: float, tasks: Collection[Task]) -> None:
    """Refuse to paste where no labels have regions that can be cut out of an image: masks have, points and depth not.

    Raises:
        InputError: a share of the images is to get such parts, and these tasks have none.
    """
    if share and all(task.geometry.region(np.zeros((0, 1, 1), np.uint8), 0) is None for task in tasks):
        named = " and ".join(task.name for task in tasks)
        raise InputError(f"paste is about the classes of masks, not about {named}: leave it out.")


def find_donors(task: Task, pools: Sequence[Pool]) -> Donors | None:
    """Those of the first pool that people labelled; None where there is none, or nothing in it is rare."""
    people = (pool for pool in pools if isinstance(pool, LabelledArrays) and not np.any(pool.pseudo))
    pool = next(people, None)
    if pool is None:
        return None
    places: dict[int, Int64[np.ndarray, " _m"]] = {}
    for part, name in enumerate(task.parts):
        region = task.geometry.region(pool.labels, part)
        if region is not None and name != task.background:
            shown = np.flatnonzero(region.any((1, 2)))
            places |= {part: shown} if 0 < len(shown) < RARE * len(pool) else {}
    return Donors(pool, places) if places else None


def paste(
    batch: Batch, task: Task, donors: Donors | None, share: float, stream: torch.Generator, *, human: bool = False
) -> Batch:
    """Paste a rare part over some samples: any of the parts, from any image that shows it, half of them mirrored.

    Args:
        batch: as it was drawn.
        task: whose parts they are.
        donors: None: nothing is pasted.
        share: of the samples that get a part.
        stream: draws which, what, and whose.
        human: only over samples that people labelled: the labels of the others are made anew.
    """
    if donors is None:
        return batch
    count = batch.human if human else len(batch.images)
    chosen = np.flatnonzero(torch.rand(count, generator=stream).numpy() < share)
    if not len(chosen):
        return batch
    images, labels, inside = cut_out(donors, task, len(chosen), stream)
    pixels, values = batch.images.clone(), batch.labels.copy()
    pixels[chosen] = torch.where(torch.from_numpy(inside)[:, None], images, pixels[chosen])
    values[chosen] = np.where(inside, labels, values[chosen])
    weights = batch.weights
    if weights is not None:
        weights = weights.copy()
        weights[chosen] = np.where(inside, np.uint8(FULL), weights[chosen])
    return replace(batch, images=pixels, labels=values, weights=weights)


def cut_out(
    donors: Donors, task: Task, count: int, stream: torch.Generator
) -> tuple[Float[Tensor, "n 3 h w"], Labels, Bool[np.ndarray, "n h w"]]:
    """So many images with their labels, half of them mirrored, and where the part is that is to be pasted."""
    parts = [*donors.places]
    drawn = [parts[drawn_number(len(parts), stream)] for _ in range(count)]
    rows = [donors.places[part][drawn_number(len(donors.places[part]), stream)] for part in drawn]
    found = donors.pool.take(np.array(rows))
    regions = [task.geometry.region(found.labels[row : row + 1], part) for row, part in enumerate(drawn)]
    inside = np.concatenate([region for region in regions if region is not None])
    images = to_float(found.images)
    flipped = (torch.rand(count, generator=stream) < 0.5) & task.geometry.mirrors  # noqa: PLR2004  # half of them
    theta = torch.eye(2, 3).repeat(count, 1, 1)
    theta[flipped, 0, 0] = -1
    labels = task.geometry.move(found.labels, theta, flipped, (images.shape[2], images.shape[3]))
    mirrored = flipped.numpy()
    inside[mirrored] = inside[mirrored, :, ::-1]
    images[flipped] = images[flipped].flip(-1)
    return images, labels, inside


def drawn_number(below: int, stream: torch.Generator) -> int:
    return int(torch.randint(below, (1,), generator=stream))
