"""The shape of a diffusion model, within what one can have: a U-Net, and what its output means at a noise level σ."""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from handsoff.core.frames import Frame

MAX_SIDE = 1024  # pixels
# Lowest and highest values of the numbers of a U-Net: no published one comes near, and what stays within is soon built.
LIMITS = {
    "layers_per_block": (1, 8),
    "norm_num_groups": (1, 1024),
    "attention_head_dim": (1, 2048),
    "time_embedding_dim": (1, 2**14),
    "downsample_padding": (0, 1),
    "num_class_embeds": (1, 100_000),
}
MAX_CHANNELS, MAX_LEVELS = 2048, 8
Down = Literal["DownBlock2D", "AttnDownBlock2D"]
Up = Literal["UpBlock2D", "AttnUpBlock2D"]
Prediction = Literal["edm", "epsilon", "v_prediction", "sample"]
Spacing = Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]


@dataclass(frozen=True)
class UNetConfig:
    """What `diffusers.UNet2DModel` is built from, under its own names; forms that are not read have no value here.

    Attributes:
        sample_size: (H, W) in pixels.
        block_out_channels: of each level, fine to coarse; a level is half as large as the one before.
        num_class_embeds: classes that it is told, one of them perhaps "none"; None: it is told nothing.
    """

    sample_size: Frame
    block_out_channels: tuple[int, ...]
    down_block_types: tuple[Down, ...]
    up_block_types: tuple[Up, ...]
    layers_per_block: int = 1
    attention_head_dim: int | None = 64
    norm_num_groups: int = 8
    num_class_embeds: int | None = None
    in_channels: Literal[3] = 3
    out_channels: Literal[3] = 3
    center_input_sample: bool = False
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: int | None = None
    freq_shift: int = 0
    flip_sin_to_cos: bool = True
    mid_block_type: Literal["UNetMidBlock2D"] | None = "UNetMidBlock2D"
    mid_block_scale_factor: float = 1.0
    downsample_padding: int = 1
    downsample_type: Literal["conv", "resnet"] = "conv"
    upsample_type: Literal["conv", "resnet"] = "conv"
    dropout: float = 0.0
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"] = "silu"
    attn_norm_num_groups: int | None = None
    norm_eps: float = 1e-5
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    add_attention: bool = True
    class_embed_type: None = None
    num_train_timesteps: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            count = getattr(self, name)
            if count is not None and not low <= count <= high:
                raise ValueError(f"{name} is {count}, not {low} to {high}")
        levels = len(self.block_out_channels)
        if not 1 <= levels <= MAX_LEVELS or {len(self.down_block_types), len(self.up_block_types)} != {levels}:
            raise ValueError(f"block_out_channels and the types of blocks are not 1 to {MAX_LEVELS}, of each as many")
        for channels in self.block_out_channels:
            if not 1 <= channels <= MAX_CHANNELS or channels % self.norm_num_groups:
                raise ValueError(
                    f"{channels} channels are not 1 to {MAX_CHANNELS}, a multiple of {self.norm_num_groups} "
                    "(norm_num_groups)"
                )
        head = self.attention_head_dim
        if head is not None and any(channels % head for channels in self.attended):
            raise ValueError(f"attention on {self.attended} channels cannot have heads of {head}")
        if any(side < 1 or side > MAX_SIDE or side % 2 ** (levels - 1) for side in self.sample_size):
            raise ValueError(
                f"images of {self.sample_size[0]}x{self.sample_size[1]} pixels cannot be halved {levels - 1} times, "
                f"or are larger than {MAX_SIDE}"
            )

    @property
    def attended(self) -> list[int]:
        """Channels of the levels with attention."""
        kinds = zip(self.block_out_channels, self.down_block_types, reversed(self.up_block_types), strict=True)
        found = [channels for channels, down, up in kinds if "Attn" in down + up]
        inner = self.mid_block_type is not None and self.add_attention
        return found + ([self.block_out_channels[-1]] if inner else [])


