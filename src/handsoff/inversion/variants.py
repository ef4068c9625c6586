"""Slightly different views of a labelled photo, so that a few photos give more codes."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.learning.augment import moved_images
from handsoff.tasks.base import Labels, Task


def moved(
    images: Float[Tensor, "n 3 h w"], labels: Mapping[str, Labels], tasks: Mapping[str, Task], seed: int
) -> tuple[Float[Tensor, "n 3 h w"], dict[str, Labels]]:
    """Turn by up to 6°, zoom by up to 8 %, shift by up to 4 %; every second one mirrored if all tasks can be; labels move along."""
    count, frame = len(images), (images.shape[2], images.shape[3])
    uniform = torch.rand(4, count, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    angle, zoom = uniform[0] * 0.105, (uniform[1] * 0.08).exp()
    flipped = (torch.arange(count) % 2 == seed % 2) & all(task.geometry.mirrors for task in tasks.values())
    flip, aspect = torch.where(flipped, -1.0, 1.0), frame[0] / frame[1]
    cos, sin, shift = zoom * angle.cos(), zoom * angle.sin(), uniform[2:] * 0.08
    rows = [torch.stack([flip * cos, -sin * aspect, shift[0]], 1), torch.stack([flip * sin / aspect, cos, shift[1]], 1)]
    theta = torch.stack(rows, 1)
    return moved_images(images, theta), {
        name: tasks[name].geometry.move(label, theta, flipped, frame) for name, label in labels.items()
    }
