"""How a StyleGAN2 is trained: both players, and one step of each."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.core.device import mixed_precision, on_device
from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, frame_of
from handsoff.core.seeds import seeded, step_generator
from handsoff.generators.conditions import encoded, label_width
from handsoff.generators.contract import Conditions
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.geometry.views import scaled_to
from handsoff.training.data import TrainingData
from handsoff.training.gan.beginning import beginning
from handsoff.training.gan.discriminators import Discriminator, Projected, StyleGAN2Discriminator
from handsoff.training.gan.state import GANState, new_state
from handsoff.training.kinds import Kind, Limits
from handsoff.training.parallel import average_gradients
from handsoff.training.settings import TrainSettings
from handsoff.training.state import update_ema

FINEST_CHANNELS = 48
SMALLEST = 29  # pixels that the projected discriminator can halve five times, rounding up twice
HALF_LIFE = 1_000.0  # of the average of the weights, in images: see docs/experiments/training.md


def parse_resolution(text: str) -> tuple[Frame, Frame]:
    """'64' or '256x192' (H×W) → frame and base, the smallest shape with both sides ≥ 3 that doubles to it.

    Raises:
        InputError: not of that form, or not a small base doubled at least once.
    """
    try:
        height, width = frame_of(text)
        doublings = 0
        while height % 2 == 0 and width % 2 == 0 and min(height, width) // 2 >= 3 and max(height, width) > 4:  # noqa: PLR2004  # bases from 4x3 on
            height, width, doublings = height // 2, width // 2, doublings + 1
    except ValueError:
        raise InputError(f"--resolution {text!r} is not a size: write 64 or, as height x width, 256x192.") from None
    if doublings < 1 or max(height, width) > 9:  # noqa: PLR2004  # a larger base would leave the shape to one constant
        raise InputError(
            f"--resolution {text} cannot be reached by doubling a small base such as 4x4 or 4x3: "
            "use 32, 64, 128, 256x192, …"
        )
    return (height << doublings, width << doublings), (height, width)


def config_of(settings: TrainSettings) -> StyleGAN2Config:
    """The shape of the generator.

    Raises:
        InputError: there can be none such.
    """
    frame, base = parse_resolution(settings.resolution)
    channel_base = settings.channel_base or FINEST_CHANNELS * (4 * frame[0] // base[0])
    try:
        return StyleGAN2Config(frame, base, settings.w_dim, settings.w_dim, 4, channel_base, settings.channel_max)
    except ValueError as error:
        raise InputError(f"There can be no such generator ({error}): change that setting.") from None


def check(settings: TrainSettings, init: Path | None = None) -> Frame:
    """The image size that is asked for.

    Raises:
        InputError: it cannot be reached, the networks cannot be built, or `init` is no generator.
        MismatchError: `init` is of another kind, size or framing.
    """
    frame = config_of(settings).resolution
    if init is not None:
        beginning(init, frame, settings)
    size = scaled_to(frame, settings.feature_size)
    if settings.discriminator == "projected" and min(size) < SMALLEST:
        raise InputError(
            f"feature_size {settings.feature_size} shows the discriminator images of {size[0]}x{size[1]} pixels, "
            f"and it needs {SMALLEST} on the shorter side: take a larger one."
        )
    return frame


def build(settings: TrainSettings, init: Path | None = None, conditions: Conditions | None = None) -> GANState:
    """Both players at their first step; the generator begins with the weights of another one where there is `init`.

    With `conditions` both are made for these.

    Raises:
        InputError: the resolution cannot be, or `init` is no generator.
        MismatchError: `init` is of another kind, size or framing.
    """
    config = config_of(settings)
    frame = config.resolution
    begin = None if init is None else beginning(init, frame, settings)
    discriminator: Discriminator
    labels = 0 if conditions is None else label_width(conditions)
    with seeded(settings.seed):
        generator = begin or StyleGAN2(config, settings.licence, settings.framing, conditions)
        if settings.discriminator == "projected":
            size, seed, augment = settings.feature_size, settings.seed, settings.augment != "none"
            discriminator = Projected(frame, size, seed, settings.r1, labels, augment=augment)
        else:
            discriminator = StyleGAN2Discriminator(generator.config.channels, generator.config.base, labels)
    return new_state(on_device(generator), on_device(discriminator), settings.g_lr, settings.d_lr)


def gan_step(state: GANState, data: TrainingData, settings: TrainSettings, limits: Limits) -> dict[str, float]:
    """One update of each player from one batch of generated images, seen once by the discriminator's fixed part."""
    count = settings.batch // limits.world
    stream = step_generator(settings.seed, state.step)
    with seeded(int(torch.randint(2**62, (), generator=stream))):
        reals, shown = data.draw(count, stream)
        asked, own = data.draw_conditions(count * limits.world, stream), share_of(count, limits)
        generator, discriminator = state.generator, state.discriminator
        both = (shown, None if asked is None else asked[own])
        labels = [None if told is None else encoded(generator.conditions, told) for told in both]
        with mixed_precision():
            z = torch.randn(count * limits.world, generator.z_dim, device=reals.device)  # neighbours may be elsewhere
            ws = mixed_latents(generator, z, settings.mixing, asked)[own]
            fake = discriminator.extract(generator.synthesis(ws, noise="random")[0])
            with torch.no_grad():
                real = discriminator.extract(reals)
            made = [feature.detach() for feature in fake]
            d_loss = discriminator.loss(real, made, state.step, (labels[0], labels[1]))
        update(discriminator, state.d_optimizer, d_loss)
        discriminator.requires_grad_(requires_grad=False)
        with mixed_precision():
            g_loss = discriminator.generator_loss(fake, labels[1])
        update(generator, state.g_optimizer, g_loss)
        discriminator.requires_grad_(requires_grad=True)
        update_ema(state.average, generator, state.images, count * limits.world, HALF_LIFE)
        return {"d": float(d_loss.detach()), "g": float(g_loss.detach())}


def share_of(count: int, limits: Limits) -> slice:
    """Which samples of a batch are this process's."""
    return slice(limits.rank * count, (limits.rank + 1) * count)


def update(player: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(player.parameters())
    optimizer.step()


def mixed_latents(
    generator: StyleGAN2, z: Float[Tensor, "n z"], mixing: float, condition: Tensor | None = None
) -> Float[Tensor, "n l d"]:
    """ws with style mixing: from a random layer on, w of another z and the same condition (StyleGAN, section 3.1)."""
    ws = generator.mapping(z, condition)
    other = ws.roll(1, 0) if condition is None else generator.mapping(z.roll(1, 0), condition)
    cut = torch.randint(1, generator.num_ws, (z.shape[0], 1, 1), device=z.device)
    cut = torch.where(torch.rand(cut.shape, device=z.device) < mixing, cut, generator.num_ws)
    return torch.where(torch.arange(generator.num_ws, device=z.device)[None, :, None] < cut, ws, other)


GAN = Kind(check, build, gan_step)
