"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) in plain PyTorch: no compiled extensions, any base shape.

Parameters are named and laid out as in the published checkpoints, so that those can be read. A modulated convolution is
computed as scale → shared convolution → scale (section 2.2 of the paper in its commuted form), never as a grouped one.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.core.errors import MismatchError
from handsoff.core.frames import Frame, Framing
from handsoff.core.seeds import per_sample, standard_normal
from handsoff.generators.conditions import encoded, label_width
from handsoff.generators.contract import Conditions, check_condition
from handsoff.generators.latents import RESIDUAL, Latents
from handsoff.generators.stylegan2_config import StyleGAN2Config

__all__ = ["GAIN", "MAPPING_LR", "SLOPE", "Linear", "StyleGAN2", "StyleGAN2Config", "StyledConv", "fir_kernel"]
Noise = Literal["const", "none", "random"]  # that of the checkpoint, none, or new in every call (training)
FIR = (1.0, 3.0, 3.0, 1.0)  # the resampling filter of the published models
MAPPING_LR = 0.01  # learning-rate multiplier of the mapping network (StyleGAN, section 2)
SLOPE, GAIN = 0.2, math.sqrt(2)  # leaky ReLU and the gain that keeps unit variance


class Linear(nn.Module):
    """Fully connected layer with an equalised learning rate (Karras et al. 2018, section 4.1)."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, lr_multiplier: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.lr_multiplier, self.gain, self.activate = lr_multiplier, lr_multiplier / math.sqrt(inputs), activate

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        y = F.linear(x, self.weight * self.gain, self.bias * self.lr_multiplier)
        return F.leaky_relu(y, SLOPE) * GAIN if self.activate else y


class Mapping(nn.Module):
    """z → w: normalise, then fully connected layers at a hundredth of the learning rate (StyleGAN, section 2)."""

    def __init__(self, config: StyleGAN2Config, conditions: Conditions) -> None:
        super().__init__()
        self.layers, self.conditions, labels = config.mapping_layers, conditions, label_width(conditions)
        if labels:
            self.embed = Linear(labels, config.w_dim)
        first = config.z_dim + (config.w_dim if labels else 0)
        for index in range(config.mapping_layers):
            setattr(
                self,
                f"fc{index}",
                Linear(first if index == 0 else config.w_dim, config.w_dim, lr_multiplier=MAPPING_LR, activate=True),
            )
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Float[Tensor, "n z"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """`condition` holds class ids [N] or values of attributes [N, A], of a conditional generator alone."""
        if (condition is not None) != (self.conditions.kind != "none"):
            raise ValueError("a condition is given to a conditional generator, and to no other")
        with torch.autocast(z.device.type, enabled=False):
            w = normalised(z.float())
            if condition is not None:
                w = torch.cat([w, normalised(self.embed(encoded(self.conditions, condition)))], 1)
            for index in range(self.layers):
                w = getattr(self, f"fc{index}")(w)
        return w


def normalised(x: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    return x * x.square().mean(1, keepdim=True).add(1e-8).rsqrt()


def fir_kernel() -> Float[Tensor, "4 4"]:
    weights = torch.tensor(FIR)
    kernel = torch.outer(weights, weights)
    return kernel / kernel.sum()


def upsample(x: Float[Tensor, "n c h w"], kernel: Float[Tensor, "4 4"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the size: insert zeros and low-pass (gain 4 makes up for the zeros)."""
    weight = (kernel * 4).to(x.dtype).expand(x.shape[1], 1, -1, -1)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


