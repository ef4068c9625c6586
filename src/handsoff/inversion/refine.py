"""Refinement of codes by optimisation: perceptual and pixel loss, held where the generator's own samples live."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import mixed_precision
from handsoff.generators.stylegan2 import StyleGAN2 as Generator
from handsoff.inversion.encoder import LatentSpace
from handsoff.inversion.settings import InvertSettings


@dataclass(frozen=True)
class Inversion:
    """Codes of a batch of photos and how well they rebuild them.

    Attributes:
        ws: codes in W+.
        rebuilt: the reconstructions, [-1, 1].
        pixel: mean squared error per photo, in [-1, 1] units; perceptual, prior: likewise, the other two terms.
        error: absolute error per pixel, mean over the colours, [0, 2].
    """

    ws: Float[Tensor, "n l d"]
    rebuilt: Float[Tensor, "n 3 h w"]
    pixel: Float[Tensor, " n"]
    perceptual: Float[Tensor, " n"]
    prior: Float[Tensor, " n"]
    error: Float[Tensor, "n h w"]


def refine(
    generator: Generator,
    images: Float[Tensor, "n 3 h w"],
    start: Float[Tensor, "n l d"],
    perceptual: Perceptual,
    space: LatentSpace,
    settings: InvertSettings,
) -> Inversion:
    """Adam on the standardised codes from `start` (standardised), the step size falling to zero over the last 40 %.

    Minimises perceptual + pixel·MSE + prior·‖y‖²/d per photo; photos of a batch do not influence each other.
    """
    y = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([y], settings.lr)
    with torch.no_grad(), mixed_precision():
        target = perceptual.features(images)
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.lr * min(1.0, (settings.steps - step) / (settings.steps * 0.4))
        with mixed_precision():
            rebuilt = generator.synthesis(space.to_w(y))[0]
            look = perceptual.distance(rebuilt, target)
        loss = (
            look
            + settings.pixel * (rebuilt - images).square().mean((1, 2, 3))
            + settings.prior * y.square().mean((1, 2))
        )
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
    return measure(generator, images, y.detach(), perceptual, space)


@torch.no_grad()
def measure(
    generator: Generator,
    images: Float[Tensor, "n 3 h w"],
    y: Float[Tensor, "n l d"],
    perceptual: Perceptual,
    space: LatentSpace,
) -> Inversion:
    """Rebuild and compare."""
    with mixed_precision():
        ws = space.to_w(y)
        rebuilt = generator.synthesis(ws)[0].float().clamp(-1, 1)
        look = perceptual.distance(rebuilt, perceptual.features(images))
    difference = rebuilt - images
    return Inversion(
        ws, rebuilt, difference.square().mean((1, 2, 3)), look, y.square().mean((1, 2)), difference.abs().mean(1)
    )
