"""The convolutional head: a feature interpreter (BigDatasetGAN, Li et al. 2022, arXiv 2201.04684).

Neighbouring feature maps form a level. Per level a 1×1 convolution takes each map to a common width, and a mixing block
looks at neighbouring pixels and, of a class-conditional generator, at the class. What comes out is added to the next
finer level; a last 1×1 convolution gives the outputs.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.core.frames import Frame
from handsoff.generators.contract import Conditions
from handsoff.labeling.hypercolumn import Features

WIDTH = 32  # channels of every level
LEVELS = 3  # at the most
MapShape = tuple[int, int, int]  # (C, H, W)


class Interpreter(nn.Module):
    """`members` interpreters side by side; every parameter's first axis is the member.

    Feature maps are standardised by `mean` and `scale`, one number per channel of the hypercolumn.
    """

    def __init__(  # what its layers follow from
        self,
        maps: Sequence[MapShape],
        outputs: int,
        members: int,
        *,
        dropout: float = 0.0,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.members, self.dropout, self.maps, self.levels = members, dropout, list(maps), levels_of(maps)
        channels = sum(shape[0] for shape in maps)
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

        def drawn(*shape: int, inputs: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(members, *shape) * math.sqrt(2 / inputs))

        counts = [sum(maps[index][0] for index in level) for level in self.levels]
        self.projections = nn.ParameterList([drawn(WIDTH, count, inputs=count) for count in counts])
        self.mixings = nn.ParameterList([drawn(WIDTH, WIDTH, 3, 3, inputs=9 * WIDTH) for _ in counts])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(members, 2, WIDTH)) for _ in counts])
        self.head = drawn(outputs, WIDTH, inputs=2 * WIDTH)
        self.head_bias = nn.Parameter(torch.zeros(members, outputs))
        self.of_class = nn.Parameter(torch.zeros(members, classes, len(counts), 2, WIDTH)) if classes else None

    def dense(
        self, features: Features, size: Frame, classes: Int64[Tensor, " n"] | None = None, only: int | None = None
    ) -> Float[Tensor, "e n k h w"]:
        """Outputs of each member at every pixel of `size`.

        Args:
            features: as `maps` says.
            size: of the outputs; no level is larger.
            classes: that the generator was asked for; without them, and for those that are `UNKNOWN`, the mixing
                blocks are those of no class.
            only: the member that is asked; unless said, all are.
        """
        chosen = slice(None) if only is None else slice(only, only + 1)
        x = features[0].new_zeros(())
        for number, level in enumerate(self.levels):
            finest = features[level[-1]].shape[-2:]
            frame = min(finest[0], size[0]), min(finest[1], size[1])
            own = self.projected([features[index] for index in level], number, frame, chosen)
            x = own + resized(x, frame) if number else own
            x = x + self.mixed(x, number, classes, chosen)
        weight = self.head[chosen]
        outputs = F.conv2d(
            x, weight.flatten(0, 1)[..., None, None], self.head_bias[chosen].flatten(), groups=len(weight)
        )
        return resized(outputs, size).unflatten(1, (len(weight), -1)).transpose(0, 1)

    def projected(self, maps: Features, number: int, frame: Frame, chosen: slice) -> Float[Tensor, "n _c h w"]:
        """The maps of one level at the common width: 1×1 convolutions at their native sizes, resized and added."""
        start = sum(self.maps[index][0] for level in self.levels[:number] for index in level)
        stop = start + self.projections[number].shape[2]
        weight = self.projections[number][chosen].flatten(0, 1) / self.scale[start:stop]
        bias = self.biases[number][chosen, 0].flatten() - weight @ self.mean[start:stop]
        parts = weight.split([values.shape[1] for values in maps], 1)
        found = [
            resized(F.conv2d(values.to(part.dtype), part[..., None, None]), frame)
            for values, part in zip(maps, parts, strict=True)
        ]
        return torch.stack(found).sum(0) + bias[:, None, None]

    def mixed(
        self, x: Float[Tensor, "n c h w"], number: int, classes: Int64[Tensor, " n"] | None, chosen: slice
    ) -> Float[Tensor, "n c h w"]:
        """What a mixing block adds: 3×3 convolution, scale and shift of the class, ReLU."""
        weight = self.mixings[number][chosen]
        y = F.conv2d(F.relu(x), weight.flatten(0, 1), self.biases[number][chosen, 1].flatten(), 1, 1, 1, len(weight))
        if self.of_class is not None and classes is not None:
            ids = classes.to(y.device)
            known = (ids >= 0)[:, None, None]
            scale, shift = (self.of_class[chosen][:, ids.clamp(min=0), number] * known).unbind(2)
            of = (part.transpose(0, 1).flatten(1)[:, :, None, None] for part in (scale, shift))
            y = modulated(y, *of)
        return F.dropout(F.relu(y), self.dropout, self.training)


def modulated(
    y: Float[Tensor, "n c h w"], scale: Float[Tensor, "n c 1 1"], shift: Float[Tensor, "n c 1 1"]
) -> Float[Tensor, "n c h w"]:
    return y * (1 + scale) + shift


def class_ids(condition: Tensor | None) -> Int64[Tensor, " n"] | None:
    """The condition of latents if it is a class; mixing blocks know no attributes."""
    return None if condition is None or condition.is_floating_point() else condition


def number_of_classes(conditions: Conditions) -> int:
    return len(conditions.names) if conditions.kind == "classes" else 0


def levels_of(maps: Sequence[MapShape]) -> list[list[int]]:
    """The numbers of the maps, coarse to fine, in at most `LEVELS` groups of neighbouring sizes.

    >>> levels_of([(8, 4, 4), (8, 8, 8), (8, 8, 8), (4, 16, 16), (4, 32, 32)])
    [[0], [1, 2, 3], [4]]
    """
    sizes = list(dict.fromkeys(shape[1:] for shape in maps))
    count = min(LEVELS, len(sizes))
    ends = [round(len(sizes) * (number + 1) / count) for number in range(count)]
    level_of = {size: sum(place >= end for end in ends) for place, size in enumerate(sizes)}
    return [[index for index, shape in enumerate(maps) if level_of[shape[1:]] == level] for level in range(count)]


def resized(maps: Float[Tensor, "n c _h _w"], frame: Frame) -> Float[Tensor, "n c h w"]:
    return maps if maps.shape[-2:] == frame else F.interpolate(maps, size=frame, mode="bilinear", align_corners=False)
