"""A perceptual distance on frozen Lite0 features, for inversion and for measuring reconstructions."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from handsoff.backbones.lite0 import Lite0
from handsoff.core.frames import Frame
from handsoff.geometry.views import scaled_to

MIN_SIDE = 128  # longer side, pixels: smaller images are enlarged, since the features mean little below


class Perceptual:
    """Squared feature distance relative to the target's feature energy, summed over the scales /4 … /32.

    The LPIPS idea (Zhang et al. 2018) without its learnt weights. 0 = same; about 1 per scale for unrelated images.
    """

    def __init__(self, net: Lite0, frame: Frame) -> None:
        self.net, self.size = net, working_size(frame)

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


def working_size(frame: Frame) -> Frame:
    """The size at which images of a frame are looked at: their own, or enlarged to `MIN_SIDE`.

    >>> working_size((64, 48)), working_size((256, 256))
    ((128, 96), (256, 256))
    """
    return scaled_to(frame, MIN_SIDE) if max(frame) < MIN_SIDE else frame