def clamped(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else x.clamp(-limit, limit)


def corrected(x: Float[Tensor, "n c h w"], residual: Float[Tensor, "n _c _h _w"] | None) -> Float[Tensor, "n c h w"]:
    """A feature map with the residual added, if the residual is of its size."""
    return x if residual is None or residual.shape[2:] != x.shape[2:] else x + residual.to(x.dtype)


class StyledConv(nn.Module):
    """Modulated and demodulated convolution (section 2.2), noise, bias and leaky ReLU; `up` doubles the size first."""

    def __init__(self, inputs: int, outputs: int, size: Frame, config: StyleGAN2Config, *, up: bool) -> None:
        super().__init__()
        self.up, self.clamp = up, config.clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_const: Tensor
        self.resample_filter: Tensor
        self.register_buffer("noise_const", torch.randn(size))
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Float[Tensor, "n i h w"], w: Float[Tensor, "n d"], noise: Noise) -> Float[Tensor, "n o h2 w2"]:
        with torch.autocast(w.device.type, enabled=False):
            style = self.affine(w.float())
            demodulation = (style.square() @ self.weight.square().sum((2, 3)).T).add(1e-8).rsqrt()
        x = x * style[:, :, None, None].to(x.dtype)
        x = self.up_convolve(x) if self.up else F.conv2d(x, self.weight.to(x.dtype), padding=1)
        x = x * demodulation[:, :, None, None].to(x.dtype)
        if noise != "none":
            x = x + self.noise(x, noise)
        return clamped(F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), SLOPE) * GAIN, self.clamp)

    def up_convolve(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Transposed 3×3 convolution of stride 2, then the low-pass filter (the paper's order; borders included)."""
        x = F.conv_transpose2d(x, self.weight.transpose(0, 1).to(x.dtype), stride=2)
        kernel = (self.resample_filter.flip(0, 1) * 4).to(x.dtype).expand(x.shape[1], 1, -1, -1)  # F.conv2d correlates
        return F.conv2d(x, kernel, padding=1, groups=x.shape[1])

    def noise(self, x: Float[Tensor, "n o h w"], noise: Noise) -> Tensor:
        if noise == "const":
            image = self.noise_const
        else:
            image = per_sample(lambda n: torch.randn(n, 1, *x.shape[2:], device=x.device), x.shape[0])
        return (image * self.noise_strength).to(x.dtype)


class ToRGB(nn.Module):
    """1×1 modulated convolution without demodulation, to the image of the skip architecture (section 4.1)."""

    def __init__(self, inputs: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.clamp = config.clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain = 1 / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "n i h w"], w: Float[Tensor, "n d"]) -> Float[Tensor, "n 3 h w"]:
        with torch.autocast(w.device.type, enabled=False):
            style = self.affine(w.float()) * self.gain
        y = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight.to(x.dtype))
        return clamped(y.float() + self.bias[:, None, None], self.clamp)


class Block(nn.Module):
    """One resolution of the synthesis network: up-convolution (not in the first block), convolution, RGB skip."""

    def __init__(self, inputs: int, outputs: int, size: Frame, config: StyleGAN2Config, *, first: bool) -> None:
        super().__init__()
        if first:
            self.const = nn.Parameter(torch.randn(outputs, *size))
        else:
            self.conv0 = StyledConv(inputs, outputs, size, config, up=True)
        self.conv1 = StyledConv(outputs, outputs, size, config, up=False)
        self.torgb = ToRGB(outputs, config)
        self.resample_filter: Tensor
        self.register_buffer("resample_filter", fir_kernel())


