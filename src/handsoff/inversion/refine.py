"""Refinement of latents by optimisation: perceptual and pixel loss, held where the generator's own samples are."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import mixed_precision
from handsoff.core.errors import InputError
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import RESIDUAL, Latents
from handsoff.inversion.latent_space import LatentSpace
from handsoff.inversion.settings import InvertSettings

PIXELS = 2**20  # of images that gradients are kept of at once, at the most


@dataclass(frozen=True)
class Inversion:
    """Latents of a batch of photos and how well they rebuild them.

    Attributes:
        ws: latents in W+.
        residual: what is added to one feature map, where one is looked for.
        rebuilt: the reconstructions, [-1, 1].
        pixel: mean squared error per photo, in [-1, 1] units.
        perceptual: perceptual distance per photo, see `backbones.perceptual`.
        prior: mean squared whitened coordinate per photo, 1 for the generator's own samples.
        error: absolute error per pixel, mean over the colours, [0, 2].
    """

    ws: Float[Tensor, "n l d"]
    residual: Float[Tensor, "n _c _h _w"] | None
    rebuilt: Float[Tensor, "n 3 h w"]
    pixel: Float[Tensor, " n"]
    perceptual: Float[Tensor, " n"]
    prior: Float[Tensor, " n"]
    error: Float[Tensor, "n h w"]

    @property
    def latents(self) -> Latents:
        return Latents({"ws": self.ws} if self.residual is None else {"ws": self.ws, RESIDUAL: self.residual})

    def tensors(self) -> dict[str, Tensor]:
        """By name, those that there are."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Target:
    """What inversion searches in, and what it compares images with: the same for all photos."""

    generator: StyleGenerator
    space: LatentSpace
    perceptual: Perceptual

    def rebuild(self, y: Float[Tensor, "n l d"]) -> Float[Tensor, "n 3 h w"]:
        """Images of whitened latents, in about [-1, 1]."""
        return self.generator.synthesize(Latents({"ws": self.space.unwhiten(y)}))


def fitting_together(generator: StyleGenerator, most: int) -> int:
    """How many images, of `most`, gradients can be kept of at once."""
    return max(1, min(most, PIXELS // (generator.image_size[0] * generator.image_size[1])))


def refine(
    target: Target, images: Float[Tensor, "n 3 h w"], start: Float[Tensor, "n l d"], settings: InvertSettings
) -> Inversion:
    """Adam on the whitened latents y from `start`, the step size falling to zero over the last 40 %.

    Minimises perceptual + pixel·MSE + prior·‖y‖²/d per photo; photos of a batch do not influence each other. A
    residual r, in standard deviations of its channels, is found at the same time and costs residual_prior·mean(r²).
    """
    y = start.clone().requires_grad_()
    scale = map_scale(target.generator, settings.residual) if settings.residual else None
    r = None if scale is None else scale.new_zeros(len(images), *scale.shape).requires_grad_()
    optimizer = torch.optim.Adam([y] if r is None else [y, r], settings.lr)
    with torch.no_grad(), mixed_precision():
        features = target.perceptual.features(images)
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.lr * falling(step, settings.steps)
        with mixed_precision():
            rebuilt = target.generator.synthesize(latents_of(target, y, r, scale))
            perceptual = target.perceptual.distance(rebuilt, features)
        loss = perceptual + settings.pixel * (rebuilt - images).square().mean((1, 2, 3))
        loss = loss + settings.prior * y.square().mean((1, 2))
        if r is not None:
            loss = loss + settings.residual_prior * r.square().mean((1, 2, 3))
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
    return measure(target, images, latents_of(target, y.detach(), None if r is None else r.detach(), scale))


def falling(step: int, steps: int) -> float:
    """The share of the step size at a step: 1, and falling to zero over the last 40 %."""
    return min(1.0, (steps - step) / (steps * 0.4))


def latents_of(
    target: Target,
    y: Float[Tensor, "n l d"],
    r: Float[Tensor, "n _c _h _w"] | None,
    scale: Float[Tensor, "_c _h _w"] | None,
) -> Latents:
    """The latents of whitened ones and, where there is one, of a residual in standard deviations."""
    ws = target.space.unwhiten(y)
    return Latents({"ws": ws} if r is None or scale is None else {"ws": ws, RESIDUAL: r * scale})


@torch.no_grad()
def map_scale(generator: StyleGenerator, height: int, samples: int = 64) -> Float[Tensor, "_c _h _w"]:
    """The standard deviation of every channel of the feature map of that height, over samples, at every place."""
    shape = residual_shape(generator, height)
    stream = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.z_dim, generator=stream).to(generator.device)
    ws = generator.mapping(z, generator.random_condition(samples, stream))
    parts = []
    with mixed_precision():
        for part in ws.split(16):
            maps = generator.features(Latents({"ws": part}))[1]
            parts.append([found for found in maps if tuple(found.shape[1:]) == shape][-1].float())
    return torch.cat(parts).std((0, 2, 3))[:, None, None].expand(shape).contiguous()


def residual_shape(generator: StyleGenerator, height: int) -> tuple[int, int, int]:
    """(C, H, W) of the residual on the feature map of that height.

    Raises:
        InputError: the generator has no such map.
    """
    found = {shape[1]: shape for shape in generator.map_shapes}
    if height not in found:
        heights = ", ".join(map(str, found))
        raise InputError(f"residual = {height}, but the generator's feature maps are {heights} pixels high: take one.")
    return found[height]


@torch.no_grad()
def measure(target: Target, images: Float[Tensor, "n 3 h w"], latents: Latents) -> Inversion:
    """Rebuild and compare."""
    ws = latents.tensors["ws"]
    with mixed_precision():
        rebuilt = target.generator.synthesize(latents).float().clamp(-1, 1)
        perceptual = target.perceptual.distance(rebuilt, target.perceptual.features(images))
    difference = rebuilt - images
    pixel, error = difference.square().mean((1, 2, 3)), difference.abs().mean(1)
    prior = target.space.whiten(ws).square().mean((1, 2))
    return Inversion(ws, latents.tensors.get(RESIDUAL), rebuilt, pixel, perceptual, prior, error)
