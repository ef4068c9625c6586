"""How a diffusion model is trained: EDM's loss (Karras et al. 2022, Table 1), one step at a time."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.device import best_device, mixed_precision
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.frames import Frame, frame_of
from handsoff.core.seeds import per_sample, seeded, step_generator
from handsoff.generators.contract import Conditions
from handsoff.generators.diffusion import Diffusion, unet_type, wide
from handsoff.generators.diffusion_config import DiffusionConfig, Down, UNetConfig, Up
from handsoff.training.data import TrainingData
from handsoff.training.diffusion.state import DiffusionState, new_state
from handsoff.training.kinds import Kind, Limits
from handsoff.training.parallel import average_gradients
from handsoff.training.settings import TrainSettings
from handsoff.training.state import update_ema

MEAN, DEVIATION = -1.2, 1.2  # of log σ in training
HEAD = 64  # channels of an attention head: more of fewer channels take longer
WARM_UP = 10_000  # images over which the learning rate rises
HALF_LIFE = 10_000.0  # of the average of the weights, in images


def config_of(settings: TrainSettings) -> DiffusionConfig:
    """The shape of the model: attention on the coarsest level only, where it costs little.

    Raises:
        InputError: such a U-Net cannot be.
    """
    channels = settings.unet_channels
    levels = len(channels)
    down: list[Down] = [*["DownBlock2D"] * (levels - 1), "AttnDownBlock2D"]  # type: ignore[list-item]  # mypy sees any text
    up: list[Up] = ["AttnUpBlock2D", *["UpBlock2D"] * (levels - 1)]  # type: ignore[list-item]  # as above
    try:
        size = frame_of(settings.resolution)
    except ValueError:
        raise InputError(
            f"--resolution {settings.resolution!r} is not a size: write 64 or, as height x width, 256x192."
        ) from None
    try:
        return DiffusionConfig(
            UNetConfig(size, channels, tuple(down), tuple(up), attention_head_dim=min(HEAD, channels[-1]))
        )
    except ValueError as error:
        raise InputError(
            f"There is no U-Net with unet_channels = {list(channels)} at --resolution {settings.resolution}: {error}."
        ) from None


def check(settings: TrainSettings, init: Path | None = None) -> Frame:
    """The image size that is asked for.

    Raises:
        InputError: such a U-Net cannot be.
        MismatchError: there is an `init`.
        HandsOffError: diffusers is not installed.
    """
    if init is not None:
        raise MismatchError("--init begins with the weights of a StyleGAN2: leave it out with --kind diffusion.")
    unet_type()
    return config_of(settings).unet.sample_size


def build(settings: TrainSettings, init: Path | None = None, conditions: Conditions | None = None) -> DiffusionState:
    """The denoiser at its first step, made for `conditions` where there are any.

    Raises:
        InputError: such a U-Net cannot be.
    """
    del init  # `check` refused it
    with seeded(settings.seed):
        denoiser = Diffusion(config_of(settings), settings.licence, settings.framing, conditions)
    return new_state(denoiser.to(best_device()), settings.lr)


def denoising_step(
    state: DiffusionState, data: TrainingData, settings: TrainSettings, limits: Limits
) -> dict[str, float]:
    """One update from one batch of photos, each with noise of its own level and perhaps with what it shows."""
    count = settings.batch // limits.world
    stream = step_generator(settings.seed, state.step)
    with seeded(int(torch.randint(2**62, (), generator=stream))):
        images, shown = data.draw(count, stream)
        with mixed_precision():
            loss = denoising_loss(state.denoiser, images, shown)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(state.denoiser.parameters())
    state.optimizer.param_groups[0]["lr"] = settings.lr * min((state.images + settings.batch) / WARM_UP, 1.0)
    state.optimizer.step()
    update_ema(state.average, state.denoiser, state.images, count * limits.world, HALF_LIFE)
    return {"denoising": float(loss.detach())}


def denoising_loss(
    denoiser: Diffusion, images: Float[Tensor, "n 3 h w"], shown: Tensor | None = None
) -> Float[Tensor, ""]:
    """The mean of λ(σ) ‖D(y + n; σ) − y‖² for log-normal σ and λ = (σ² + σ_data²) / (σ σ_data)² (Table 1).

    `shown` is the condition of every image, of a conditional denoiser alone.
    """
    data = denoiser.config.sigma_data
    normal = per_sample(lambda n: torch.randn(n, device=images.device), len(images))
    sigma = (normal * DEVIATION + MEAN).exp()
    noise = per_sample(lambda n: torch.randn(n, *images.shape[1:], device=images.device), len(images))
    weight = (sigma.square() + data**2) / (sigma * data).square()
    found = denoiser.denoise(images + wide(sigma) * noise, sigma, shown)
    return (wide(weight) * (found - images).square()).mean()


DIFFUSION = Kind(check, build, denoising_step)
