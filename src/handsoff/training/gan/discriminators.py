"""The two discriminators: `extract` takes images to features (differentiable, fixed), `logits` is the trained part.

Splitting them lets one pass over the generated images serve both networks of a step. Conditions come in by projection
(Miyato & Koyama 2018, arXiv 1802.05637, equation 3): to a logit is added the inner product of what the last layer reads
with an embedding of the labels, which `generators.conditions.encoded` gives.
"""

import math
from itertools import pairwise
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from handsoff.backbones.lite0 import FEATURE_CHANNELS, frozen_lite0
from handsoff.core.frames import Frame
from handsoff.core.seeds import seeded
from handsoff.generators.stylegan2 import GAIN, SLOPE, Linear
from handsoff.geometry.views import scaled_to
from handsoff.training.gan.augment import adaptive_augment, diff_augment
from handsoff.training.parallel import mean_everywhere, processes, variance_everywhere

Images = Float[Tensor, "n 3 h w"]
Features = list[Float[Tensor, "n _c _h _w"]]
Labels = Float[Tensor, "n _l"] | None
Sides = tuple[Labels, Labels]  # of real and of generated images
LAST = 128  # channels that the last layer of a projected head reads


class RandomProjection(nn.Module):
    """Fixed random mixing across channels, then across scales from coarse to fine (Sauer et al. 2021, section 3.2)."""

    widths: ClassVar = (64, 64, 128, 256)

    def __init__(self, inputs: tuple[int, ...]) -> None:
        super().__init__()
        self.channel_mix = nn.ModuleList(
            [nn.Conv2d(i, o, 1, bias=False) for i, o in zip(inputs, self.widths, strict=True)]
        )
        self.scale_mix = nn.ModuleList([nn.Conv2d(self.widths[k + 1], self.widths[k], 1, bias=False) for k in range(3)])
        for parameter in self.parameters():
            nn.init.kaiming_normal_(parameter)

    def forward(self, maps: Features) -> Features:
        mixed = [conv(values) for conv, values in zip(self.channel_mix, maps, strict=True)]
        outputs = [mixed[3]]
        for level in (2, 1, 0):
            coarse = F.interpolate(outputs[0], size=mixed[level].shape[-2:], mode="bilinear", align_corners=False)
            outputs.insert(0, mixed[level] + self.scale_mix[level](coarse))
        return outputs


def projected_head(inputs: int, halvings: int) -> nn.Sequential:
    """A small spectrally normalised network for one scale: down to the coarsest size, then one logit per place."""
    layers: list[nn.Module] = []
    for _ in range(halvings):
        outputs = min(inputs * 2, LAST)
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)), nn.LeakyReLU(SLOPE)]
        inputs = outputs
    layers += [
        WithDeviation(),
        spectral_norm(nn.Conv2d(inputs + 1, LAST, 3, padding=1)),
        nn.LeakyReLU(SLOPE),
        spectral_norm(nn.Conv2d(LAST, 1, 1)),
    ]
    return nn.Sequential(*layers)


class WithDeviation(nn.Module):
    """Adds one channel: how much images differ within groups of four (Karras et al. 2018, section 3).

    Without it nothing tells the generator that all its images are alike.
    """

    group = 4

    def forward(self, x: Tensor) -> Tensor:
        groups = x.float().view(-1, self.group if x.shape[0] % self.group == 0 else x.shape[0], *x.shape[1:])
        deviation = groups.var(1, unbiased=False).add(1e-8).sqrt().mean((1, 2, 3))
        plane = deviation.repeat_interleave(groups.shape[1]).view(-1, 1, 1, 1).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, plane.to(x.dtype)], 1)