class StyleGAN2(nn.Module):
    """The generator. See `handsoff.generators.contract.Generator` for the protocol it follows."""

    architecture: str = "stylegan2"

    def __init__(
        self,
        config: StyleGAN2Config,
        licence: str = "unknown",
        framing: Framing = "crop",
        conditions: Conditions | None = None,
    ) -> None:
        """`conditions` are attributes; classes are part of the `config`."""
        super().__init__()
        self.config, self.licence, self.framing = config, licence, framing
        self.image_size, self.z_dim, self.w_dim = config.resolution, config.z_dim, config.w_dim
        classes = Conditions("classes", tuple(map(str, range(config.classes)))) if config.classes else Conditions()
        self.conditions = conditions or classes
        self.mapping_network = Mapping(config, self.conditions)
        channels = config.channels
        blocks = []
        for level, outputs in enumerate(channels):
            size = (config.base[0] << level, config.base[1] << level)
            blocks.append(Block(channels[max(level - 1, 0)], outputs, size, config, first=level == 0))
        self.blocks = nn.ModuleList(blocks)
        self.num_ws = 2 * len(blocks)
        self.feature_channels = (channels[0], *(count for count in channels[1:] for _ in range(2)))
        self.map_shapes = tuple(
            (count, config.base[0] << level, config.base[1] << level) for level, count in enumerate(channels)
        )

    def __repr__(self) -> str:
        (height, width), count = self.image_size, sum(parameter.numel() for parameter in self.parameters())
        return f"StyleGAN2({height}x{width} pixels, {count / 1e6:.1f} M parameters, {self.device}, {self.licence!r})"

    @property
    def device(self) -> torch.device:
        return self.mapping_network.w_avg.device

    def draw(self, seeds: Sequence[int], condition: Tensor | None = None, psi: float = 1.0) -> Latents:
        """{"ws": [N, num_ws, w_dim]}, each row from its seed alone; `condition` as in the contract.

        Raises:
            InputError: a condition of a generator that has none, or the reverse, or an unknown one.
        """
        check_condition(self.conditions, condition, len(seeds))
        z = standard_normal(seeds, self.z_dim).to(self.device)
        shown = None if condition is None else condition.to(self.device)
        return Latents({"ws": self.mapping(z, shown, psi)}, shown)

    def synthesize(self, latents: Latents) -> Float[Tensor, "n 3 h w"]:
        """Images in about [-1, 1], with the noise that the checkpoint carries."""
        return self.features(latents)[0]

    def features(self, latents: Latents) -> tuple[Float[Tensor, "n 3 h w"], list[Tensor]]:
        """Images and the output of every convolution, coarse to fine: what the hypercolumn is made of.

        Raises:
            MismatchError: the latents have a residual that fits none of the maps.
        """
        residual = latents.tensors.get(RESIDUAL)
        if residual is not None and tuple(residual.shape[1:]) not in self.map_shapes:
            raise MismatchError(f"A residual of {list(residual.shape[1:])} fits no feature map of the generator.")
        return self.synthesis(latents.tensors["ws"], residual=residual)

    def mapping(
        self, z: Float[Tensor, "n z"], condition: Tensor | None = None, psi: float = 1.0
    ) -> Float[Tensor, "n l d"]:
        """z [N, z_dim] → ws [N, num_ws, w_dim], truncated towards w_avg by psi (StyleGAN, appendix B)."""
        w = self.mapping_network(z, condition)
        if psi != 1:
            w = torch.lerp(self.mapping_network.w_avg.to(w), w, psi)
        return w[:, None].expand(-1, self.num_ws, -1)

    def random_condition(self, count: int, stream: torch.Generator) -> Tensor | None:
        """Class ids, all alike often, or attributes as in the training photos; None where there are no conditions."""
        if self.conditions.kind == "none":
            return None
        if self.conditions.kind == "classes":
            return torch.randint(self.config.classes, (count,), generator=stream).to(self.device)
        photos = torch.tensor(self.conditions.examples)
        return photos[torch.randint(len(photos), (count,), generator=stream)].to(self.device)

    def synthesis(
        self, ws: Float[Tensor, "n l d"], noise: Noise = "const", residual: Float[Tensor, "n _c _h _w"] | None = None
    ) -> tuple[Float[Tensor, "n 3 h w"], list[Tensor]]:
        """ws → image about [-1, 1] and the output of every convolution, coarse to fine.

        Block k takes ws 2k-1, 2k and 2k+1 (its two convolutions, its RGB); the RGB shares its w with the next block.
        A residual is added to what the block of its size gives.
        """
        first, *others = cast("list[Block]", list(self.blocks))
        x = first.const.expand(ws.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        if torch.is_autocast_enabled(ws.device.type):
            x = x.to(torch.get_autocast_dtype(ws.device.type))
        x = corrected(first.conv1(x, ws[:, 0], noise), residual)
        image, features = first.torgb(x, ws[:, 1]), [x]
        for index, block in enumerate(others, start=1):
            x = block.conv0(x, ws[:, 2 * index - 1], noise)
            features.append(x)
            x = corrected(block.conv1(x, ws[:, 2 * index], noise), residual)
            features.append(x)
            image = upsample(image, block.resample_filter) + block.torgb(x, ws[:, 2 * index + 1])
        return image, features

    def config_json(self) -> dict[str, Any]:
        """What `stored.save_generator` writes of the architecture beside the weights."""
        return asdict(self.config)
