"""Diffusion models (Ho et al. 2020; Karras et al. 2022, "EDM", arXiv 2206.00364) with diffusers' U-Net.

Whatever a U-Net predicts, it becomes a denoiser D(x; σ): the expected image, given one with noise of deviation σ. From
it follow samples, by EDM's deterministic sampler, and feature maps of any image.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.frames import Framing
from handsoff.core.seeds import standard_normal
from handsoff.generators.conditions import encoded, label_width
from handsoff.generators.contract import Conditions, check_condition
from handsoff.generators.diffusion_config import DiffusionConfig, noise_levels
from handsoff.generators.latents import GUIDANCE, Latents

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

    def __init__(
        self,
        config: DiffusionConfig,
        licence: str = "unknown",
        framing: Framing = "crop",
        conditions: Conditions | None = None,
    ) -> None:
        """Build the U-Net, with random weights. `conditions` are attributes; classes are part of the `config`.

        The numbers by which attributes are told (`generators.conditions.encoded`) become a vector, which is added to
        that of the noise level.

        Raises:
            HandsOffError: diffusers is not installed.
            ValueError: classes and attributes at once.
        """
        super().__init__()
        self.config, self.licence, self.framing = config, licence, framing
        self.image_size = config.unet.sample_size
        if conditions is not None and config.unet.num_class_embeds is not None:
            raise ValueError("a U-Net is told classes or attributes, not both")
        classes = Conditions("classes", tuple(map(str, range(config.classes)))) if config.classes else Conditions()
        unconditional = conditions is not None or config.without_class
        self.conditions = replace(conditions or classes, guidance=config.guidance if unconditional else None)
        told = {} if conditions is None else {"class_embed_type": "identity"}
        self.unet = unet_type()(**{**asdict(config.unet), **told})
        if conditions is not None:
            width = self.unet.time_embedding.linear_2.out_features
            self.embed = nn.Sequential(nn.Linear(label_width(conditions), width), nn.SiLU(), nn.Linear(width, width))
        self.denoiser_channels = tuple(reversed(config.unet.block_out_channels))

    def __repr__(self) -> str:
        (height, width), count = self.image_size, sum(parameter.numel() for parameter in self.parameters())
        return f"Diffusion({height}x{width} pixels, {count / 1e6:.1f} M parameters, {self.device}, {self.licence!r})"

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def draw(self, seeds: Sequence[int], condition: Tensor | None = None, psi: float = 1.0) -> Latents:  # noqa: ARG002  # there is no truncation
        """{"noise": [N, 3, H, W]}, each from its seed alone; `condition` as in the contract, `psi` has no effect.

        Raises:
            InputError: a condition of a generator that has none, or the reverse, or an unknown one.
        """
        check_condition(self.conditions, condition, len(seeds))
        noise = standard_normal(seeds, 3 * self.image_size[0] * self.image_size[1]).view(-1, 3, *self.image_size)
        return Latents({NOISE: noise.to(self.device)}, None if condition is None else condition.to(self.device))

    @torch.no_grad()
    def synthesize(self, latents: Latents, levels: Sequence[float] | None = None) -> Images:
        """Images in about [-1, 1], `TOGETHER` at a time, the last ones filled up: each depends on its latents alone.

        Args:
            latents: noise, the condition of a conditional model, and perhaps the guidance [N], where not the model's.
            levels: noise levels of the sampler, the last of them 0, where not those of the generator.
        """
        found, config = [], self.config
        levels = levels or sampling_levels(config.steps, config.sigma_min, config.sigma_max, config.rho)
        for start in range(0, len(latents), TOGETHER):
            part = latents[start : start + TOGETHER]
            filled = [*range(len(part)), *[0] * (TOGETHER - len(part))]
            images = self.sampled(part[filled].to(self.device), levels)
            found.append(images[: len(part)])
        return torch.cat(found)

    def sampled(self, latents: Latents, levels: Sequence[float]) -> Images:
        """Heun's method from noise to image (EDM, algorithm 1)."""
        x, guidance = latents.tensors[NOISE] * levels[0], self.strengths(latents)
        for level, following in pairwise(levels):
            slope = (x - self.guided(x, level, latents.condition, guidance)) / level
            there = x + (following - level) * slope
            if following > 0:
                slope = (slope + (there - self.guided(there, following, latents.condition, guidance)) / following) / 2
                there = x + (following - level) * slope
            x = there
        return x

    def strengths(self, latents: Latents) -> Float[Tensor, " n"] | None:
        """The guidance of every sample, 1 where nothing is said of it; None where all are 1, so that D suffices."""
        if self.conditions.guidance is None or latents.condition is None:
            return None
        found = latents.tensors.get(GUIDANCE)
        if found is None:
            found = torch.full((len(latents),), self.conditions.guidance, device=self.device)
        if latents.condition.is_floating_point():
            found = found.masked_fill(latents.condition.isnan().all(1), 1.0)
        return None if bool((found == 1).all()) else found

    def guided(self, x: Images, sigma: float, condition: Tensor | None, guidance: Float[Tensor, " n"] | None) -> Images:
        """D(x; σ) of the condition; with guidance g, D of nothing + g (D of the condition - D of nothing).

        That is equation 6 of Ho and Salimans 2022, arXiv 2207.12598, with w = g - 1: of x and the predicted noise D is
        a fixed sum, so what holds for the noise holds for D.
        """
        levels = x.new_full((len(x),), sigma)
        found = self.denoise(x, levels, condition)
        if guidance is None:
            return found
        without = self.denoise(x, levels, self.nothing(len(x)))
        strength = wide(guidance)
        return torch.where(strength == 1, found, without + strength * (found - without))

    def nothing(self, count: int) -> Tensor | None:
        """The condition that says nothing: no attribute, or the class that means none; None where there are none.

        Raises:
            InputError: the model has classes, and none of them means none.
        """
        if self.conditions.kind == "attributes":
            return torch.full((count, len(self.conditions.names)), torch.nan, device=self.device)
        if not self.config.classes:
            return None
        if not self.config.without_class:
            raise InputError("The diffusion model knows no class that means none, so it cannot read images of any.")
        return torch.full((count,), self.config.classes, device=self.device)

    def denoise(self, x: Images, sigma: Float[Tensor, " n"], condition: Tensor | None = None) -> Images:
        """D(x; σ) = c_skip x + c_out F(c_in x; t) (EDM, equation 7), F being the U-Net, which is told the condition."""
        c_in, c_skip, c_out, timestep = self.preconditioning(sigma.float())
        told = condition
        if condition is not None and self.conditions.kind == "attributes":
            told = self.embed(encoded(self.conditions, condition))
        output: Tensor = self.unet(wide(c_in) * x, timestep, told).sample
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

    def denoiser_maps(self, images: Images, sigma: float) -> list[Float[Tensor, "n _c _h _w"]]:
        """What the U-Net's decoder makes of images with noise of deviation σ, the same for all: a map per level.

        A conditional U-Net is told nothing of what the images show: of photos nobody knows it.

        Raises:
            InputError: the model must be told a class, and knows none that means none.
        """
        levels = images.new_full((len(images),), sigma)
        noise = standard_normal([FIXED], images[0].numel()).view(1, *images.shape[1:]).to(images)
        found: list[Tensor] = []
        last = [block.attentions[-1] if hasattr(block, "attentions") else block.resnets[-1] for block in self.decoder]
        hooks = [layer.register_forward_hook(lambda *call: found.append(call[-1])) for layer in last]
        try:
            self.denoise(images + sigma * noise, levels, self.nothing(len(images)))
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


def sampling_levels(steps: int, low: float, high: float, rho: float = 7.0) -> list[float]:
    """The noise levels of the sampler, from high to low and 0 at the end (EDM, equation 5).

    >>> [round(level, 3) for level in sampling_levels(4, 0.002, 80.0)]
    [80.0, 9.723, 0.47, 0.002, 0.0]
    """
    first, last = high ** (1 / rho), low ** (1 / rho)
    return [(first + index / max(steps - 1, 1) * (last - first)) ** rho for index in range(steps)] + [0.0]


def wide(values: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    return values[:, None, None, None]


def timesteps_of(sigma: Float[Tensor, " n"], ladder: Float[Tensor, " t"]) -> Float[Tensor, " n"]:
    """Where log σ lies on the ladder of the log σ of all timesteps; beyond its ends, at them."""
    logs = sigma.cpu().double().log().clamp(ladder[0], ladder[-1])
    above = torch.searchsorted(ladder, logs).clamp(1, len(ladder) - 1)
    low, high = ladder[above - 1], ladder[above]
    return (above - 1 + (logs - low) / (high - low)).to(sigma)
