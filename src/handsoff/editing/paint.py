"""Latents that follow an edited mask (EditGAN, Ling et al. 2021, arXiv 2111.03186, section 3.3).

Minimised over δ, in whitened coordinates of w (`inversion.latent_space`), from δ = 0:

    cross-entropy of the labeler inside of the region, mean over its pixels
    + outside · (10 · perceptual distance + 5 · mean squared error) of the image outside of it + pull · mean(δ²)
"""

from collections.abc import Generator as Steps
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import mixed_precision
from handsoff.core.errors import InputError
from handsoff.editing.settings import PaintSettings
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import Latents
from handsoff.inversion.latent_space import LatentSpace, measure_latent_space
from handsoff.jobs.progress import Progress, run_to_end
from handsoff.labeling.labeler import Labeler
from handsoff.sampling.edits import WS

PERCEPTUAL, PIXEL = 10.0, 5.0  # weights within what changes outside of the region
MARGIN = 1 / 32  # of the image's shorter side: by so much a region is widened, at least by a pixel
MASK = "mask"  # the editor of tasks whose labels can be painted
PLAIN = PaintSettings()

Masks = UInt8[np.ndarray, "n h w"]
Regions = Bool[np.ndarray, "n h w"]


@dataclass(frozen=True)
class Canvas:
    """A labeler whose samples can be painted on, and what edits are measured by."""

    labeler: Labeler
    generator: StyleGenerator
    space: LatentSpace
    perceptual: Perceptual


def open_canvas(labeler: Labeler) -> Canvas:
    """What painting needs besides the labeler.

    Raises:
        InputError: its labels are no masks, or its generator has no w space.
    """
    if labeler.task.drawing.editor != MASK:
        raise InputError(f"Labels for {labeler.task.name} are no masks, so images cannot be edited by them.")
    net = labeler.generator
    if not isinstance(net, StyleGenerator):
        raise InputError("The generator has no w space, so its images cannot be edited by their masks.")
    return Canvas(labeler, net, measure_latent_space(net), Perceptual(frozen_lite0(), net.image_size))


def paint(
    labeler: Labeler,
    latents: Latents,
    mask: UInt8[np.ndarray, "h w"],
    region: Bool[np.ndarray, "h w"] | None = None,
    settings: PaintSettings = PLAIN,
) -> tuple[Latents, UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """One sample after somebody painted its mask.

    Args:
        labeler: says what an image shows.
        latents: of the sample.
        mask: as it is to be, ids of the labeler's classes, 255 where anything will do.
        region: where the image may change; without it, where the mask differs from the labeler's own. It is widened.
        settings: how far and how fast.

    Returns:
        The edited latents, their image, and the label that the labeler gives it, which need not be the painted one.

    Raises:
        InputError: labels of this kind cannot be painted, the generator has no w space, or the mask changes nothing.
    """
    canvas = open_canvas(labeler)
    if mask.shape != labeler.size or (region is not None and region.shape != labeler.size):
        height, width = labeler.size
        raise InputError(f"The painted mask is no map of {height}x{width} pixels, as the image is.")
    where = labeler.label(latents)[1][0] != mask if region is None else region
    if not where.any():
        raise InputError("The painted mask is that of the sample: paint something else.")
    delta = run_to_end(follow(canvas, latents, mask[None], where[None], settings))
    after = moved(latents, delta)
    images, labels, _ = labeler.label(after)
    return after, images[0], labels[0]


def moved(latents: Latents, delta: Float[Tensor, "n l d"]) -> Latents:
    """The latents after an edit was added to their ws."""
    ws = latents.tensors[WS]
    return Latents({**latents.tensors, WS: ws + delta.to(ws)}, latents.condition)


def follow(
    canvas: Canvas, latents: Latents, masks: Masks, regions: Regions, settings: PaintSettings, stage: str = "editing"
) -> Steps[Progress, None, Float[Tensor, "n l d"]]:
    """Edits δw+ that make samples show other masks: first the wanted ones, then those that the labeler sees.

    Args:
        canvas: the labeler.
        latents: of N samples, which do not influence each other.
        masks: as they are to be.
        regions: where the images may change; they are widened by `MARGIN`.
        settings: how far and how fast.
        stage: what the progress is called.
    """
    labeler = canvas.labeler
    latents = latents.to(labeler.device)
    inside = widened(regions).to(labeler.device)
    total = settings.steps + settings.refine_steps
    delta = torch.zeros_like(latents.tensors[WS])
    delta = yield from descend(canvas, latents, masks, inside, delta, settings, (0, settings.steps, total), stage)
    if settings.refine_steps:
        seen = labeler.label(moved(latents, delta @ canvas.space.unwhitening))[1]
        seen = np.where(inside.cpu().numpy(), seen, masks)
        delta = yield from descend(
            canvas, latents, seen, inside, delta, settings, (settings.steps, total, total), stage
        )
    return delta @ canvas.space.unwhitening


def descend(  # noqa: PLR0913, PLR0917  # what is minimised, from where, and how far
    canvas: Canvas,
    latents: Latents,
    masks: Masks,
    inside: Bool[Tensor, "n h w"],
    start: Float[Tensor, "n l d"],
    settings: PaintSettings,
    steps: tuple[int, int, int],
    stage: str,
) -> Steps[Progress, None, Float[Tensor, "n l d"]]:
    """Adam on the whitened edit from `start`; `steps` are the first, the end and the total of the progress."""
    labeler, learning = canvas.labeler, canvas.labeler.task.learning
    target = learning.encode(masks, labeler.size).to(labeler.device)
    delta = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([delta], settings.lr)
    with torch.no_grad(), mixed_precision():
        before = canvas.generator.synthesize(latents).float()
        features = canvas.perceptual.features(before)
    weights = inside / inside.sum((1, 2), keepdim=True).clamp_min(1)
    for step in range(*steps[:2]):
        images, members, shares = labeler.read(moved(latents, delta @ canvas.space.unwhitening))
        losses = torch.stack([learning.loss(outputs, target) for outputs in members])
        follows = (torch.einsum("m,mnhw->nhw", shares, losses) * weights).sum((1, 2))
        kept = torch.where(inside[:, None], before, images)  # inside of the region nothing differs
        with mixed_precision():
            distance = canvas.perceptual.distance(kept, features)
        change = PERCEPTUAL * distance + PIXEL * (kept - before).square().mean((1, 2, 3))
        loss = (follows + settings.outside * change + settings.pull * delta.square().mean((1, 2))).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        note = f"cross-entropy {float(follows.mean().detach()):.3f}, change outside {float(change.mean().detach()):.4f}"
        yield Progress(stage, step + 1, steps[2], note)
    return delta.detach()


def widened(regions: Regions) -> Bool[Tensor, "n h w"]:
    """The regions and all that lies within a few pixels of them."""
    margin = max(1, round(min(regions.shape[1:]) * MARGIN))
    return F.max_pool2d(torch.from_numpy(regions)[:, None].float(), 2 * margin + 1, 1, margin)[:, 0] > 0
