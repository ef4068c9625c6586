"""Diffusion models (Ho et al. 2020; Karras et al. 2022, "EDM", arXiv 2206.00364) with diffusers' U-Net.

Whatever a U-Net predicts, it becomes a denoiser D(x; σ): the expected image, given one with noise of deviation σ. From
it follow samples, by EDM's deterministic sampler, and feature maps of any image.
"""

from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.frames import Framing
from handsoff.core.seeds import standard_normal
from handsoff.generators.contract import Conditions, check_condition
from handsoff.generators.diffusion_config import DiffusionConfig, noise_levels
from handsoff.generators.latents import Latents

NOISE = "noise"  # the latents: [N, 3, H, W], standard normal
TOGETHER = 8  # images that are sampled at once, always
FIXED = 0  # seed of the noise that is added to every image whose maps are read

Images = Float[Tensor, "n 3 h w"]


def unet_type() -> Any:
    """diffusers' UNet2DModel.

    Raises:
        HandsOffError: it is not installed.
    """
    try:
        return import_module("diffusers").UNet2DModel
    except ImportError:
        raise HandsOffError("Diffusion models need diffusers: pip install 'handsoff-labels[diffusion]'.") from None


class Diffusion(nn.Module):
    """The generator. See `handsoff.generators.contract.Generator` for the protocol it follows."""

    architecture: str = "diffusion"

    def __init__(self, config: DiffusionConfig, licence: str = "unknown", framing: Framing = "crop") -> None:
        """Build the U-Net, with random weights.

        Raises:
            HandsOffError: diffusers is not installed.
        """
        super().__init__()
        self.config, self.licence, self.framing = config, licence, framing
        self.image_size = config.unet.sample_size
        self.conditions = (
            Conditions("classes", tuple(map(str, range(config.classes)))) if config.classes else Conditions()
        )
        self.unet = unet_type()(**asdict(config.unet))
        self.denoiser_channels = tuple(reversed(config.unet.block_out_channels))

    def __repr__(self) -> str:
        (height, width), count = self.image_size, sum(parameter.numel() for parameter in self.parameters())
        return f"Diffusion({height}x{width} pixels, {count / 1e6:.1f} M parameters, {self.device}, {self.licence!r})"

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def draw(self, seeds: Sequence[int], condition: Tensor | None = None, psi: float = 1.0) -> Latents:  # noqa: ARG002  # there is no truncation
        """{"noise": [N, 3, H, W]}, each from its seed alone; `condition` holds class ids [N], `psi` has no effect.

        Raises:
            InputError: classes of a generator that has none, or the reverse, or an unknown one.
        """
        check_condition(self.conditions, condition, len(seeds))
        noise = standard_normal(seeds, 3 * self.image_size[0] * self.image_size[1]).view(-1, 3, *self.image_size)
        return Latents({NOISE: noise.to(self.device)}, None if condition is None else condition.to(self.device))

    @torch.no_grad()
    def synthesize(self, latents: Latents, steps: int | None = None) -> Images:
        """Images in about [-1, 1], `TOGETHER` at a time, the last ones filled up: each depends on its latents alone.

        Args:
            latents: noise, and the classes of a conditional model.
            steps: of the sampler, where not as many as the generator says.
        """
        found = []
        for start in range(0, len(latents), TOGETHER):
            part = latents[start : start + TOGETHER]
            filled = [*range(len(part)), *[0] * (TOGETHER - len(part))]
            images = self.sampled(part[filled].to(self.device), steps or self.config.steps)
            found.append(images[: len(part)])
        return torch.cat(found)

    def sampled(self, latents: Latents, steps: int) -> Images:
        """Heun's method from noise to image (EDM, algorithm 1)."""
        levels = self.sampling_levels(steps)
        x = latents.tensors[NOISE] * levels[0]
        for level, following in pairwise(levels):
            slope = (x - self.guided(x, level, latents.condition)) / level
            there = x + (following - level) * slope
            if following > 0:
                slope = (slope + (there - self.guided(there, following, latents.condition)) / following) / 2
                there = x + (following - level) * slope
            x = there
        return x

    def sampling_levels(self, steps: int) -> list[float]:
        """The noise levels of the sampler, the last of them 0 (EDM, equation 5)."""
        low, high, rho = self.config.sigma_min, self.config.sigma_max, self.config.rho
        shares = [index / max(steps - 1, 1) for index in range(steps)]
        return [(high ** (1 / rho) + share * (low ** (1 / rho) - high ** (1 / rho))) ** rho for share in shares] + [0.0]

    def guided(self, x: Images, sigma: float, classes: Int64[Tensor, " n"] | None) -> Images:
        """D(x; σ) of the classes, moved away from D of none by the guidance."""
        levels = x.new_full((len(x),), sigma)
        found = self.denoise(x, levels, classes)
        if self.config.guidance == 1:
            return found
        none = self.denoise(x, levels, self.no_classes(len(x)))
        return none + self.config.guidance * (found - none)

    def no_classes(self, count: int) -> Int64[Tensor, " n"] | None:
        """The class that means none, where the model knows classes at all.

        Raises:
            InputError: it knows no such class.
        """
        if not self.config.classes:
            return None
        if not self.config.without_class:
            raise InputError("The diffusion model knows no class that means none, so it cannot read images of any.")
        return torch.full((count,), self.config.classes, device=self.device)

    def denoise(self, x: Images, sigma: Float[Tensor, " n"], classes: Int64[Tensor, " n"] | None = None) -> Images:
        """D(x; σ) = c_skip x + c_out F(c_in x; t) (EDM, equation 7), F being the U-Net."""
        c_in, c_skip, c_out, timestep = self.preconditioning(sigma.float())
        output: Tensor = self.unet(wide(c_in) * x, timestep, classes).sample
        return wide(c_skip) * x + wide(c_out) * output.float()

    def preconditioning(self, sigma: Float[Tensor, " n"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """c_in, c_skip, c_out and the timestep of noise levels: EDM's Table 1, and the same for what a DDPM predicts.

        A DDPM sees x / √(1 + σ²). Its timesteps lie between those of its schedule, by log σ.
        """
        kind, schedule = self.config.prediction, self.config.schedule
        if schedule is None:
            data = self.config.sigma_data
            total = (sigma.square() + data**2).sqrt()
            return 1 / total, data**2 / total.square(), sigma * data / total, sigma.log() / 4
        c_in = (sigma.square() + 1).rsqrt()
        timestep = timesteps_of(sigma, noise_levels(schedule).log())
        if kind == "epsilon":
            return c_in, torch.ones_like(sigma), -sigma, timestep
        if kind == "v_prediction":
            return c_in, c_in.square(), -sigma * c_in, timestep
        return c_in, torch.zeros_like(sigma), torch.ones_like(sigma), timestep

    @torch.no_grad()
    def denoiser_maps(self, images: Images, sigma: float) -> list[Float[Tensor, "n _c _h _w"]]:
        """What the U-Net's decoder makes of images with noise of deviation σ, the same for all: a map per level.

        Raises:
            InputError: the model must be told a class, and knows none that means none.
        """
        levels = images.new_full((len(images),), sigma)
        noise = standard_normal([FIXED], images[0].numel()).view(1, *images.shape[1:]).to(images)
        found: list[Tensor] = []
        last = [block.attentions[-1] if hasattr(block, "attentions") else block.resnets[-1] for block in self.decoder]
        hooks = [layer.register_forward_hook(lambda *call: found.append(call[-1])) for layer in last]
        try:
            self.denoise(images + sigma * noise, levels, self.no_classes(len(images)))
        finally:
            for hook in hooks:
                hook.remove()
        return found

    @property
    def decoder(self) -> Sequence[Any]:
        """The blocks that go up again, coarse to fine."""
        return list(self.unet.up_blocks)

    def config_json(self) -> dict[str, Any]:
        """What `stored.save_generator` writes of the architecture beside the weights."""
        return asdict(self.config)


def wide(values: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    return values[:, None, None, None]


def timesteps_of(sigma: Float[Tensor, " n"], ladder: Float[Tensor, " t"]) -> Float[Tensor, " n"]:
    """Where log σ lies on the ladder of the log σ of all timesteps; beyond its ends, at them."""
    logs = sigma.double().log().cpu().clamp(ladder[0], ladder[-1])
    above = torch.searchsorted(ladder, logs).clamp(1, len(ladder) - 1)
    low, high = ladder[above - 1], ladder[above]
    return (above - 1 + (logs - low) / (high - low)).to(sigma)
