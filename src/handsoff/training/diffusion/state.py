"""What a diffusion model's training run is: the denoiser, its optimiser and the averaged one."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.generators.diffusion import Diffusion
from handsoff.generators.latents import Latents
from handsoff.training.state import State

SNAPSHOT_STEPS = 6  # of the sampler: a snapshot takes a third of the time of full sampling, and looks a bit blurred
MEASURED = 500  # samples of a snapshot: each takes as long as training on three images


@dataclass(kw_only=True)
class DiffusionState(State):
    """The denoiser and its optimiser."""

    average: Diffusion
    denoiser: Diffusion
    optimizer: torch.optim.Adam
    measured: int = MEASURED

    def modules(self) -> dict[str, nn.Module]:
        return {"denoiser": self.denoiser, "average": self.average}

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"optimizer": self.optimizer}

    def draw(self, latents: Latents) -> Float[Tensor, "n 3 h w"]:
        return self.average.synthesize(latents, SNAPSHOT_STEPS)


def new_state(denoiser: Diffusion, lr: float) -> DiffusionState:
    """A run at step 0."""
    return DiffusionState(
        average=copy.deepcopy(denoiser).eval().requires_grad_(requires_grad=False),
        denoiser=denoiser,
        optimizer=torch.optim.Adam(denoiser.parameters(), lr),
        losses={"denoising": 0.0},
    )
