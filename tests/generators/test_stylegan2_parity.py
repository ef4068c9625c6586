"""Parity with the published StyleGAN2-ADA generator at toy size."""

import numpy as np
import pytest
import torch

from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from toy import SHARED

REFERENCE = SHARED / "reference" / "stylegan2_ada.npz"
pytestmark = pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference outputs are not on this machine")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    return dict(np.load(REFERENCE))


@pytest.fixture(scope="module")
def generator(reference: dict[str, np.ndarray]) -> StyleGAN2:
    config = StyleGAN2Config(
        resolution=(32, 32), z_dim=32, w_dim=32, mapping_layers=4, channel_base=1024, channel_max=48
    )
    net = StyleGAN2(config)
    state = {}
    for key, value in reference.items():
        if key.startswith("state/"):
            name = key.removeprefix("state/").replace("mapping.", "mapping_network.")
            for level in range(4):
                name = name.replace(f"synthesis.b{4 << level}.", f"blocks.{level}.")
            state[name] = torch.from_numpy(value)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("resample_filter") for name in missing)
    return net.eval()


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float((ours - torch.from_numpy(theirs)).norm() / np.linalg.norm(theirs))


@torch.no_grad()
def test_mapping_and_truncation(generator: StyleGAN2, reference: dict[str, np.ndarray]) -> None:
    z = torch.from_numpy(reference["z"])
    assert relative(generator.mapping(z), reference["ws"]) < 1e-5
    assert relative(generator.mapping(z, psi=0.7), reference["ws_psi0.7"]) < 1e-5


@torch.no_grad()
def test_images_and_features(generator: StyleGAN2, reference: dict[str, np.ndarray]) -> None:
    ws = torch.from_numpy(reference["ws"])
    image, features = generator.synthesis(ws, noise="const")
    assert relative(image, reference["image_noise_const"]) < 1e-4
    names = ["b4.conv1", *(f"b{size}.{conv}" for size in (8, 16, 32) for conv in ("conv0", "conv1"))]
    for name, feature in zip(names, features, strict=True):
        assert relative(feature, reference[f"feature/{name}"]) < 1e-4, name
    assert relative(generator.synthesis(ws, noise="none")[0], reference["image_noise_none"]) < 1e-4