class Projected(nn.Module):
    """Projected GAN's discriminator (arXiv 2111.01007): Lite0 features at /4 … /32, hinge loss, DiffAugment.

    Only the heads are in the state; the frozen features come from the wheel, the projection from the seed.
    """

    chance = 2.0 * len(RandomProjection.widths)  # its loss where it cannot tell real from made

    def __init__(
        self, frame: Frame, feature_size: int, seed: int, r1: float, labels: int = 0, *, augment: bool = True
    ) -> None:
        """`labels`: how many numbers a condition is encoded by, 0 where there are no conditions."""
        super().__init__()
        self.r1, self.size, self.augment = r1, scaled_to(frame, feature_size), augment
        self.heads = nn.ModuleList(
            [projected_head(width, 3 - level) for level, width in enumerate(RandomProjection.widths)]
        )
        self.embeds = nn.ModuleList(
            [spectral_norm(nn.Linear(labels, LAST, bias=False)) for _ in self.heads] if labels else []
        )
        with seeded(seed):
            projection = RandomProjection(FEATURE_CHANNELS[1:]).requires_grad_(requires_grad=False)
        net = frozen_lite0()
        projection = projection.to(net.mean.device, next(net.parameters()).dtype)
        self.frozen = net, projection  # a tuple: not part of the state

    def extract(self, images: Images) -> Features:
        augmented = diff_augment(images) if self.augment else images
        if augmented.shape[-2:] != self.size:
            augmented = F.interpolate(augmented, size=self.size, mode="bilinear", align_corners=False)
        net, projection = self.frozen
        features: Features = projection(net(augmented)[1:])
        return features

    def logits(self, features: Features, labels: Labels = None) -> list[Tensor]:
        """Logits of every scale; features of tall images are transposed first.

        Strided bfloat16 convolutions give garbage in the AMX kernels of oneDNN 3.12 where the output is one column wide
        and several rows high; one row of several columns is right.
        """
        lying = [feature.mT if feature.shape[-2] > feature.shape[-1] else feature for feature in features]
        trunks = [cast("nn.Sequential", head)[:-1](feature) for head, feature in zip(self.heads, lying, strict=True)]
        found = [cast("nn.Sequential", head)[-1](x).float() for head, x in zip(self.heads, trunks, strict=True)]
        if labels is None:
            return found
        embedded = [embed(labels)[:, :, None, None] for embed in self.embeds]
        projected = [(e.float() * x.float()).sum(1, keepdim=True) for e, x in zip(embedded, trunks, strict=True)]
        return [logit + more for logit, more in zip(found, projected, strict=True)]

    def loss(self, real: Features, fake: Features, step: int, labels: Sides = (None, None)) -> Tensor:
        """Hinge loss of equation 3 and R1 (Mescheder et al. 2018, equation 9) on the real features, summed over scales.

        With spectral normalisation alone the heads win in some domains, and the generator jumps from one shape to the
        next.
        """
        del step
        features = [feature.detach().requires_grad_(self.r1 > 0) for feature in real]
        real_logits = self.logits(features, labels[0])
        logits = zip(real_logits, self.logits(fake, labels[1]), strict=True)
        hinge = torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in logits]).sum()
        return hinge + self.r1 / 2 * steepness(real_logits, features) if self.r1 > 0 else hinge

    def generator_loss(self, fake: Features, labels: Labels = None) -> Tensor:
        return torch.stack([-logits.mean() for logits in self.logits(fake, labels)]).sum()


def steepness(logits: list[Tensor], features: Features) -> Float[Tensor, ""]:
    """Squared change of a logit per standard deviation of the features, over images and summed over scales.

    A map of logits counts as their sum divided by the root of their number, so that the image's size has no effect.
    """
    totals = [logit.sum() / math.sqrt(logit[0].numel()) for logit in logits]
    gradients = torch.autograd.grad(torch.stack(totals).sum(), features, create_graph=True)
    pairs = zip(gradients, features, strict=True)
    return torch.stack(
        [g.float().square().sum((1, 2, 3)).mean() * variance_everywhere(f.detach().float()) for g, f in pairs]
    ).sum()


