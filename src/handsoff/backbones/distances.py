"""How far generated images are from real ones: Fréchet and kernel distances on Lite0 features (FD-lite0, KD-lite0).

They are not FID and KID, which are defined on Inception features, and must not be compared with published values.
"""

import warnings
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from handsoff.backbones.lite0 import Lite0
from handsoff.core.device import best_device
from handsoff.core.seeds import seeded


class Given(nn.Module):
    """Stands for the metrics' feature network: the features are computed beforehand."""

    num_features = 1280

    def forward(self, features: Tensor) -> Tensor:
        return features


@torch.no_grad()
def pooled_features(
    net: Lite0, batches: Iterable[Float[Tensor, "_n 3 h w"]], size: tuple[int, int]
) -> Float[Tensor, "n 1280"]:
    """Global Lite0 features of images in [-1, 1], resized to `size` (H, W) first."""
    parts = []
    for batch in batches:
        images = batch.to(best_device())
        if images.shape[-2:] != size:
            images = nn.functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
        parts.append(net.pooled(images).cpu())
    return torch.cat(parts)


def distances(real: Float[Tensor, "n 1280"], fake: Float[Tensor, "m 1280"]) -> dict[str, float]:
    """FD-lite0 (Heusel et al. 2017) and KD-lite0 (Bińkowski et al. 2018, times 1000) between two sets of features.

    Both are NaN if any feature is (LAPACK would crash). A single process may call it: it waits for no other.
    """
    if not bool(torch.isfinite(real).all() and torch.isfinite(fake).all()):
        return {"fd_lite0": float("nan"), "kd_lite0": float("nan")}
    frechet = FrechetInceptionDistance(feature=Given(), normalize=False, sync_on_compute=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that it keeps the features: they are few
        kernel = KernelInceptionDistance(
            feature=Given(),
            subsets=10,
            subset_size=min(1000, len(real), len(fake)),
            normalize=False,
            sync_on_compute=False,
        )
    for metric in (frechet, kernel):
        metric.update(real, real=True)
        metric.update(fake, real=False)
    with seeded(0):
        return {"fd_lite0": float(frechet.compute()), "kd_lite0": float(kernel.compute()[0]) * 1000}