@dataclass(frozen=True)
class Schedule:
    """The noise of a DDPM (Ho et al. 2020): the variances β that its steps add, as diffusers' schedulers space them."""

    spacing: Spacing = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    timesteps: int = 1000

    def __post_init__(self) -> None:
        if not 2 <= self.timesteps <= 100_000:  # noqa: PLR2004  # a ladder of one step has no length
            raise ValueError(f"num_train_timesteps is {self.timesteps}, not 2 to 100,000")
        if not 0 < self.beta_start < self.beta_end < 1:
            raise ValueError(f"betas from {self.beta_start} to {self.beta_end} do not rise between 0 and 1")

    def betas(self) -> Float64[Tensor, " t"]:
        count, first, last = self.timesteps, self.beta_start, self.beta_end
        match self.spacing:
            case "linear":
                return torch.linspace(first, last, count, dtype=torch.float64, device="cpu")
            case "scaled_linear":
                return torch.linspace(first**0.5, last**0.5, count, dtype=torch.float64, device="cpu").square()
            case "sigmoid":
                return (
                    torch.linspace(-6, 6, count, dtype=torch.float64, device="cpu").sigmoid() * (last - first) + first
                )
            case "squaredcos_cap_v2":  # Nichol and Dhariwal 2021, equation 17
                times = torch.linspace(0, 1, count + 1, dtype=torch.float64, device="cpu")
                left = ((times + 0.008) / 1.008 * math.pi / 2).cos().square()
                return (1 - left[1:] / left[:-1]).clamp(max=0.999)


@functools.lru_cache(maxsize=8)
def noise_levels(schedule: Schedule) -> Float64[Tensor, " t"]:
    """The σ of every timestep: an image, scaled back to itself, has noise of this deviation (EDM, Table 1, VP)."""
    kept = (1 - schedule.betas()).cumprod(0)
    return ((1 - kept) / kept).sqrt()


@dataclass(frozen=True)
class DiffusionConfig:
    """A U-Net, what its output means, and how images are sampled.

    Attributes:
        prediction: edm (the preconditioning of Karras et al. 2022, Table 1), or what a DDPM predicts: the noise
            (epsilon), v of Salimans and Ho 2022, or the image (sample).
        schedule: of a DDPM: which timestep is which σ.
        sigma_data: deviation of the images (edm).
        sigma_min, sigma_max, rho, steps: noise levels of the sampler, EDM's equation 5; a step evaluates twice.
        guidance: strength of classifier-free guidance unless a sample says another one: 1 + w of Ho and Salimans 2022,
            equation 6, so 1 = none. Of classes it needs one that means none, which is the last of `num_class_embeds`.
        without_class: whether there is such a class.
    """

    unet: UNetConfig
    prediction: Prediction = "edm"
    schedule: Schedule | None = None
    sigma_data: float = 0.5
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0
    steps: int = 18
    guidance: float = 1.0
    without_class: bool = False

    def __post_init__(self) -> None:
        if (self.prediction == "edm") != (self.schedule is None):
            raise ValueError(f"the prediction {self.prediction} needs a schedule unless it is edm")
        if not 0 < self.sigma_min < self.sigma_max < math.inf or not self.sigma_data > 0:
            raise ValueError(f"noise levels from {self.sigma_min} to {self.sigma_max} do not rise from above 0")
        if not 1 <= self.steps <= 1000 or not 1 <= self.rho <= 100:  # noqa: PLR2004  # far beyond what anybody samples with
            raise ValueError(f"{self.steps} steps with rho {self.rho} are not 1 to 1000 with 1 to 100")
        if self.without_class and (self.unet.num_class_embeds or 0) < 2:  # noqa: PLR2004  # a class, and none
            raise ValueError("a class that means none needs another one beside it")
        if self.guidance != 1 and not self.without_class:
            raise ValueError("guidance needs a class that means none")

    @property
    def classes(self) -> int:
        """How many classes a sample can be asked to show; 0: it is told nothing."""
        return (self.unet.num_class_embeds or 0) - self.without_class
