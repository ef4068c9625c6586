"""A perceptual distance on frozen Lite0 features, for inversion and for measuring reconstructions."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.backbones.lite0 import Lite0, viewing_size
from handsoff.core.frames import Frame


class Perceptual:
    """Squared feature distance relative to the target's feature energy, summed over the scales /4 … /32.

    The LPIPS idea (Zhang et al. 2018) without its learnt weights. 0 = same; about 1 per scale for unrelated images.
    """

    def __init__(self, net: Lite0, frame: Frame) -> None:
        self.net, self.size = net, viewing_size(frame)

    def feature_maps(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """All five feature maps (/2 … /32) of images in [-1, 1]."""
        if images.shape[-2:] != self.size:
            images = F.interpolate(images, size=self.size, mode="bilinear", align_corners=False)
        return self.net(images)

    def features(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """The feature maps that are compared: /4 … /32."""
        return self.feature_maps(images)[1:]

    def distance(self, images: Float[Tensor, "n 3 h w"], target: list[Tensor]) -> Float[Tensor, " n"]:
        """Distance of each image in [-1, 1] to the features of its target."""
        total = torch.zeros(images.shape[0], device=images.device)
        for ours, theirs in zip(self.features(images), target, strict=True):
            difference = (ours.float() - theirs.float()).square().mean((1, 2, 3))
            total = total + difference / theirs.float().square().mean((1, 2, 3)).clamp_min(1e-6)
        return total
