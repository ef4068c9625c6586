"""What a diffusion model's training run is: the denoiser, its optimiser and the averaged one."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.generators.diffusion import Diffusion, sampling_levels
from handsoff.generators.latents import Latents
from handsoff.training.state import State

QUICK = sampling_levels(8, 0.02, 20.0)  # of a snapshot: as good as 12 steps over the whole range, see docs/diffusion.md
MEASURED = 500  # samples of a snapshot: each takes as long as training on five images


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
        return self.average.synthesize(latents, QUICK)


def new_state(denoiser: Diffusion, lr: float) -> DiffusionState:
    """A run at step 0."""
    return DiffusionState(
        average=copy.deepcopy(denoiser).eval().requires_grad_(requires_grad=False),
        denoiser=denoiser,
        optimizer=torch.optim.Adam(denoiser.parameters(), lr),
        losses={"denoising": 0.0},
    )
