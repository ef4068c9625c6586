"""Generators that are no plain StyleGAN2, tiny and untrained, to hold the contracts to."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.core.frames import Frame, Framing
from handsoff.core.seeds import standard_normal
from handsoff.generators.contract import Conditions, check_condition
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.diffusion_config import DiffusionConfig, UNetConfig
from handsoff.generators.latents import Latents
from handsoff.generators.stored import GeneratorCard
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config


class ToyDiffusion(nn.Module):
    """Images from noise in a few deterministic steps of a tiny denoiser: no w space, no feature maps of its own."""

    architecture = "toy_diffusion"
    steps = 3

    def __init__(self, size: Frame = (16, 16), licence: str = "CC0", framing: Framing = "crop") -> None:
        super().__init__()
        self.image_size, self.licence, self.framing, self.conditions = size, licence, framing, Conditions()
        self.denoiser = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def draw(self, seeds: Sequence[int], condition: Tensor | None = None, psi: float = 1.0) -> Latents:  # noqa: ARG002  # it has no truncation
        check_condition(self.conditions, condition, len(seeds))
        height, width = self.image_size
        noise = standard_normal(seeds, 3 * height * width).view(-1, 3, height, width)
        return Latents({"noise": noise.to(self.device)})

    @torch.no_grad()
    def synthesize(self, latents: Latents) -> Tensor:
        """DDIM's update on a straight path from noise (t = 1) to image (t = 0)."""
        x = F.avg_pool2d(latents.tensors["noise"].to(self.device), 5, 1, 2) * 3  # so that images have blobs, not grain
        for step in range(self.steps):
            t, following = 1 - step / self.steps, 1 - (step + 1) / self.steps
            time = torch.full_like(x[:, :1], t)
            clean = torch.tanh(x + 0.3 * self.denoiser(torch.cat([x, time], 1)))
            x = clean + (x - clean) * following / t
        return x

    def config_json(self) -> dict[str, Any]:
        return {"size": list(self.image_size)}


def build_toy_diffusion(card: GeneratorCard) -> ToyDiffusion:
    height, width = card.config["size"]
    return ToyDiffusion((height, width), card.licence, card.framing)


def toy_diffusion() -> ToyDiffusion:
    torch.manual_seed(0)
    return ToyDiffusion().eval().requires_grad_(requires_grad=False)


def toy_unet(*, classes: int = 0, conditions: Conditions | None = None, **changes: Any) -> Diffusion:
    """A diffusion model of HandsOff's own; of classes, the last that it is told means none."""
    torch.manual_seed(0)
    told = classes + 1 if classes else None
    unet = UNetConfig(
        (16, 16), (8, 16), ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8, norm_num_groups=4, num_class_embeds=told,
    )  # fmt: skip
    config = DiffusionConfig(unet, **{"steps": 3, "without_class": bool(classes), **changes})
    return Diffusion(config, "CC0", "crop", conditions).eval().requires_grad_(requires_grad=False)


def toy_conditional() -> StyleGAN2:
    """A StyleGAN2 of three classes."""
    torch.manual_seed(0)
    config = StyleGAN2Config(
        (16, 16), z_dim=16, w_dim=16, mapping_layers=2, channel_base=256, channel_max=16, classes=3
    )
    net = StyleGAN2(config, "CC0").eval().requires_grad_(requires_grad=False)
    embed = cast("nn.Module", net.mapping_network.embed)
    cast("Tensor", embed.weight).mul_(3)
    return net


POSED = Conditions(
    "attributes",
    ("yaw", "hat"),
    ((), ("none", "brim", "cap")),
    ((0.0, 15.0), (0.0, 1.0)),
    tuple((float(yaw), 2.0 if yaw > 10 else float(yaw % 2)) for yaw in range(-30, 31)),
)


def toy_posed() -> StyleGAN2:
    """A StyleGAN2 that is asked for a yaw and a hat; it is not trained, so it draws something else, always the same."""
    torch.manual_seed(0)
    config = StyleGAN2Config((16, 16), z_dim=16, w_dim=16, mapping_layers=2, channel_base=256, channel_max=16)
    return StyleGAN2(config, "CC0", conditions=POSED).eval().requires_grad_(requires_grad=False)
