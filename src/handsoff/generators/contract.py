"""The protocol every generator follows."""

from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.frames import Frame

Noise = Literal["const", "none", "random"]


@runtime_checkable
class Generator(Protocol):
    """z → ws → image and block features. `licence` names the terms everything generated from it inherits."""

    resolution: Frame
    z_dim: int
    w_dim: int
    num_ws: int
    feature_channels: tuple[int, ...]
    licence: str

    def mapping(self, z: Float[Tensor, "n z_dim"], psi: float = 1.0) -> Float[Tensor, "n num_ws w_dim"]:
        """z to the per-layer codes ws, pulled towards the mean code by truncation psi (1 = not truncated)."""
        ...

    def synthesize(
        self, ws: Float[Tensor, "n num_ws w_dim"], noise: Noise = "const"
    ) -> tuple[Float[Tensor, "n 3 h w"], list[Float[Tensor, "n _c _h _w"]]]:
        """ws to the image in about [-1, 1] and the feature maps, coarse to fine, each at its native size."""
        ...


@torch.no_grad()
def w_statistics(
    generator: Generator, samples: int = 10_000, seed: int = 0
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean of w and the matrix that whitens it: ‖(w - mean) @ whiten‖² / d is 1 on average over samples.

    The prior of the inversion (a Mahalanobis distance) is measured with it.
    """
    z = torch.randn(samples, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    device = next(iter(generator.parameters())).device  # type: ignore[attr-defined]  # every generator is a torch module
    w = generator.mapping(z.to(device))[:, 0].double()
    mean = w.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(w.T))
    whiten = vectors * values.clamp_min(values.max() * 1e-4).rsqrt()
    return mean.float(), whiten.float()
