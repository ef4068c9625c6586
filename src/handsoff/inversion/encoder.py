"""An encoder from photo to ws, trained on the generator's own samples and, through reconstruction, on real photos."""

import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.backbones.lite0 import FEATURE_CHANNELS, Lite0
from handsoff.core.device import mixed_precision, on_device
from handsoff.core.errors import MismatchError
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.core.seeds import seeded, step_generator
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import Latents
from handsoff.geometry.views import scaled_to
from handsoff.inversion.refine import Target
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.checkpoints import is_whole, load_checkpoint, save_checkpoint
from handsoff.jobs.progress import Part, Progress

PASSES = "passes"  # how many, in the encoder's file
ENCODER, PARTIAL = "encoder.safetensors", "encoder.part.safetensors"
CHECKPOINT_STEPS = 100
Photos = UInt8[np.ndarray, "n h w 3"]
LONGER_SIDE = 128  # pixels: photos are resized to it
RISE = 0.1  # share of the steps in which the learning rate rises
RISE_OF_TEN = 0.099  # the same of ten steps: a tenth of them is a rise without length, and torch divides by it
GRID = 4  # cells per side that the features are averaged in


class Encoder(nn.Module):
    """EfficientNet-Lite0 features at /8, /16 and /32, averaged on a 4×4 grid, then two layers to whitened latents.

    With several passes it also sees what it rebuilt so far, and gives the correction (Alaluf et al. 2021, ReStyle,
    section 3): y ← y + E(photo, G(y)), from the mean latents on.
    """

    def __init__(self, num_ws: int, w_dim: int, frame: Frame, *, passes: int = 1, pretrained: bool = True) -> None:
        super().__init__()
        self.trunk = Lite0(pretrained=pretrained)
        self.shape, self.size = (num_ws, w_dim), scaled_to(frame, LONGER_SIDE)
        self.passes, self.looks_back = passes, passes > 1
        self.hidden = nn.Linear(sum(FEATURE_CHANNELS[2:]) * GRID**2 * (1 + self.looks_back), 512)
        self.out = nn.Linear(512, num_ws * w_dim)
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, y: Float[Tensor, "n l d"], seen: Float[Tensor, "n c"], rebuilt: Float[Tensor, "n 3 h w"] | None
    ) -> Float[Tensor, "n l d"]:
        """One pass: the whitened latents so far, what was seen of the images, what y rebuilds → better latents."""
        if rebuilt is not None:
            seen = torch.cat([seen, self.see(rebuilt)], 1)
        step = self.out(F.leaky_relu(self.hidden(seen), 0.2))
        return y + step.float().view(-1, *self.shape)

    def see(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c"]:
        """Images in [-1, 1] → pooled features."""
        if images.shape[-2:] != self.size:
            images = F.interpolate(images, size=self.size, mode="bilinear", align_corners=False)
        return torch.cat([F.adaptive_avg_pool2d(found, GRID).flatten(1) for found in self.trunk(images)[2:]], 1)


def new_encoder(generator: StyleGenerator, passes: int = 1, *, pretrained: bool = True) -> Encoder:
    shape = generator.num_ws, generator.w_dim, generator.image_size
    return on_device(Encoder(*shape, passes=passes, pretrained=pretrained))


@torch.no_grad()
def encoded(encoder: Encoder, target: Target, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n l d"]:
    """The whitened latents of images in [-1, 1]."""
    y, seen = torch.zeros(len(images), *encoder.shape, device=images.device), encoder.see(images)
    for _ in range(encoder.passes):
        y = encoder(y, seen, target.rebuild(y) if encoder.looks_back else None)
    return y


def load_encoder(generator: StyleGenerator, folder: Path) -> Encoder:
    """Read a trained encoder, in evaluation mode.

    Raises:
        InputError: the folder holds none, or it is damaged.
        MismatchError: it is of a generator of another shape.
    """
    weights = read_tensors(folder / ENCODER)
    encoder = new_encoder(generator, int(weights.pop(PASSES, torch.tensor(1))), pretrained=False)
    try:
        encoder.load_state_dict(weights)
    except RuntimeError:
        raise MismatchError(
            f"{folder / ENCODER} does not fit the generator: give an encoder of a generator of this shape."
        ) from None
    return encoder.eval().requires_grad_(requires_grad=False)


def train_encoder(target: Target, photos: Photos | None, out: Path, settings: InvertSettings) -> Part:
    """Train and write `encoder.safetensors`; continues from `encoder.part.safetensors` when interrupted.

    Loss: error of the whitened latents of samples; perceptual + pixel + prior on reconstructions of samples and photos.
    """
    with seeded(settings.seed):
        encoder = new_encoder(target.generator, settings.encoder_passes)
    optimizer = torch.optim.Adam(encoder.parameters(), settings.encoder_lr)
    total = settings.encoder_steps + 1
    rise = RISE if RISE * total != 1 else RISE_OF_TEN
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.encoder_lr, total, pct_start=rise)
    start = 0
    if is_whole(out / PARTIAL):
        start = int(load_checkpoint(out / PARTIAL, {"encoder": encoder}, {"optimizer": optimizer})["step"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the optimiser's steps were made before the interruption
            for _ in range(start):
                schedule.step()
    encoder.train()
    for step in range(start, settings.encoder_steps):
        losses = encoder_losses(encoder, target, photos, settings, step)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()  # type: ignore[union-attr]  # a tensor: the dict is not empty
        optimizer.step()
        schedule.step()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            save_checkpoint(out / PARTIAL, {"encoder": encoder}, {"optimizer": optimizer}, {"step": step + 1})
        if step % 5 == 0:
            note = ", ".join(f"{name} {float(part.detach()):.3f}" for name, part in losses.items())
            yield Progress("training the encoder", step + 1, settings.encoder_steps, note)
    write_tensors(out / ENCODER, {**encoder.state_dict(), PASSES: torch.tensor(encoder.passes)}, sealed=True)


def encoder_losses(
    encoder: Encoder, target: Target, photos: Photos | None, settings: InvertSettings, step: int
) -> dict[str, Tensor]:
    """The terms of one step, means over the passes.

    Half of the batch are samples, half photos; all are samples where there are no photos.
    """
    stream = step_generator(settings.seed, step, 1)
    samples = settings.encoder_batch // 2 if photos is not None else settings.encoder_batch
    with torch.no_grad(), mixed_precision():
        ws = mixed_latents(target.generator, samples, stream)
        images = target.generator.synthesize(Latents({"ws": ws})).clamp(-1, 1)
    if photos is not None:
        chosen = torch.randint(len(photos), (settings.encoder_batch - samples,), generator=stream).numpy()
        real = to_float(photos[chosen]).to(images.device)
        flipped = torch.rand(len(real), 1, 1, 1, generator=stream).to(images.device) < 0.5  # noqa: PLR2004  # half of them
        images = torch.cat([images, torch.where(flipped, real.flip(3), real)])
    with torch.no_grad(), mixed_precision():
        features, latents = target.perceptual.features(images), target.space.whiten(ws)
    with mixed_precision():
        seen = encoder.see(images)
    y = torch.zeros(len(images), *encoder.shape, device=images.device)
    found: list[dict[str, Tensor]] = []
    for _ in range(encoder.passes):  # gradients of the latents stay within a pass
        with mixed_precision():
            with torch.no_grad():
                before = target.rebuild(y) if encoder.looks_back else None
            y = encoder(y.detach(), seen, before)
            rebuilt = target.rebuild(y)
            perceptual = target.perceptual.distance(rebuilt, features).mean()
        terms = {"latents": F.mse_loss(y[:samples], latents), "perceptual": perceptual}
        terms |= {"pixel": settings.pixel * F.mse_loss(rebuilt, images), "prior": settings.prior * y.square().mean()}
        found.append(terms)
    return {name: torch.stack([terms[name] for terms in found]).mean() for name in found[0]}


def mixed_latents(generator: StyleGenerator, count: int, stream: torch.Generator) -> Float[Tensor, "n l d"]:
    """ws of random z, half of them with two styles mixed, so that the encoder learns W+ and not only W."""
    z = torch.randn(count, generator.z_dim, generator=stream).to(generator.device)
    ws = generator.mapping(z, generator.random_condition(count, stream))
    cut = torch.randint(1, 2 * generator.num_ws, (count, 1, 1), generator=stream).to(ws.device)
    return torch.where(torch.arange(generator.num_ws, device=ws.device)[None, :, None] < cut, ws, ws.roll(1, 0))


@torch.no_grad()
def starting_point(target: Target, encoder: Encoder | None, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n l d"]:
    """Whitened latents to start from: the encoder's, or the mean."""
    if encoder is None:
        return torch.zeros(len(images), target.generator.num_ws, target.generator.w_dim, device=images.device)
    with mixed_precision():
        return encoded(encoder, target, images)
