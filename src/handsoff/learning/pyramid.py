"""The default predictor: a pretrained trunk and a light feature pyramid (Lin et al. 2017)."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.backbones.lite0 import Lite0, viewing_size
from handsoff.core.device import mixed_precision
from handsoff.core.frames import Frame

WIDTH = 64


class Pyramid(nn.Module):
    """From the coarsest feature map to the finest: upsample, add the next map's projection, 3×3 convolution."""

    def __init__(self, inputs: tuple[int, ...], channels: int, width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(features, width, 1) for features in inputs)
        self.smooths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
            )
            for _ in inputs
        )
        self.head = nn.Conv2d(width, channels, 1)

    def forward(self, maps: list[Tensor]) -> Float[Tensor, "n k _h _w"]:
        """Feature maps, finest first → outputs at the size of the finest."""
        y: Tensor | None = None
        for feature, lateral, smooth in zip(
            reversed(maps), reversed(self.laterals), reversed(self.smooths), strict=True
        ):
            side = lateral(feature)
            y = smooth(
                side
                if y is None
                else side + F.interpolate(y, size=side.shape[-2:], mode="bilinear", align_corners=False)
            )
        outputs: Tensor = self.head(y)
        return outputs


class PyramidNet(nn.Module):
    """`channels` outputs per pixel; the ImageNet-pretrained trunk is trained along, its batch norm too.

    A `frozen` trunk stays as it was pretrained, so that only the pyramid learns: the transfer learning of many papers.
    """

    def __init__(
        self, channels: int, trunk: type[Lite0] = Lite0, *, pretrained: bool = True, frozen: bool = False
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.trunk = trunk(pretrained=pretrained).requires_grad_(not frozen)
        del self.trunk.head  # the classifier's last convolution
        self.pyramid = Pyramid(self.trunk.feature_channels, channels, WIDTH)

    def train(self, mode: bool = True) -> "PyramidNet":  # noqa: FBT001, FBT002  # as torch declares it
        """Training mode; of a frozen trunk the batch norm too stays as it was pretrained."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k h w"]:
        """Images in [-1, 1] → outputs at their size."""
        frame = (images.shape[2], images.shape[3])
        x = resized(images, viewing_size(frame))
        with mixed_precision():
            outputs: Tensor = self.pyramid(self.trunk(x))
        return resized(outputs, frame)


def resized(maps: Float[Tensor, "n c _h _w"], frame: Frame) -> Float[Tensor, "n c h w"]:
    return maps if maps.shape[-2:] == frame else F.interpolate(maps, size=frame, mode="bilinear", align_corners=False)
