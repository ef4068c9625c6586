"""The diffusion model: its denoiser, its sampler, and the maps of its decoder."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_json, write_json
from handsoff.core.seeds import standard_normal
from handsoff.generators.conditions import label_width
from handsoff.generators.contract import DenoisingGenerator, FeatureGenerator
from handsoff.generators.diffusion import TOGETHER, Diffusion, sampling_levels
from handsoff.generators.diffusion_config import DiffusionConfig, Schedule, UNetConfig, noise_levels
from handsoff.generators.latents import Latents
from handsoff.generators.stored import CARD, load_generator, save_generator
from handsoff.sampling.draws import Draw, draw_latents
from toy_generators import POSED, toy_unet

NOTHING = torch.full((3, 2), torch.nan)


class Gaussian(Diffusion):
    """Knows the answer: images whose pixels are all normal, with this mean and deviation."""

    mean, deviation = 0.3, 0.5

    def denoise(self, x: torch.Tensor, sigma: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        del classes
        share = self.deviation**2 / (self.deviation**2 + sigma.square())[:, None, None, None]
        return self.mean + share * (x - self.mean)


def test_the_sampler_follows_the_exact_path() -> None:
    """Of normal images the path from noise is known: distances to the mean shrink as √(deviation² + σ²) does."""
    known = Gaussian(toy_unet(steps=40).config)
    latents = known.draw(range(3))
    shrunk = known.deviation / (known.deviation**2 + 80**2) ** 0.5
    wanted = known.mean + shrunk * (80 * latents.tensors["noise"] - known.mean)
    assert torch.allclose(known.synthesize(latents), wanted, atol=0.02)
    found = [known.synthesize(latents, sampling_levels(steps, 0.002, 80.0)) for steps in (6, 12)]
    errors = [float((images - wanted).abs().max()) for images in found]
    assert errors[1] < errors[0] / 2.5, "Heun's method is of second order"


def test_an_image_is_the_same_alone_and_among_others() -> None:
    net = toy_unet()
    together = net.synthesize(net.draw(range(TOGETHER + 3)))
    for index in (0, 3, TOGETHER + 2):
        assert torch.equal(net.synthesize(net.draw([index]))[0], together[index])


@pytest.mark.parametrize(
    ("net", "condition", "nothing"),
    [
        (toy_unet(classes=2), torch.tensor([0, 1, 1]), torch.full((3,), 2)),
        (toy_unet(conditions=POSED), torch.tensor([[20.0, 2.0], [torch.nan, 0.0], [-20.0, 1.0]]), NOTHING),
    ],
)
def test_guidance_moves_away_from_nothing(net: Diffusion, condition: torch.Tensor, nothing: torch.Tensor) -> None:
    """Ho and Salimans 2022, equation 6, for each sample by its own strength."""
    x, levels, guidance = torch.randn(3, 3, 16, 16), torch.full((3,), 0.5), torch.tensor([1.0, 3.0, 1.5])
    one, none = net.denoise(x, levels, condition), net.denoise(x, levels, nothing)
    assert bool(((one - none).abs().flatten(1).amax(1) > 1e-3).all())
    found = net.guided(x, 0.5, condition, guidance)
    assert torch.allclose(found, none + guidance[:, None, None, None] * (one - none), atol=1e-5)
    assert torch.equal(found[0], one[0])
    assert torch.equal(net.guided(x, 0.5, condition, None), one)
    assert net.conditions.names in {("0", "1"), POSED.names}, "none is no class to ask for"


def test_a_guided_image_is_made_again_from_its_record_alone() -> None:
    """In any batch, whatever the others are asked for; a second pass is made where something is guided, only there."""
    net, passes = toy_unet(conditions=POSED), list[int]()
    hook = net.unet.register_forward_hook(lambda *_: passes.append(1))
    strengths = (None, 1.0, 2.5, 4.0)
    draws = [Draw(seed, 1.0, (20.0, float(seed % 3)), guidance=strengths[seed % 4]) for seed in range(TOGETHER + 1)]
    draws += [Draw(3, 1.0, (None, None)), Draw(3, 1.0, (None, None), guidance=3.0), Draw(3, 1.0, (20.0, 0.0))]
    together = net.synthesize(draw_latents(net, draws))
    once = 2 * net.config.steps - 1
    for index, guided in {0: False, 1: False, 3: True, TOGETHER + 2: False, TOGETHER + 3: False}.items():
        passes.clear()
        alone = net.synthesize(draw_latents(net, [Draw.of_record(draws[index].record())]))
        assert torch.equal(alone[0], together[index])
        assert len(passes) == (2 * once if guided else once)
    hook.remove()
    assert torch.equal(together[-3], together[-2]), "of nothing there is nothing to strengthen"
    assert not torch.allclose(together[3], together[-1], atol=1e-3), "the same draw, four times as strongly"
    usual = toy_unet(classes=2, guidance=3.0)
    plain, stated = (draw_latents(usual, [Draw(1, 1.0, 0, guidance=strength)]) for strength in (None, 3.0))
    assert torch.equal(usual.synthesize(plain), usual.synthesize(stated)), "records of before guidance state none"


def test_maps_of_a_conditional_model_are_read_with_nothing_said() -> None:
    net, told = toy_unet(conditions=POSED), list[torch.Tensor]()
    net.unet.class_embedding.register_forward_hook(lambda _, given, __: told.append(given[0]))
    maps = net.denoiser_maps(torch.zeros(2, 3, 16, 16), 0.25)
    assert torch.equal(told[0], net.embed(torch.zeros(2, label_width(POSED))))
    assert [tuple(values.shape) for values in maps] == [(2, 16, 8, 8), (2, 8, 16, 16)]


def test_a_model_of_attributes_is_stored_and_is_not_of_classes_too(tmp_path: Path) -> None:
    save_generator(toy_unet(conditions=POSED), tmp_path)
    assert load_generator(tmp_path).conditions == replace(POSED, guidance=1.0)
    card = read_json(tmp_path / CARD)
    card["config"]["unet"]["num_class_embeds"] = 3
    write_json(tmp_path / CARD, card)
    with pytest.raises(InputError, match="told classes or attributes, not both"):
        load_generator(tmp_path)


def test_psi_has_no_effect() -> None:
    net = toy_unet()
    assert torch.equal(net.draw([1], psi=0.5).tensors["noise"], net.draw([1]).tensors["noise"])


def test_maps_are_those_of_the_decoder_on_the_image_with_one_noise() -> None:
    net = toy_unet()
    assert isinstance(net, DenoisingGenerator)
    assert not isinstance(net, FeatureGenerator)
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    maps = net.denoiser_maps(images, 0.25)
    assert [tuple(values.shape[1:]) for values in maps] == [(16, 8, 8), (8, 16, 16)]
    assert net.denoiser_channels == (16, 8)
    noise = standard_normal([0], 3 * 16 * 16).view(1, 3, 16, 16)
    noisy = images + 0.25 * noise
    found = []
    hook = net.unet.conv_norm_out.register_forward_hook(lambda _, given, __: found.append(given[0]))
    net.denoise(noisy, torch.full((3,), 0.25))
    hook.remove()
    assert torch.allclose(maps[-1], found[0], atol=1e-5), "the last of them is what the output is made of"
    assert torch.allclose(net.denoiser_maps(images[1:2], 0.25)[0][0], maps[0][1], atol=1e-5)
    assert not torch.allclose(net.denoiser_maps(images, 0.5)[0], maps[0], atol=1e-3)


def test_photos_of_no_class_need_a_model_that_knows_none() -> None:
    config = toy_unet(classes=2).config
    unknowing = Diffusion(DiffusionConfig(config.unet))
    assert unknowing.conditions.guidance is None, "so it cannot be guided either"
    with pytest.raises(InputError, match="knows no class that means none"):
        unknowing.denoiser_maps(torch.zeros(1, 3, 16, 16), 0.25)
    assert len(toy_unet(classes=2).denoiser_maps(torch.zeros(1, 3, 16, 16), 0.25)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"block_out_channels": (8, 18)}, {"block_out_channels": (8,)}, {"sample_size": (15, 16)},
        {"sample_size": (0, 8)}, {"layers_per_block": 99}, {"attention_head_dim": 32}, {"norm_num_groups": 0},
    ],
)  # fmt: skip
def test_a_unet_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    shape = {"sample_size": (16, 16), "block_out_channels": (8, 16), "attention_head_dim": 8, "norm_num_groups": 4}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    UNetConfig(**{**shape, **blocks})  # type: ignore[arg-type]  # as JSON has it
    with pytest.raises(ValueError, match=r"not|cannot"):
        UNetConfig(**{**shape, **blocks, **changes})  # type: ignore[arg-type]  # as above


def test_noise_levels_rise_and_timesteps_are_found_again() -> None:
    for spacing in ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"):
        schedule = Schedule(spacing)  # type: ignore[arg-type]  # mypy sees any text
        levels = noise_levels(schedule)
        assert bool((levels.diff() > 0).all())
        net = Diffusion(DiffusionConfig(toy_unet().config.unet, "epsilon", schedule))
        wanted = torch.tensor([0.0, 10, 499, 900])
        found = net.preconditioning(levels[wanted.long()].float())[-1]
        assert torch.allclose(found, wanted, atol=0.01)
        between = net.preconditioning((levels[10] * levels[11]).sqrt().float()[None])[-1]
        assert 10.4 < float(between) < 10.6
        assert net.preconditioning(torch.tensor([1e-9, 1e9]))[-1].tolist() == [0, 999]


def test_without_diffusers_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_unet().config
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(HandsOffError, match=r"need diffusers: pip install 'handsoff-labels\[diffusion\]'"):
        Diffusion(config)


def test_latents_are_noise_of_the_seed() -> None:
    net = toy_unet()
    drawn = net.draw([5, 6])
    assert isinstance(drawn, Latents)
    assert torch.equal(drawn.tensors["noise"][1].cpu().flatten(), standard_normal([6], 3 * 16 * 16)[0])
