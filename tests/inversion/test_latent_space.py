"""The whitened coordinates of w."""

from pathlib import Path

import torch

from handsoff.core.seeds import standard_normal
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.inversion.latent_space import measure_latent_space, w_statistics
from toy import toy_generator


def test_whitened_latents_are_standard(tmp_path: Path) -> None:
    net = toy_generator(tmp_path)
    space = measure_latent_space(net)
    ws = net.mapping(torch.randn(4000, 16, generator=torch.Generator().manual_seed(5)))[:, 0]
    y = space.whiten(ws)
    assert y.mean(0).abs().max() < 0.1
    assert (torch.cov(y.T) - torch.eye(16)).abs().max() < 0.2
    torch.testing.assert_close(space.unwhiten(y), ws, rtol=1e-2, atol=1e-3)


def test_random_samples_have_unit_distance_where_w_has_fewer_dimensions_than_numbers() -> None:
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config((16, 12), (4, 3), 8, 10, 2, channel_base=64, channel_max=12)).eval()
    mean, whitening = w_statistics(net, samples=4000)
    w = net.mapping(standard_normal(range(2000), net.z_dim))[:, 0].detach()
    white = (w - mean) @ whitening
    spread = white.square().sum(1).mean() / torch.linalg.matrix_rank(torch.cov(white.T), rtol=0.1)
    assert abs(float(spread) - 1) < 0.1


def test_a_conditional_generator_is_measured_over_all_its_classes() -> None:
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config((8, 8), (4, 4), 8, 8, 2, channel_base=64, channel_max=8, classes=3)).eval()
    mean, _ = w_statistics(net, samples=3000)
    z = standard_normal(range(1000), net.z_dim)
    of_classes = [net.mapping(z, torch.full((1000,), name))[:, 0].mean(0) for name in range(3)]
    torch.testing.assert_close(mean, torch.stack(of_classes).mean(0).detach(), rtol=0.1, atol=0.05)
