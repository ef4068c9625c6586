"""Training of the pixel classifiers on the hypercolumns of some thousand pixels per step."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handsoff.core.device import mixed_precision
from handsoff.core.seeds import seeded, step_generator
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.pixel_samples import PixelSamples
from handsoff.labeling.runs import over_members
from handsoff.labeling.settings import FitSettings
from handsoff.tasks.base import Task

SCALED_BY = 200  # pixels of each image that say how features are standardised


@dataclass(frozen=True)
class PixelRun:
    """See `labeling.runs.Run`."""

    head: Ensemble
    samples: PixelSamples
    held_out: Bool[Tensor, "e n"]
    task: Task
    settings: FitSettings

    def step_loss(self, step: int) -> Float[Tensor, ""]:
        """The loss of one step: a few thousand pixels of a few images, each classifier without its held-out images."""
        samples, settings = self.samples, self.settings
        stream = step_generator(settings.seed, step, 2)
        dropout_seed = int(torch.randint(2**62, (), generator=stream))
        chosen = torch.randint(len(samples), (settings.images,), generator=stream)
        picks = torch.multinomial(samples.weights[chosen], settings.pixels, replacement=True, generator=stream)
        chosen, picks = chosen.to(samples.device), picks.to(samples.device)
        place = chosen[:, None], picks
        self.head.train()
        with seeded(dropout_seed), mixed_precision():
            outputs = self.head(samples.hypercolumns[place].flatten(0, 1))
        target = samples.target[place]
        by_image = outputs.float().unflatten(1, target.shape[:2]).movedim(3, 2)
        losses = torch.stack([self.task.learning.loss(member, target) for member in by_image])
        return over_members(losses, self.held_out[:, chosen])

    @torch.no_grad()
    def loss_on(self, member: int, image: int) -> Float[Tensor, ""]:
        """One classifier's mean loss on the pixels of one image."""
        with mixed_precision():
            outputs = self.head.eval().alone(member, self.samples.hypercolumns[image])
        return self.task.learning.loss(outputs.float().T[None], self.samples.target[image][None]).mean()


@torch.no_grad()
def standardise(ensemble: Ensemble, samples: PixelSamples) -> None:
    """Mean and deviation of every channel of the hypercolumn, over pixels of all images."""
    stream = torch.Generator().manual_seed(0)
    some = torch.randperm(samples.hypercolumns.shape[1], generator=stream)[:SCALED_BY].to(samples.device)
    values = samples.hypercolumns[:, some].float().flatten(0, 1)
    ensemble.mean.copy_(values.mean(0))
    ensemble.scale.copy_(values.std(0) + 1e-3)
