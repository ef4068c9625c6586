import numpy as np
import pytest
import torch
from torch.nn import functional as F

from handsoff.backbones import lite0
from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import FEATURE_CHANNELS, Lite0, SameConv, frozen_lite0
from handsoff.core.device import best_device


@pytest.fixture(scope="module")
def plain() -> Lite0:
    return Lite0().eval().requires_grad_(requires_grad=False).to(best_device())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    coarse = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(-1, 1).to(best_device())


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).norm() / b.float().norm())


@torch.no_grad()
def test_folding_the_batch_norm_changes_nothing(
    plain: Lite0, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite0, "fast_dtype", lambda: torch.float32)
    folded = frozen_lite0()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    for ours, theirs in zip(folded(images), plain(images), strict=True):
        assert relative(ours, theirs) < 1e-4
    assert relative(folded.pooled(images), plain.pooled(images)) < 1e-4


@torch.no_grad()
def test_bfloat16_is_close_enough(plain: Lite0, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "fast_dtype", lambda: torch.bfloat16)
    fast = frozen_lite0()
    maps = fast(images)
    assert all(found.dtype == torch.bfloat16 for found in maps)
    for ours, theirs in zip(maps, plain(images), strict=True):
        assert relative(ours, theirs) < 0.05
    assert fast.pooled(images).dtype == torch.float32
    assert relative(fast.pooled(images), plain.pooled(images)) < 0.05


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 43), (33, 96), (31, 32)])
def test_feature_maps_halve_the_size_rounding_up(plain: Lite0, height: int, width: int) -> None:
    maps = plain(torch.zeros(1, 3, height, width, device=best_device()))
    expected = [
        (channels, -(-height // 2**k), -(-width // 2**k)) for k, channels in enumerate(FEATURE_CHANNELS, start=1)
    ]
    assert [tuple(found.shape[1:]) for found in maps] == expected


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (9, 5, 2), (8, 5, 1)])
def test_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    conv = SameConv(1, 1, kernel, stride, bias=False)
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    padded = F.pad(torch.ones(1, 1, size, size), (total // 2, total - total // 2) * 2)
    assert torch.allclose(conv(torch.ones(1, 1, size, size)), F.conv2d(padded, conv.weight, stride=stride))


def test_it_has_learnt_something(plain: Lite0) -> None:
    """The weights sit where they belong: features of two crops of one texture are nearer than those of two textures."""
    rng = np.random.default_rng(0)
    stripes = torch.from_numpy(np.tile(np.sign(np.sin(np.arange(96) / 3)), (96, 1))).float()
    noise = torch.from_numpy(rng.uniform(-1, 1, (96, 96))).float()
    crops = torch.stack([stripes[:64, :64], stripes[20:84, 7:71], noise[:64, :64], noise[30:94, 30:94]])[
        :, None
    ].expand(-1, 3, -1, -1)
    features = F.normalize(plain.pooled(crops.to(best_device())))
    like = features @ features.T
    assert min(like[0, 1], like[2, 3]) > like[:2, 2:].max() + 0.2


def test_gradients_reach_the_image(images: torch.Tensor) -> None:
    x = images.clone().requires_grad_()
    frozen_lite0().pooled(x).square().sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_distances_are_small_for_the_same_and_grow_with_the_difference() -> None:
    real = torch.randn(60, 1280, generator=torch.Generator().manual_seed(0))
    other = torch.randn(60, 1280, generator=torch.Generator().manual_seed(1))
    near, far = distances(real, other), distances(real, other + 0.5)
    assert abs(distances(real, real)["fd_lite0"]) < 1
    assert near["fd_lite0"] < far["fd_lite0"]
    assert near["kd_lite0"] < far["kd_lite0"]
    state = torch.get_rng_state()
    assert distances(real, other) == near
    assert torch.equal(torch.get_rng_state(), state)


def test_distances_to_what_is_no_number_are_none() -> None:
    real = torch.randn(9, 1280)
    assert all(np.isnan(value) for value in distances(real, real * float("nan")).values())


def test_pooled_features_do_not_depend_on_the_batches(images: torch.Tensor) -> None:
    net = frozen_lite0()
    together = pooled_features(net, [images], (32, 32))
    alone = pooled_features(net, [images[:1], images[1:]], (32, 32))
    assert together.shape == (2, 1280)
    assert relative(together, alone) < 0.02
