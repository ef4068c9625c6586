import json
import shutil
from pathlib import Path

import pytest
import torch

from handsoff.core.device import best_device, fast_dtype, mixed_precision
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import write_json
from handsoff.core.frames import Frame
from handsoff.core.seeds import standard_normal
from handsoff.core.tensors import write_tensors
from handsoff.generators.contract import Generator, StyleGenerator
from handsoff.generators.latents import Latents
from handsoff.generators.stored import CARD, WEIGHTS, copy_generator, generator_hash, load_generator, save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config


def small(resolution: Frame = (16, 12), base: Frame = (4, 3), seed: int = 0) -> StyleGAN2:
    torch.manual_seed(seed)
    config = StyleGAN2Config(resolution, base, z_dim=8, w_dim=10, mapping_layers=2, channel_base=64, channel_max=12)
    net = StyleGAN2(config, "CC0-1.0").eval().to(best_device())
    for name, parameter in net.named_parameters():
        if "noise_strength" in name:
            parameter.data.fill_(0.1)
    net.mapping_network.w_avg.normal_()
    return net


def ws_of(net: StyleGAN2, count: int = 3) -> torch.Tensor:
    return net.mapping(standard_normal(range(count), net.z_dim).to(best_device()))


@pytest.mark.parametrize(
    ("resolution", "base"), [((16, 12), (4, 3)), ((8, 8), (4, 4)), ((12, 20), (3, 5)), ((24, 24), (3, 3))]
)
@torch.no_grad()
def test_shapes_of_images_latents_and_features(resolution: Frame, base: Frame) -> None:
    net = small(resolution, base)
    assert isinstance(net, Generator)
    assert isinstance(net, StyleGenerator)
    ws = ws_of(net, 2)
    assert ws.shape == (2, net.num_ws, net.w_dim)
    image, features = net.synthesis(ws)
    assert image.shape == (2, 3, *resolution)
    assert tuple(feature.shape[1] for feature in features) == net.feature_channels
    levels = [0] + [level for level in range(1, net.config.doublings + 1) for _ in range(2)]
    assert [tuple(feature.shape[2:]) for feature in features] == [
        (base[0] << level, base[1] << level) for level in levels
    ]


@pytest.mark.parametrize(
    ("resolution", "base"), [((16, 16), (4, 3)), ((4, 4), (4, 4)), ((20, 20), (4, 4)), ((2, 2), (4, 4))]
)
def test_a_resolution_that_is_no_doubled_base_is_refused(resolution: Frame, base: Frame) -> None:
    with pytest.raises(ValueError, match=r"times a power of two|doubled at least once"):
        StyleGAN2Config(resolution, base)


def test_gradients_reach_every_w_and_every_parameter() -> None:
    net = small()
    ws = ws_of(net).detach().requires_grad_()
    image, features = net.synthesis(ws)
    (image.square().mean() + sum(feature.square().mean() for feature in features)).backward()
    assert ws.grad is not None
    assert (ws.grad.abs().sum((0, 2)) > 0).all()
    missing = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert all(name.startswith("mapping_network.") for name in missing)
    ws_of(net).square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@torch.no_grad()
def test_truncation_pulls_towards_the_mean_w() -> None:
    net = small()
    z = standard_normal(range(4), net.z_dim).to(best_device())
    mean = net.mapping_network.w_avg
    assert torch.equal(net.mapping(z, psi=0), mean.expand(4, net.num_ws, -1))
    half = net.mapping(z, psi=0.5) - mean
    assert torch.allclose(half, 0.5 * (net.mapping(z) - mean), atol=1e-6)


@torch.no_grad()
def test_a_latent_gives_the_same_image_in_any_company() -> None:
    net = small((32, 32), (4, 4))
    ws = ws_of(net, 5)
    together, features = net.synthesis(ws)
    for index in range(5):
        alone, own = net.synthesis(ws[index : index + 1])
        assert torch.allclose(alone[0], together[index], atol=1e-4)
        assert all(torch.allclose(a[0], b[index], atol=1e-4) for a, b in zip(own, features, strict=True))


