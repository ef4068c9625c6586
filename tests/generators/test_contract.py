"""The contract, held to a diffusion model, a class-conditional StyleGAN2 and a plain one."""

from pathlib import Path

import pytest
import torch

from handsoff.core.errors import InputError
from handsoff.generators.contract import Conditions, FeatureGenerator, Generator, StyleGenerator, check_condition
from handsoff.generators.latents import load_latents, save_latents
from handsoff.generators.stored import StoredGenerator, generator_shell, load_generator, read_card, save_generator
from handsoff.sampling.draws import draw_latents, uniform_draws
from toy import toy_generator
from toy_generators import POSED, toy_conditional, toy_diffusion, toy_unet

GENERATORS = ["diffusion", "unet", "asked", "conditional", "plain"]


@pytest.fixture
def net(request: pytest.FixtureRequest, tmp_path: Path) -> StoredGenerator:
    match request.param:
        case "diffusion":
            return toy_diffusion()
        case "unet":
            return toy_unet(classes=3, guidance=2.0)
        case "asked":
            return toy_unet(conditions=POSED)
        case "conditional":
            return toy_conditional()
        case _:
            return toy_generator(tmp_path / "plain")


@pytest.mark.usefixtures("diffusion_known")
@pytest.mark.parametrize("net", GENERATORS, indirect=True)
@torch.no_grad()
def test_a_generator_comes_back_as_it_was(net: StoredGenerator, tmp_path: Path) -> None:
    save_generator(net, tmp_path / "generator")
    back = load_generator(tmp_path / "generator")
    assert isinstance(back, Generator)
    assert (back.image_size, back.framing, back.licence) == (net.image_size, net.framing, net.licence)
    card = read_card(tmp_path / "generator")
    assert (card.image_size, card.framing, card.conditions) == (net.image_size, net.framing, net.conditions)
    draws = uniform_draws(net.conditions, range(2))
    ours, theirs = (found.synthesize(draw_latents(found, draws)) for found in (net, back))
    assert ours.shape == (2, 3, *net.image_size)
    assert torch.allclose(ours.to(theirs.device), theirs, atol=1e-5)


@pytest.mark.parametrize("net", GENERATORS, indirect=True)
@torch.no_grad()
def test_latents_give_the_same_image_alone_in_a_batch_and_after_a_file(net: StoredGenerator, tmp_path: Path) -> None:
    latents = draw_latents(net, uniform_draws(net.conditions, range(5)))
    together = net.synthesize(latents)
    for index in range(5):
        alone = draw_latents(net, uniform_draws(net.conditions, [index]))
        assert torch.allclose(net.synthesize(alone)[0], together[index], atol=1e-4)
    save_latents(tmp_path / "latents.safetensors", latents)
    back = load_latents(tmp_path / "latents.safetensors")
    assert torch.equal(net.synthesize(back.to(net.device)), together)
    assert (back.condition is None) == (latents.condition is None)


@pytest.mark.usefixtures("diffusion_known")
def test_what_a_generator_can_do_is_known_without_its_weights(tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "diffusion")
    toy_generator(tmp_path / "plain")
    plain, diffusion = generator_shell(tmp_path / "plain"), generator_shell(tmp_path / "diffusion")
    assert plain.device.type == "meta"
    assert isinstance(plain, StyleGenerator)
    assert not isinstance(diffusion, FeatureGenerator | StyleGenerator)


@torch.no_grad()
def test_a_class_is_said_and_never_guessed() -> None:
    """A moved z keeps its class: guessed from a hash of z, it kept it in a third of all draws."""
    net = toy_conditional()
    z = torch.randn(50, net.z_dim, generator=torch.Generator().manual_seed(0))
    for name in range(3):
        classes = torch.full((50,), name)
        there, moved = net.mapping(z, classes), net.mapping(z + 1e-6, classes)
        assert (there - moved).norm() < 1e-3 * there.norm()
        assert (there - net.mapping(z, (classes + 1) % 3)).norm() > 0.1 * there.norm()
    drawn = net.draw([4, 5], torch.tensor([2, 0]))
    assert drawn.condition is not None
    assert drawn.condition.tolist() == [2, 0]


def test_a_conditional_generator_needs_a_class() -> None:
    net = toy_conditional()
    with pytest.raises(InputError, match="conditional on 3 classes: say which"):
        net.draw([1])
    with pytest.raises(InputError, match="classes 0 to 2"):
        net.draw([1], torch.tensor([3]))
    with pytest.raises(InputError, match="no conditions"):
        toy_diffusion().draw([1], torch.tensor([0]))


@pytest.mark.parametrize("condition", [torch.zeros(2), torch.zeros(1, 2, dtype=torch.long), torch.tensor([-1, 0])])
def test_what_is_no_class_is_refused(condition: torch.Tensor) -> None:
    with pytest.raises(InputError, match="give one of them"):
        check_condition(Conditions("classes", ("a", "b")), condition, 2)


def test_attributes_have_a_number_each() -> None:
    conditions = Conditions("attributes", ("smile", "age"))
    check_condition(conditions, torch.zeros(3, 2), 3)
    with pytest.raises(InputError, match="a number for each"):
        check_condition(conditions, torch.zeros(3, 1), 3)


def test_random_condition_come_alike_often() -> None:
    net = toy_conditional()
    classes = net.random_condition(3000, torch.Generator().manual_seed(0))
    assert classes is not None
    assert torch.bincount(classes, minlength=3).min() > 900
