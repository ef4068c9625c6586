"""What a GAN's training run is: both players, their optimisers and the averaged generator."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from handsoff.core.device import best_device
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.training.gan.discriminators import Discriminator
from handsoff.training.state import State


@dataclass(kw_only=True)
class GANState(State):
    """Both players and their optimisers."""

    average: StyleGAN2
    generator: StyleGAN2
    discriminator: Discriminator
    g_optimizer: torch.optim.Adam
    d_optimizer: torch.optim.Adam

    def modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "average": self.average, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}

    def settled(self) -> StyleGAN2:
        estimate_w_avg(self.average)
        return self.average


def new_state(generator: StyleGAN2, discriminator: Discriminator, g_lr: float, d_lr: float) -> GANState:
    """A run at step 0. Adam with beta1 = 0, as GAN papers since StyleGAN use it."""
    return GANState(
        average=copy.deepcopy(generator).eval().requires_grad_(requires_grad=False),
        generator=generator,
        discriminator=discriminator,
        g_optimizer=torch.optim.Adam(generator.parameters(), g_lr, betas=(0.0, 0.99), eps=1e-8),
        d_optimizer=torch.optim.Adam(discriminator.parameters(), d_lr, betas=(0.0, 0.99), eps=1e-8),
        losses={"d": 0.0, "g": 0.0},
        chance=discriminator.chance,
    )


@torch.no_grad()
def estimate_w_avg(generator: StyleGAN2) -> None:
    """Set w_avg, which truncation pulls towards, to the mean of w over many z and, where there are any, conditions."""
    stream = torch.Generator().manual_seed(0)
    z = torch.randn(10_000, generator.z_dim, generator=stream).to(best_device())
    condition = generator.random_condition(len(z), stream)
    generator.mapping_network.w_avg.copy_(generator.mapping_network(z, condition).mean(0))
