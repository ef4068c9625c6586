"""Strong augmentation of labelled batches.

One affine map for image and label, one matrix for all of colour, a little blur and noise.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.geometry.affine import moved_maps
from handsoff.learning.data import Batch
from handsoff.tasks.base import Task

TURN, ZOOM, SHIFT = 0.3, 0.25, 0.15  # ± radians (17°), ± log scale, ± half sides
BRIGHTNESS, CONTRAST, HUE = 0.2, 0.3, 0.15  # ± of the half range, ± relative, ± radians around the grey axis
SATURATION = (0.3, 1.3)
GREYSCALE = 0.1  # share of images
BLUR, NOISE = 0.6, 0.05  # strongest mix with the 3×3 mean; strongest standard deviation

Images = Float[Tensor, "n 3 h w"]


def photometric(images: Images, stream: torch.Generator) -> Images:
    """Other colours, sharpness and grain for every image; what it shows stays where it is."""
    return blur_and_noise(color_jitter(images, stream), stream)


def uniform(count: int, low: float, high: float, stream: torch.Generator) -> Float[Tensor, "n"]:
    return torch.rand(count, generator=stream) * (high - low) + low


def random_affine(
    count: int, frame: tuple[int, int], stream: torch.Generator, *, mirrors: bool = True
) -> tuple[Float[Tensor, "n 2 3"], Bool[Tensor, "n"]]:
    """Rotation, scale, shift and flip as `affine_grid` wants them; which samples are flipped. Pixels stay square."""
    angle, zoom = uniform(count, -TURN, TURN, stream), uniform(count, -ZOOM, ZOOM, stream).exp()
    shift_x, shift_y = uniform(count, -SHIFT, SHIFT, stream), uniform(count, -SHIFT, SHIFT, stream)
    flipped = (torch.rand(count, generator=stream) < 0.5) & mirrors  # noqa: PLR2004  # half of them
    sign, aspect = torch.where(flipped, -1.0, 1.0), frame[0] / frame[1]
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [torch.stack([sign * cos, -sin * aspect, shift_x], 1), torch.stack([sign * sin / aspect, cos, shift_y], 1)]
    return torch.stack(rows, 1), flipped


def affine(batch: Batch, task: Task, stream: torch.Generator) -> Batch:
    """The same random affine map for a sample's image, label and weights, drawn from `stream`.

    Images are bilinear and reflected at the border. Where no pixel of the image was, the label says "unknown" and the
    weight is 0.
    """
    images = batch.images
    frame = (images.shape[2], images.shape[3])
    theta, flipped = random_affine(len(images), frame, stream, mirrors=task.geometry.mirrors)
    labels = task.geometry.move(batch.labels, theta, flipped, frame)
    weights = None if batch.weights is None else moved_maps(batch.weights, theta, 0)
    return replace(batch, images=moved_images(images, theta), labels=labels, weights=weights)


def moved_images(images: Images, theta: Float[Tensor, "n 2 3"]) -> Images:
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def color_jitter(images: Images, stream: torch.Generator) -> Images:
    """Brightness, contrast, saturation, hue and greyscale: all linear in the colour, so one matrix per image."""
    count = len(images)
    grey = torch.full((3, 3), 1 / 3)
    turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    hue, saturation = uniform(count, -HUE, HUE, stream)[:, None, None], uniform(count, *SATURATION, stream)
    saturation = torch.where(torch.rand(count, generator=stream) < GREYSCALE, 0.0, saturation)[:, None, None]
    chroma = hue.cos() * (torch.eye(3) - grey) + hue.sin() * turn  # Rodrigues, less the fixed part
    matrix = (grey + saturation * chroma) * uniform(count, 1 - CONTRAST, 1 + CONTRAST, stream)[:, None, None]
    offset = uniform(count, -BRIGHTNESS, BRIGHTNESS, stream)[:, None, None]
    return torch.baddbmm(offset.to(images.device), matrix.to(images.device), images.flatten(2)).view_as(images)


def blur_and_noise(images: Images, stream: torch.Generator) -> Images:
    """Blur half of the images a little, add noise to half: photos differ in sharpness, generated ones lack grain."""
    count = len(images)
    blur, noise = (
        uniform(count, -top, top, stream).clamp_min(0)[:, None, None, None].to(images.device) for top in (BLUR, NOISE)
    )
    grain = torch.randn(images.shape, generator=stream).to(images.device)
    mean = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return images.lerp(mean, blur).addcmul_(grain, noise)
