"""Joint pivotal tuning (Roich et al. 2021, arXiv 2106.05744): one generator learns the photos that latents miss.

The latents that refinement found stay as they are, as pivots; the generator's weights move until it rebuilds all photos
from them (section 3.2, on all photos at once). A locality term (section 3.3) keeps the images of random latents as they
were, so that samples stay as good as before. Photos are all that is learnt from, no labels.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.device import mixed_precision
from handsoff.core.images import to_float
from handsoff.core.seeds import step_generator
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.latents import Latents
from handsoff.generators.nearness import Nearness
from handsoff.generators.stored import OWN, WEIGHTS, load_generator, save_generator
from handsoff.inversion.latent_space import require_w_space
from handsoff.inversion.refine import Target, falling, fitting_together
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.checkpoints import is_whole, load_checkpoint, save_checkpoint
from handsoff.jobs.progress import Part, Progress

PARTIAL = "generator.part.safetensors"
CHECKPOINT_STEPS = 25
NEAREST = 0.5  # of the way from a pivot to a random w: where locality begins
Photos = UInt8[Any, "n h w 3"]


@dataclass(frozen=True)
class Pivots:
    """What the generator is tuned on: photos, and the latents that stay as they are."""

    photos: Photos
    latents: Latents


def tune(target: Target, pivots: Pivots, out: Path, settings: InvertSettings, nearness: Nearness | None = None) -> Part:
    """Tune and write `out/generator`; continues from `generator.part.safetensors` when interrupted.

    `nearness` is what is known of the generator that is tuned: its samples stay as they were.
    """
    if is_whole(out / OWN / WEIGHTS):
        return
    tuned: Any = deepcopy(target.generator)
    tuned.requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(tuned.parameters(), settings.tuning_lr)
    start = 0
    if is_whole(out / PARTIAL):
        start = int(load_checkpoint(out / PARTIAL, {"generator": tuned}, {"optimizer": optimizer})["step"])
    for step in range(start, settings.tuning_steps):
        optimizer.param_groups[0]["lr"] = settings.tuning_lr * falling(step, settings.tuning_steps)
        losses = tuning_losses(replace(target, generator=tuned), target.generator, pivots, settings, step)
        optimizer.zero_grad(set_to_none=True)
        torch.stack([*losses.values()]).sum().backward()
        optimizer.step()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            save_checkpoint(out / PARTIAL, {"generator": tuned}, {"optimizer": optimizer}, {"step": step + 1})
        note = ", ".join(f"{name} {float(part.detach()):.3f}" for name, part in losses.items())
        yield Progress("tuning the generator", step + 1, settings.tuning_steps, note)
    save_generator(tuned, out / OWN, nearness, tuned_on=len(pivots.photos))
    (out / PARTIAL).unlink(missing_ok=True)


def tuning_losses(
    target: Target, before: StyleGenerator, pivots: Pivots, settings: InvertSettings, step: int
) -> Mapping[str, Tensor]:
    """The terms of one step: how well `target` rebuilds some photos, and how far random images have moved.

    Args:
        target: with the generator that is tuned.
        before: the generator as it was.
        pivots: all photos.
        settings: see there.
        step: its number, which chooses the photos and the random latents.
    """
    stream = step_generator(settings.seed, step, 3)
    chosen = torch.randperm(len(pivots.photos), generator=stream)[: fitting_together(before, settings.tuning_batch)]
    photos = to_float(pivots.photos[chosen.numpy()]).to(before.device)
    latents = pivots.latents[chosen].to(before.device)
    random = near_pivots(before, latents.tensors["ws"], stream)
    with torch.no_grad(), mixed_precision():
        kept = before.synthesize(random)
    perceptual, pixel = distances(target, latents, photos)
    moved = distances(target, random, kept.float())
    return {
        "perceptual": perceptual,
        "pixel": settings.pixel * pixel,
        "locality": settings.tuning_locality * (moved[0] + settings.pixel * moved[1]),
    }


@torch.no_grad()
def near_pivots(generator: StyleGenerator, pivots: Float[Tensor, "n l d"], stream: torch.Generator) -> Latents:
    """Random latents for half of the pivots: somewhere between halfway from the pivot to a random w and that w itself.

    The paper goes a fixed distance α from the pivot; going up to w itself covers what is sampled later.
    """
    count = (len(pivots) + 1) // 2
    z = torch.randn(count, generator.z_dim, generator=stream).to(generator.device)
    ws = generator.mapping(z, generator.random_condition(count, stream))
    share = NEAREST + (1 - NEAREST) * torch.rand(count, 1, 1, generator=stream).to(ws.device)
    return Latents({"ws": torch.lerp(pivots[:count], ws, share)})


def distances(
    target: Target, latents: Latents, images: Float[Tensor, "n 3 h w"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean perceptual distance and mean squared error of what latents give to images."""
    with mixed_precision():
        with torch.no_grad():
            features = target.perceptual.features(images)
        rebuilt = target.generator.synthesize(latents)
        perceptual = target.perceptual.distance(rebuilt, features).mean()
    return perceptual, (rebuilt - images).square().mean()


def tuned_generator(out: Path) -> StyleGenerator:
    """The generator that `tune` wrote."""
    return require_w_space(load_generator(out / OWN), str(out / OWN))
