"""Refinement of latents by optimisation: perceptual and pixel loss, held where the generator's own samples are."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import mixed_precision
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import Latents
from handsoff.inversion.latent_space import LatentSpace
from handsoff.inversion.settings import InvertSettings


@dataclass(frozen=True)
class Inversion:
    """Latents of a batch of photos and how well they rebuild them.

    Attributes:
        ws: latents in W+.
        rebuilt: the reconstructions, [-1, 1].
        pixel: mean squared error per photo, in [-1, 1] units.
        perceptual: perceptual distance per photo, see `backbones.perceptual`.
        prior: mean squared whitened coordinate per photo, 1 for the generator's own samples.
        error: absolute error per pixel, mean over the colours, [0, 2].
    """

    ws: Float[Tensor, "n l d"]
    rebuilt: Float[Tensor, "n 3 h w"]
    pixel: Float[Tensor, " n"]
    perceptual: Float[Tensor, " n"]
    prior: Float[Tensor, " n"]
    error: Float[Tensor, "n h w"]


@dataclass(frozen=True)
class Target:
    """What inversion searches in, and what it compares images with: the same for all photos."""

    generator: StyleGenerator
    space: LatentSpace
    perceptual: Perceptual

    def rebuild(self, y: Float[Tensor, "n l d"]) -> Float[Tensor, "n 3 h w"]:
        """Images of whitened latents, in about [-1, 1]."""
        return self.generator.synthesize(Latents({"ws": self.space.unwhiten(y)}))


def refine(
    target: Target, images: Float[Tensor, "n 3 h w"], start: Float[Tensor, "n l d"], settings: InvertSettings
) -> Inversion:
    """Adam on the whitened latents y from `start`, the step size falling to zero over the last 40 %.

    Minimises perceptual + pixel·MSE + prior·‖y‖²/d per photo; photos of a batch do not influence each other.
    """
    y = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([y], settings.lr)
    with torch.no_grad(), mixed_precision():
        features = target.perceptual.features(images)
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.lr * min(1.0, (settings.steps - step) / (settings.steps * 0.4))
        with mixed_precision():
            rebuilt = target.rebuild(y)
            perceptual = target.perceptual.distance(rebuilt, features)
        pixel = settings.pixel * (rebuilt - images).square().mean((1, 2, 3))
        prior = settings.prior * y.square().mean((1, 2))
        optimizer.zero_grad(set_to_none=True)
        (perceptual + pixel + prior).sum().backward()
        optimizer.step()
    return measure(target, images, y.detach())


@torch.no_grad()
def measure(target: Target, images: Float[Tensor, "n 3 h w"], y: Float[Tensor, "n l d"]) -> Inversion:
    """Rebuild and compare."""
    with mixed_precision():
        ws = target.space.unwhiten(y)
        rebuilt = target.generator.synthesize(Latents({"ws": ws})).float().clamp(-1, 1)
        perceptual = target.perceptual.distance(rebuilt, target.perceptual.features(images))
    difference = rebuilt - images
    pixel, error = difference.square().mean((1, 2, 3)), difference.abs().mean(1)
    return Inversion(ws, rebuilt, pixel, perceptual, y.square().mean((1, 2)), error)
