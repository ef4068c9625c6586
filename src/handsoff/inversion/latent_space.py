"""The distribution of a generator's w, which inversion stays within.

Latents are optimised in whitened coordinates y = (w - mean) @ whitening, where random samples have mean 0 and unit
covariance: a step of one length is as large in all directions, and ‖y‖² / d is the squared Mahalanobis distance.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.contract import Generator, StyleGenerator

SAMPLES = 10_000  # w that the distribution is measured on


@dataclass(frozen=True)
class LatentSpace:
    """w against whitened coordinates.

    Attributes:
        mean: of w over random samples.
        whitening: the matrix that takes w - mean to y.
        unwhitening: the matrix that takes y back.
    """

    mean: Float[Tensor, " d"]
    whitening: Float[Tensor, "d d"]
    unwhitening: Float[Tensor, "d d"]

    def whiten(self, w: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """W → y."""
        return (w - self.mean) @ self.whitening

    def unwhiten(self, y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Y → w."""
        return self.mean + y @ self.unwhitening


def measure_latent_space(generator: StyleGenerator) -> LatentSpace:
    """Measure the distribution of w from samples, of all conditions where there are any."""
    mean, whitening = w_statistics(generator)
    return LatentSpace(mean, whitening, torch.linalg.pinv(whitening.cpu().double()).float().to(whitening.device))


@torch.no_grad()
def w_statistics(
    generator: StyleGenerator, samples: int = SAMPLES, seed: int = 0
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean of w and the matrix that whitens it: ‖(w - mean) @ whitening‖² / d is 1 on average over samples."""
    stream = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, generator.z_dim, generator=stream).to(generator.device)
    w = generator.mapping(z, generator.random_condition(samples, stream))[:, 0]
    w = w.cpu().double()  # Apple GPUs have no float64
    mean = w.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(w.T))
    whitening = vectors * values.clamp_min(values.max() * 1e-4).rsqrt()
    return mean.float().to(z.device), whitening.float().to(z.device)


def require_w_space(generator: Generator, where: str) -> StyleGenerator:
    """The same generator, known to have a w space.

    Raises:
        InputError: it has none.
    """
    if not isinstance(generator, StyleGenerator):
        raise InputError(
            f"{where} cannot be inverted, its latents are no ws: give the labelled photos to handsoff fit themselves, "
            "with --set 'features=[\"lite0\"]'."
        )
    return generator