@torch.no_grad()
def test_a_residual_is_added_to_the_map_of_its_shape_and_everything_after_it_sees_it() -> None:
    net = small((32, 32), (4, 4))
    ws = ws_of(net)
    residual = torch.randn(3, *net.map_shapes[2], device=ws.device)
    image, features = net.features(Latents({"ws": ws}))
    other, changed = net.features(Latents({"ws": ws, "residual": residual}))
    place = max(index for index, found in enumerate(features) if found.shape[1:] == residual.shape[1:])
    assert torch.allclose(changed[place], features[place] + residual, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(changed[:place], features[:place], strict=True))
    assert not torch.allclose(changed[place + 1], features[place + 1], atol=1e-2)
    assert not torch.allclose(image, other, atol=1e-2)
    assert torch.equal(net.synthesize(Latents({"ws": ws, "residual": 0 * residual})), image)


@torch.no_grad()
def test_a_residual_that_fits_no_map_is_refused() -> None:
    net = small()
    with pytest.raises(MismatchError, match="fits no feature map"):
        net.synthesize(Latents({"ws": ws_of(net), "residual": torch.zeros(3, 5, 4, 3)}))


@torch.no_grad()
def test_noise_is_constant_random_or_none() -> None:
    net = small()
    ws = ws_of(net)
    const = net.synthesis(ws)[0]
    assert torch.equal(net.synthesis(ws, noise="const")[0], const)
    assert not torch.allclose(net.synthesis(ws, noise="none")[0], const, atol=1e-3)
    torch.manual_seed(1)
    first, second = (net.synthesis(ws, noise="random")[0] for _ in range(2))
    assert not torch.allclose(first, second, atol=1e-3)


@torch.no_grad()
def test_fast_precision_is_close() -> None:
    net = small((32, 32), (4, 4))
    ws = ws_of(net)
    exact = net.synthesis(ws)[0]
    with mixed_precision():
        fast, features = net.synthesis(ws)
    assert fast.dtype == torch.float32
    assert features[-1].dtype == fast_dtype()
    assert float((fast - exact).norm() / exact.norm()) < 0.03


@torch.no_grad()
def test_a_saved_generator_comes_back_from_another_place(tmp_path: Path) -> None:
    net = small()
    save_generator(net, tmp_path / "here")
    fingerprint = generator_hash(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    back = load_generator(tmp_path / "there")
    assert back.config == net.config
    assert (back.licence, back.image_size, back.training) == ("CC0-1.0", (16, 12), False)
    assert not any(parameter.requires_grad for parameter in back.parameters())
    assert back.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(back.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.allclose(back.synthesis(ws_of(net))[0], net.synthesis(ws_of(net))[0], atol=1e-5)
    copy_generator(tmp_path / "there", tmp_path / "labeler" / "generator")
    assert generator_hash(tmp_path / "labeler" / "generator") == fingerprint
    assert load_generator(str(tmp_path / "labeler" / "generator")).licence == "CC0-1.0"


def test_the_hash_tells_generators_apart(tmp_path: Path) -> None:
    for seed in (0, 1, 0):
        save_generator(small(seed=seed), tmp_path / str(seed))
    assert generator_hash(tmp_path / "0") != generator_hash(tmp_path / "1")
    with pytest.raises(InputError, match="holds no generator"):
        generator_hash(tmp_path)


def test_wrong_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no generator"):
        load_generator(tmp_path)
    net = small()
    save_generator(net, tmp_path)
    card = json.loads((tmp_path / CARD).read_text())

    for wrong in (
        [],
        {},
        {**card, "config": 3},
        {**card, "config": {"resolution": [5, 5]}},
        {**card, "config": {"resolution": "big"}},
    ):
        write_json(tmp_path / CARD, wrong)
        with pytest.raises(InputError, match="does not describe a generator"):
            load_generator(tmp_path)
    write_json(tmp_path / CARD, {**card, "architecture": "stylegan9"})
    with pytest.raises(
        UnknownNameError,
        match=r"Unknown generator architecture 'stylegan9': did you mean stylegan2\? choose one of diffusion, style",
    ):
        load_generator(tmp_path)
    write_json(tmp_path / CARD, {**card, "config": {**card["config"], "channel_max": 6}})
    with pytest.raises(MismatchError, match="does not fit"):
        load_generator(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        load_generator(tmp_path)

    write_json(tmp_path / CARD, {**card, "from": "a later version"})
    load_generator(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-9])
    with pytest.raises(InputError, match="not a valid safetensors file"):
        load_generator(tmp_path)
    write_tensors(tmp_path / WEIGHTS, {"other": torch.zeros(1)})
    with pytest.raises(MismatchError, match="does not fit"):
        load_generator(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(InputError, match="is missing"):
        load_generator(tmp_path)