class ResidualBlock(nn.Module):
    """Halve the size, residually (StyleGAN2, section 4.1)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0, self.conv1, self.skip = (
            EqualConv(inputs, inputs, 3),
            EqualConv(inputs, outputs, 3),
            EqualConv(inputs, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(F.leaky_relu(self.conv0(x), SLOPE) * GAIN, 2)
        y = F.leaky_relu(self.conv1(y), SLOPE) * GAIN
        return (y + self.skip(F.avg_pool2d(x, 2))) * math.sqrt(0.5)


class EqualConv(nn.Conv2d):
    """Convolution with an equalised learning rate."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(self.weight)
        nn.init.constant_(cast("Tensor", self.bias), 0)
        self.gain = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=self.padding)


class StyleGAN2Discriminator(nn.Module):
    """StyleGAN2's residual discriminator: logistic loss, lazy R1 every 16 steps, adaptive augmentation (ADA).

    `p` rises while the discriminator is too sure of real images (mean sign of its logits above 0.6) and falls else.
    """

    interval, target, r1_gamma, ada_kimg = 16, 0.6, 1.0, 100.0
    chance = 2 * math.log(2)  # as above

    def __init__(self, channels: tuple[int, ...], base: Frame, labels: int = 0) -> None:
        """`labels` as of the projected one."""
        super().__init__()
        widths = channels[::-1]
        self.stem = EqualConv(3, widths[0], 1)
        self.blocks = nn.Sequential(*[ResidualBlock(i, o) for i, o in pairwise(widths)])
        self.with_deviation = WithDeviation()
        self.conv = EqualConv(widths[-1] + 1, widths[-1], 3)
        self.fc = Linear(widths[-1] * base[0] * base[1], widths[-1], activate=True)
        self.out = Linear(widths[-1], 1)
        self.embed = Linear(labels, widths[-1]) if labels else None
        self.p: Tensor
        self.register_buffer("p", torch.zeros(()))

    def extract(self, images: Images) -> Features:
        return [adaptive_augment(images, float(self.p))]

    def logits(self, features: Features, labels: Labels = None) -> list[Tensor]:
        x = self.blocks(F.leaky_relu(self.stem(features[0]), SLOPE) * GAIN).float()
        x = F.leaky_relu(self.conv(self.with_deviation(x)), SLOPE) * GAIN
        x = self.fc(x.flatten(1).float())
        if labels is None or self.embed is None:
            return [self.out(x)]
        return [self.out(x) + (self.embed(labels) * x).sum(1, keepdim=True) / math.sqrt(x.shape[1])]

    def loss(self, real: Features, fake: Features, step: int, labels: Sides = (None, None)) -> Tensor:
        """Non-saturating logistic loss; R1 (Mescheder et al. 2018) on the real images every `interval` steps."""
        penalise = step % self.interval == 0
        images = real[0].detach().requires_grad_(penalise)
        real_logits, fake_logits = self.logits([images], labels[0])[0], self.logits(fake, labels[1])[0]
        self.adapt(real_logits.detach())
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        if penalise:
            (gradient,) = torch.autograd.grad(real_logits.sum(), images, create_graph=True)
            loss = loss + self.interval * self.r1_gamma / 2 * gradient.float().square().sum((1, 2, 3)).mean()
        return loss

    def adapt(self, real_logits: Tensor) -> None:
        """ADA's heuristic r_t: move p by one image's share of `ada_kimg`."""
        direction = (mean_everywhere(real_logits.sign().mean()) - self.target).sign()
        self.p.add_(direction * real_logits.shape[0] * processes() / (self.ada_kimg * 1000)).clamp_(0, 0.8)

    def generator_loss(self, fake: Features, labels: Labels = None) -> Tensor:
        return F.softplus(-self.logits(fake, labels)[0]).mean()


Discriminator = Projected | StyleGAN2Discriminator
