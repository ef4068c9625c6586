"""An encoder from photo to ws, trained on the generator's own samples and, through reconstruction, on real photos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.backbones.lite0 import TAP_CHANNELS, Lite0
from handsoff.backbones.perceptual import LOOK_SIZE, Perceptual
from handsoff.core.device import best_device, mixed_precision, on_device
from handsoff.core.files import read_tensors, write_tensors
from handsoff.core.frames import Frame
from handsoff.core.images import to_float
from handsoff.core.seeds import seeded, step_generator
from handsoff.generators.stylegan2 import StyleGAN2 as Generator
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.checkpoints import load_checkpoint, save_checkpoint
from handsoff.jobs.progress import Part, Progress

ENCODER, CHECKPOINT_STEPS = "encoder.safetensors", 100
Photos = UInt8[np.ndarray, "n h w 3"]
GRID = 4  # places per side that the encoder reads the features at


@dataclass(frozen=True)
class LatentSpace:
    """The generator's w distribution: standardised codes y (mean 0, unit covariance) against w = mean + y @ colour."""

    mean: Float[Tensor, " d"]
    whiten: Float[Tensor, "d d"]
    colour: Float[Tensor, "d d"]

    def to_w(self, y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        return self.mean + y @ self.colour

    def to_y(self, w: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        return (w - self.mean) @ self.whiten


def latent_space(generator: Generator) -> LatentSpace:
    """Measure it from samples."""
    mean, whiten = w_statistics(generator)
    return LatentSpace(mean, whiten, torch.linalg.pinv(whiten.double()).float())


def w_statistics(generator: Generator) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean of w and the matrix that whitens it."""
    stream = torch.Generator().manual_seed(0)
    z = torch.randn(10_000, generator.z_dim, generator=stream).to(generator.device)
    w = generator.mapping(z, generator.random_classes(10_000, stream))[:, 0].double()
    values, vectors = torch.linalg.eigh(torch.cov(w.T))
    whiten = vectors * values.clamp_min(values.max() * 1e-4).rsqrt()
    return w.mean(0).float(), whiten.float()


class Encoder(nn.Module):
    """EfficientNet-Lite0 features at /8, /16 and /32, read on a 4×4 grid, and two linear layers to standardised codes."""

    def __init__(self, num_ws: int, w_dim: int, frame: Frame) -> None:
        super().__init__()
        self.trunk = Lite0()
        self.shape = (num_ws, w_dim)
        scale = LOOK_SIZE / max(frame)
        self.size = (round(frame[0] * scale), round(frame[1] * scale))
        self.hidden = nn.Linear(sum(TAP_CHANNELS[2:]) * GRID**2, 512)
        self.out = nn.Linear(512, num_ws * w_dim)
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.zeros_(self.out.bias)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n l d"]:
        """Images in [-1, 1] → standardised codes y."""
        if images.shape[-2:] != self.size:
            images = F.interpolate(images, size=self.size, mode="bilinear", align_corners=False)
        taps = [F.adaptive_avg_pool2d(tap, GRID).flatten(1) for tap in self.trunk(images)[2:]]
        y = self.out(F.leaky_relu(self.hidden(torch.cat(taps, 1)), 0.2))
        return y.float().view(-1, *self.shape)


def new_encoder(generator: Generator) -> Encoder:
    return on_device(Encoder(generator.num_ws, generator.w_dim, generator.image_size))


def load_encoder(generator: Generator, folder: Path) -> Encoder:
    """Read a trained encoder, in evaluation mode."""
    encoder = new_encoder(generator)
    encoder.load_state_dict(read_tensors(folder / ENCODER))
    return encoder.eval().requires_grad_(requires_grad=False)


def train_encoder(
    generator: Generator, photos: Photos | None, perceptual: Perceptual, out: Path, settings: InvertSettings
) -> Part:
    """Train and write `encoder.safetensors`; continues from `encoder.part.safetensors` when interrupted.

    Loss: standardised code error on samples; perceptual + pixel + prior on the reconstruction of samples and photos.
    """
    if (out / ENCODER).is_file():
        return
    with seeded(settings.seed):
        encoder = new_encoder(generator)
    space = latent_space(generator)
    optimizer = torch.optim.Adam(encoder.parameters(), settings.encoder_lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.encoder_lr, settings.encoder_steps + 1, pct_start=0.1
    )
    partial, start = out / "encoder.part.safetensors", 0
    if partial.is_file():
        start = int(load_checkpoint(partial, {"encoder": encoder}, {"optimizer": optimizer})["step"])
        for _ in range(start):
            schedule.step()
    encoder.train()
    for step in range(start, settings.encoder_steps):
        loss = encoder_loss(encoder, generator, photos, perceptual, space, settings, step)
        optimizer.zero_grad(set_to_none=True)
        sum(loss.values()).backward()  # type: ignore[union-attr]  # a tensor: the dict is not empty
        optimizer.step()
        schedule.step()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            save_checkpoint(partial, {"encoder": encoder}, {"optimizer": optimizer}, {"step": step + 1})
        if step % 5 == 0:
            note = ", ".join(f"{name} {float(part.detach()):.3f}" for name, part in loss.items())
            yield Progress("training the encoder", step + 1, settings.encoder_steps, note)
    write_tensors(out / ENCODER, encoder.state_dict())
    partial.unlink(missing_ok=True)


def encoder_loss(
    encoder: Encoder,
    generator: Generator,
    photos: Photos | None,
    perceptual: Perceptual,
    space: LatentSpace,
    settings: InvertSettings,
    step: int,
) -> dict[str, Tensor]:
    """The terms of one step: half of the batch are samples, half photos (all samples where there are no photos)."""
    stream = step_generator(settings.seed, step, 1)
    samples = settings.encoder_batch // 2 if photos is not None else settings.encoder_batch
    with torch.no_grad(), mixed_precision():
        ws = sample_codes(generator, samples, stream)
        images = generator.synthesis(ws)[0].clamp(-1, 1)
    if photos is not None:
        chosen = torch.randint(len(photos), (settings.encoder_batch - samples,), generator=stream).numpy()
        real = to_float(photos[chosen]).to(images.device)
        flipped = torch.rand(len(real), 1, 1, 1, generator=stream).to(images.device) < 0.5  # noqa: PLR2004  # half of them
        images = torch.cat([images, torch.where(flipped, real.flip(3), real)])
    with mixed_precision():
        y = encoder(images)
        rebuilt = generator.synthesis(space.to_w(y))[0]
        with torch.no_grad():
            target = perceptual.features(images)
        look = perceptual.distance(rebuilt, target).mean()
    return {
        "code": F.mse_loss(y[:samples], space.to_y(ws)),
        "perceptual": look,
        "pixel": settings.pixel * F.mse_loss(rebuilt, images),
        "prior": settings.prior * y.square().mean(),
    }


def sample_codes(generator: Generator, count: int, stream: torch.Generator) -> Float[Tensor, "n l d"]:
    """ws of random z, half of them with two styles mixed, so that the encoder learns W+ and not only W."""
    z = torch.randn(count, generator.z_dim, generator=stream).to(best_device())
    ws = generator.mapping(z)
    cut = torch.randint(1, 2 * generator.num_ws, (count, 1, 1), generator=stream).to(ws.device)
    return torch.where(torch.arange(generator.num_ws, device=ws.device)[None, :, None] < cut, ws, ws.roll(1, 0))
