"""What the label generator reads: the generator's features and, beside them, pretrained features of the image it made."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.lite0 import TAP_CHANNELS, frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.generators.stylegan2 import StyleGAN2 as Generator
from handsoff.labeling.hypercolumn import Features


@dataclass(frozen=True)
class Reader:
    """ws → image and hypercolumn blocks. The paper's form has no `perception`."""

    generator: Generator
    perception: Perceptual | None

    @property
    def channels(self) -> int:
        """Length of the hypercolumn."""
        return sum(self.generator.feature_channels) + (sum(TAP_CHANNELS) if self.perception else 0)

    def read(self, ws: Float[Tensor, "n l d"]) -> tuple[Float[Tensor, "n 3 h w"], Features]:
        """Image in about [-1, 1] and the blocks, coarse to fine, each at its native size."""
        image, features = self.generator.synthesis(ws)
        return image, self.blocks(features, self.taps(image))

    def taps(self, image: Float[Tensor, "n 3 h w"]) -> Features:
        """Pretrained features of the generated image, where this reader wants them."""
        return [] if self.perception is None else self.perception.taps(image.clamp(-1, 1))

    def blocks(self, features: Features, taps: Features) -> Features:
        """The generator's features and, where this reader wants them, the pretrained ones, coarse to fine."""
        if self.perception is None:
            return features
        return sorted([*features, *taps], key=lambda block: block.shape[-2] * block.shape[-1])


def make_reader(generator: Generator, *, perception: bool) -> Reader:
    return Reader(generator, Perceptual(frozen_lite0(), generator.image_size) if perception else None)
