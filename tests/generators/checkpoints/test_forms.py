"""Forms of StyleGAN2 that look alike and are not: read as they are meant, or refused; never guessed."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from checkpoint_files import State, nvidia_file, nvidia_state
from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.importing import build, read_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config, upsample

CONFIG = StyleGAN2Config((16, 16), (4, 4), 16, 16, 2, 256, 16)


def toy(config: StyleGAN2Config = CONFIG) -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(config).eval().requires_grad_(requires_grad=False)


def loaded(path: Path, rate: float | None = None) -> StyleGAN2:
    return build(read_generator(path, rate), "none", "crop")


def refused(path: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        loaded(path)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("nvidia_modules")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@torch.no_grad()
def test_every_protocol_of_pickle_is_read(tmp_path: Path, protocol: int) -> None:
    net = toy()
    found = loaded(nvidia_file(tmp_path / "a.pkl", nvidia_state(net), protocol=protocol, clamp=256))
    latents = net.draw([0, 1])
    assert torch.equal(found.synthesize(latents), net.synthesize(latents))


@pytest.mark.usefixtures("nvidia_modules")
@pytest.mark.parametrize("rate", [0.001, 0.1, 1])
@torch.no_grad()
def test_the_learning_rate_of_the_mapping_network_is_read(tmp_path: Path, rate: float) -> None:
    net, state = toy(), nvidia_state(toy())
    for name in [name for name in state if name.startswith("mapping.fc")]:
        state[name] *= 0.01 / rate
    found = loaded(nvidia_file(tmp_path / "a.pkl", state, rate=rate))
    torch.testing.assert_close(found.draw([0, 1]).tensors["ws"], net.draw([0, 1]).tensors["ws"], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("nvidia_modules")
def test_a_learning_rate_is_refused_where_the_file_says_it(tmp_path: Path) -> None:
    file = nvidia_file(tmp_path / "a.pkl", nvidia_state(toy()), rate=0.01)
    with pytest.raises(InputError, match="says itself by what its mapping network is scaled: leave mapping_lr out"):
        loaded(file, rate=0.01)


def test_a_learning_rate_that_a_file_does_not_say_is_seen_and_asked_for(tmp_path: Path) -> None:
    net, state = toy(), nvidia_state(toy())
    for name in [name for name in state if name.startswith("mapping.fc")]:
        state[name] *= 0.1
    torch.save(state, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", r"do not look like the usual 0.01 \(rather 0.09\d*\): state it with --set mapping_lr=")
    found = loaded(tmp_path / "a.pt", rate=0.1)
    torch.testing.assert_close(found.draw([0]).tensors["ws"], net.draw([0]).tensors["ws"], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_filter_that_is_not_symmetric_convolves() -> None:
    """Both uses agree with inserting zeros and a true convolution, whose kernel is turned round."""
    taps = torch.tensor([1.0, 2.0, 3.0, 4.0])
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    x = torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(1, 2, 10, 10)
    zeros[:, :, ::2, ::2] = x
    turned = kernel.flip(0, 1).expand(2, 1, 4, 4) * 4
    expected = F.conv2d(F.pad(zeros, (2, 1, 2, 1)), turned, groups=2)
    torch.testing.assert_close(upsample(x, kernel), expected)
    block: Any = toy(StyleGAN2Config((8, 8), (4, 4), 8, 8, 1, block_channels=(2, 2))).blocks[1]
    block.conv0.resample_filter.copy_(kernel)
    spread = F.conv_transpose2d(x, block.conv0.weight.transpose(0, 1), stride=2)
    torch.testing.assert_close(block.conv0.up_convolve(x), F.conv2d(spread, turned, padding=1, groups=2))


ATTRIBUTES = {
    "residual": ("synthesis.b8", {"architecture": "resnet"}, "architecture = 'resnet', which is not read"),
    "unskipped": ("synthesis.b8", {"architecture": "orig"}, "architecture = 'orig', which is not read"),
    "relu": ("synthesis.b8.conv0", {"activation": "relu"}, "activation = 'relu', which is not read"),
    "mapping relu": ("mapping.fc1", {"activation": "relu"}, "activation = 'relu', which is not read"),
    "mapping linear": ("mapping.fc0", {"activation": "linear"}, "activation = 'linear', which is not read"),
    "affine lrelu": ("synthesis.b8.conv0.affine", {"activation": "lrelu"}, "activation = 'lrelu', which is not read"),
    "no noise": ("synthesis.b8.conv1", {"use_noise": False}, "use_noise = False, which is not read"),
    "gain": ("synthesis.b8.conv1", {"act_gain": 1.0}, "act_gain = 1.0, which is not read"),
    "list": ("synthesis.b8.conv1", {"act_gain": [1]}, "act_gain = a list, which is not read"),
    "rgb gain": ("synthesis.b8.torgb", {"weight_gain": 1.0}, "weight_gain = 1.0, which is not read"),
    "rate": ("mapping.fc0", {"bias_gain": float("nan")}, "bias_gain = nan, which is not read"),
    "classes": ("mapping", {"c_dim": 4}, "c_dim = 4, but its weights are made for 0"),
} | {
    f"clamp {clamp}": ("synthesis.b8.conv1", {"conv_clamp": clamp}, "only one positive number for all layers is read")
    for clamp in (-1, 0, float("nan"), float("inf"), True, "256", [256], 128)
}


@pytest.mark.usefixtures("nvidia_modules")
@pytest.mark.parametrize("case", ATTRIBUTES)
def test_other_forms_of_nvidias_generators_are_refused_by_name(tmp_path: Path, case: str) -> None:
    module, attributes, sentence = ATTRIBUTES[case]
    refused(nvidia_file(tmp_path / "a.pkl", nvidia_state(toy()), {module: attributes}, clamp=256), sentence)


def replaced(name: str, *shape: int, value: float = 1) -> Callable[[State], None]:
    return lambda state: state.update({name: torch.full(shape, value)})


def lost(state: State) -> None:
    del state["mapping.fc0.bias"]


def grey(state: State) -> None:
    for name in [name for name in state if "torgb" in name and "affine" not in name]:
        state[name] = state[name][:1].clone()


def single(state: State) -> None:
    for name in [name for name in state if name.startswith(("synthesis.b8", "synthesis.b16"))]:
        del state[name]


def stylegan3(state: State) -> None:
    single(state)
    del state["synthesis.b4.const"]
    state["synthesis.input.freqs"] = torch.zeros(16, 2)


STATES: dict[str, tuple[Callable[[State], None], str]] = {
    "grey": (grey, "draws grey images, and only RGB is read"),
    "4x4": (single, "draws only 4x4 pixels: give one that draws more"),
    "stylegan3": (stylegan3, "holds a StyleGAN3 generator, and only StyleGAN2 is read"),
    "extra": (replaced("synthesis.b8.skip.weight", 16, 16, 1, 1), r"has blocks.1.skip.weight \(in our names\)"),
    "extra mapping": (replaced("mapping.more.weight", 16), "has mapping.more.weight, which StyleGAN2 does not have"),
    "short filter": (replaced("synthesis.b8.resample_filter", 2, 2), "resample_filter is 2x2, but 4x4 fits"),
    "empty": (replaced("synthesis.b4.conv1.weight", 20000, 0, 3, 3), "synthesis.b4.conv1.weight is empty"),
    "lost": (lost, "lacks mapping.fc0.bias"),
    "not finite": (replaced("mapping.fc0.bias", 16, value=float("inf")), "holds values that are not finite"),
}


@pytest.mark.parametrize("case", STATES)
def test_states_that_do_not_fit_are_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    change, sentence = STATES[case]
    state = nvidia_state(toy())
    change(state)
    torch.save(state, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", sentence)


def community_state(z_dim: int = 16, w_dim: int = 16, rate: float = 0.01) -> State:
    """A generator in rosinality's names, as its port writes it."""
    net = toy(StyleGAN2Config((8, 8), (4, 4), z_dim, w_dim, 2, block_channels=(4, 4)))
    state: State = {"input.input": torch.ones(1, 4, 4, 4)}
    for index in range(2):
        layer: Any = getattr(net.mapping_network, f"fc{index}")
        state[f"style.{index + 1}.weight"] = layer.weight.data * 0.01 / rate
        state[f"style.{index + 1}.bias"] = layer.bias.data
    kernel = torch.ones(4, 4) / 4
    for index, name in enumerate(("conv1", "convs.0", "convs.1")):
        state |= {
            f"{name}.conv.weight": torch.ones(1, 4, 4, 3, 3),
            f"{name}.conv.modulation.weight": torch.ones(4, w_dim),
            f"{name}.conv.modulation.bias": torch.ones(4),
            f"{name}.noise.weight": torch.ones(1),
            f"{name}.activate.bias": torch.ones(4),
            f"noises.noise_{index}": torch.ones(1, 1, 4 if index == 0 else 8, 4 if index == 0 else 8),
        }
    state["convs.0.conv.blur.kernel"] = state["to_rgbs.0.upsample.kernel"] = kernel
    for name in ("to_rgb1", "to_rgbs.0"):
        state |= {
            f"{name}.conv.weight": torch.ones(1, 3, 4, 1, 1),
            f"{name}.conv.modulation.weight": torch.ones(4, w_dim),
            f"{name}.conv.modulation.bias": torch.ones(4),
            f"{name}.bias": torch.ones(1, 3, 1, 1),
        }
    return state


