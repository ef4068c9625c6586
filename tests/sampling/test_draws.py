"""Draws: what a sample is made from, and its latents."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from handsoff.core.errors import InputError
from handsoff.generators.contract import Conditions, Generator
from handsoff.generators.latents import Latents
from handsoff.sampling.draws import Draw, class_of, condition_of, draw_latents, uniform_draws
from toy_generators import POSED, toy_conditional, toy_diffusion, toy_unet

ATTRIBUTES = Conditions("attributes", ("smile", "age"))


@pytest.mark.parametrize("draw", [Draw(3), Draw(7, 0.5, 2), Draw(0, 1.0, (0.5, -1.0)), Draw(4, 1.0, 1, guidance=2.5)])
def test_a_draw_is_remade_from_its_record(draw: Draw) -> None:
    assert Draw.of_record(draw.record()) == draw


@pytest.mark.parametrize("record", [{}, {"seed": 1, "psi": 1.0}, {"seed": "x", "psi": 1, "condition": None}])
def test_what_is_no_record_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(InputError, match="is no record of a draw"):
        Draw.of_record(record)


def test_every_record_of_a_conditional_generator_states_a_class() -> None:
    net = toy_conditional()
    draws = uniform_draws(net.conditions, range(3000), 0.7)
    counts = torch.bincount(torch.tensor([draw.condition for draw in draws]), minlength=3)
    assert counts.min() > 900, "classes are drawn alike often"
    assert list(uniform_draws(net.conditions, [17], 0.7)) == [draws[17]], "each from its seed alone"
    remade = [Draw.of_record(draw.record()) for draw in draws[:6]]
    ours, again = draw_latents(net, draws[:6]), draw_latents(net, remade)
    assert torch.equal(ours.tensors["ws"], again.tensors["ws"])
    assert ours.condition is not None
    assert ours.condition.tolist() == [class_of(seed, 3) for seed in range(6)]


def test_seeds_may_be_an_array_and_must_be_whole_numbers() -> None:
    net = toy_conditional()
    draws = uniform_draws(net.conditions, np.arange(2))
    assert list(draws) == list(uniform_draws(net.conditions, range(2)))
    assert type(draws[0].seed) is int, "a record is JSON"
    for seeds in (np.zeros(2), [-1]):
        with pytest.raises(InputError, match="is no seed"):
            uniform_draws(net.conditions, seeds)
    for none in ([], np.zeros(0, int)):
        with pytest.raises(InputError, match="nothing to draw: give at least one seed"):
            draw_latents(net, uniform_draws(net.conditions, none))


def test_one_class_can_be_stated_for_all() -> None:
    draws = uniform_draws(toy_conditional().conditions, range(4), condition=1)
    assert {draw.condition for draw in draws} == {1}


def test_attributes_must_be_stated() -> None:
    with pytest.raises(InputError, match="conditional on smile, age: give a number for each"):
        uniform_draws(ATTRIBUTES, [1])
    condition = condition_of(ATTRIBUTES, uniform_draws(ATTRIBUTES, [1, 2], condition=(0.5, 1.0)))
    assert condition is not None
    assert condition.shape == (2, 2)


def test_all_or_none_of_the_samples_state_a_condition() -> None:
    with pytest.raises(InputError, match="Some samples state a condition"):
        condition_of(Conditions("classes", ("a", "b")), [Draw(1, condition=0), Draw(2)])


def test_guidance_is_recorded_where_there_is_some_and_refused_elsewhere() -> None:
    net = toy_unet(classes=2, guidance=2.0)
    for asked, stated in ((None, 2.0), (1.5, 1.5)):
        draws = uniform_draws(net.conditions, range(3), guidance=asked)
        assert [draw.record()["guidance"] for draw in draws] == [stated] * 3
        assert draw_latents(net, draws).tensors["guidance"].tolist() == [stated] * 3
    assert uniform_draws(toy_unet(conditions=POSED).conditions, [0])[0].guidance == 1, "as it was learnt"
    unknowing = toy_conditional()
    assert "guidance" not in uniform_draws(unknowing.conditions, [0])[0].record()
    for conditions in (unknowing.conditions, toy_unet().conditions):
        with pytest.raises(InputError, match="draws with and without conditions can be guided: leave guidance out"):
            uniform_draws(conditions, [0], guidance=2.0)
    with pytest.raises(InputError, match="condition = none asks for nothing: leave one of them out"):
        uniform_draws(replace(POSED, guidance=1.0), [0], 1.0, "none", 2.0)
    with pytest.raises(InputError, match="drawn with guidance, and this generator has none"):
        draw_latents(unknowing, [Draw(0, 1.0, 1, guidance=2.0)])


@pytest.mark.parametrize("net", [toy_diffusion(), toy_conditional()])
def test_latents_of_a_draw_do_not_depend_on_the_others(net: Generator) -> None:
    draws = [
        Draw(draw.seed, psi, draw.condition) for psi in (1.0, 0.5) for draw in uniform_draws(net.conditions, range(3))
    ]
    together = draw_latents(net, draws)
    assert len(together) == 6
    for index, draw in enumerate(draws):
        alone = draw_latents(net, [draw])
        for name, tensor in alone.tensors.items():
            assert torch.allclose(tensor[0], together.tensors[name][index], atol=1e-5)


def test_latents_are_indexed_with_their_condition() -> None:
    latents = Latents({"ws": torch.arange(6.0).view(3, 2, 1)}, torch.tensor([2, 0, 1]))
    for index in ([2, 0], torch.tensor([2, 0])):
        part = latents[index]
        assert part.condition is not None
        assert (part.condition.tolist(), part.tensors["ws"][:, 0, 0].tolist()) == ([1, 2], [4.0, 0.0])