def test_a_converted_generator_that_lost_its_class_embedding_is_refused(tmp_path: Path) -> None:
    torch.save({"g_ema": community_state(z_dim=32)}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "class embedding was lost when it was converted; import the original checkpoint")


def test_the_communitys_learning_rate_is_read_beside_the_weights_or_asked_for(tmp_path: Path) -> None:
    expected = toy(StyleGAN2Config((8, 8), (4, 4), 16, 16, 2, block_channels=(4, 4))).draw([0]).tensors["ws"]
    torch.save({"g_ema": community_state(rate=0.1)}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "do not look like the usual 0.01")
    torch.testing.assert_close(loaded(tmp_path / "a.pt", 0.1).draw([0]).tensors["ws"], expected)
    for arguments in (argparse.Namespace(lr_mlp=0.1, size=8), {"lr_mlp": 0.1}):
        torch.save({"g_ema": community_state(rate=0.1), "args": arguments}, tmp_path / "a.pt")
        torch.testing.assert_close(loaded(tmp_path / "a.pt").draw([0]).tensors["ws"], expected)
        with pytest.raises(InputError, match="leave mapping_lr out"):
            loaded(tmp_path / "a.pt", 0.1)


def test_what_a_generator_lacks_of_noise_is_the_same_in_every_import(tmp_path: Path) -> None:
    state = {name: value for name, value in nvidia_state(toy()).items() if not name.endswith("noise_const")}
    torch.save(state, tmp_path / "a.pt")
    first, second = loaded(tmp_path / "a.pt").state_dict(), loaded(tmp_path / "a.pt").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
