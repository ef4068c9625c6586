"""Conditions: what a network is given of them, what people ask for, and what is taken from photos instead."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.core.seeds import standard_normal
from handsoff.generators.conditions import condition_tensor, encoded, example, label_width, named
from handsoff.generators.contract import Conditions
from handsoff.generators.stored import CARD, load_generator, save_generator
from handsoff.sampling.draws import Draw, draw_latents, planned_draws, uniform_draws
from toy_generators import POSED, toy_conditional, toy_posed


def test_words_are_one_hot_numbers_are_standardised_and_nothing_is_zero() -> None:
    condition = condition_tensor(POSED, [(30.0, 1.0), (None, 0.0), (-15.0, None)])
    found = encoded(POSED, condition)
    assert found.shape == (3, label_width(POSED))
    assert found.tolist() == [[2.0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [-1.0, 1, 0, 0, 0]]
    classes = Conditions("classes", ("a", "b", "c"))
    assert encoded(classes, torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert (label_width(classes), label_width(Conditions())) == (3, 0)
    assert named(POSED, (30.0, None)) == {"yaw": 30.0}
    assert named(POSED, (0.0, 2.0)) == {"yaw": 0.0, "hat": "cap"}


def test_what_is_not_asked_for_is_as_in_photos_that_come_near() -> None:
    hats = [example(POSED, seed, {"hat": "brim"}) for seed in range(400)]
    assert {row[0] for row in hats if isinstance(row, tuple)} == {row[0] for row in POSED.examples if row[1] == 1}
    turned = [example(POSED, seed, {"yaw": 29.5}) for seed in range(40)]
    assert {row[0] for row in turned if isinstance(row, tuple)} == {29.5}
    assert {row[1] for row in turned if isinstance(row, tuple)} == {2.0}, "all that are turned so far wear a cap"
    assert example(POSED, 3) == example(POSED, 3)
    assert len({example(POSED, seed) for seed in range(40)}) > 10
    assert example(POSED, 0, {"yaw": 1, "hat": "none"}) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"yaws": 3}, r"knows no 'yaws': did you mean yaw\? ask for yaw, hat"),
        ({"hat": "fez"}, "hat = fez is none of the generator's words: choose among none, brim, cap"),
        ({"yaw": "left"}, "yaw = left is no number"),
        (3, r"conditional on yaw, hat: ask for some of them, as \{yaw = …\}, and not for 3"),
    ],
)
def test_what_cannot_be_asked_for_is_said(asked: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        planned_draws(POSED, 2, 0, 1.0, asked)  # type: ignore[arg-type]  # what the command line may bring


def test_a_table_is_nothing_to_ask_other_generators_for() -> None:
    with pytest.raises(InputError, match="knows the classes 0 to 2"):
        uniform_draws(toy_conditional().conditions, [0], 1.0, {"yaw": 1.0})
    with pytest.raises(InputError, match="no conditions"):
        uniform_draws(Conditions(), [0], 1.0, "none")


@torch.no_grad()
def test_a_generator_with_attributes_is_stored_and_draws_from_records(tmp_path: Path) -> None:
    net = toy_posed()
    save_generator(net, tmp_path)
    back = load_generator(tmp_path)
    assert back.conditions == net.conditions == POSED
    plain, none = (uniform_draws(POSED, range(4), 1.0, asked) for asked in (None, "none"))
    assert [draw.condition for draw in none] == [(None, None)] * 4
    assert all(draw.condition in POSED.examples for draw in plain)
    for draws in (plain, none):
        again = draw_latents(back, [Draw.of_record(draw.record()) for draw in draws])
        ws = draw_latents(net, draws).tensors["ws"]
        assert torch.equal(again.tensors["ws"], ws)
        assert bool(torch.isfinite(ws).all())
    assert not torch.allclose(draw_latents(net, plain).tensors["ws"], draw_latents(net, none).tensors["ws"])
    rows = net.random_condition(500, torch.Generator().manual_seed(0))
    assert rows is not None
    assert {tuple(row) for row in rows.tolist()} == set(POSED.examples)
    for wrong in ({"words": [["a"]]}, {"scales": [[0, 0], [0, 1]]}):
        card = read_json(tmp_path / CARD)
        write_json(tmp_path / CARD, {**card, "conditions": {**card["conditions"], **wrong}})
        with pytest.raises(InputError, match="does not describe a generator"):
            load_generator(tmp_path)
        write_json(tmp_path / CARD, card)


@torch.no_grad()
def test_classes_go_through_the_mapping_as_in_nvidias_code() -> None:
    """c one-hot, embedded linearly; z and that normalised to unit second moment, side by side (StyleGAN2-ADA)."""
    net = toy_conditional()
    state = {name: value.double().numpy() for name, value in net.mapping_network.state_dict().items()}
    z, classes = standard_normal(range(5), net.z_dim), torch.tensor([0, 2, 1, 1, 0])

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8)

    one_hot = np.eye(3)[classes]
    x = np.concatenate(
        [unit(z.double().numpy()), unit(one_hot @ state["embed.weight"].T / np.sqrt(3) + state["embed.bias"])], 1
    )
    for layer in range(cast("int", net.mapping_network.layers)):
        weight, bias = state[f"fc{layer}.weight"], state[f"fc{layer}.bias"]
        x = x @ weight.T * (0.01 / np.sqrt(weight.shape[1])) + bias * 0.01
        x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
    assert isinstance(net.mapping_network, nn.Module)
    np.testing.assert_allclose(net.mapping(z, classes)[:, 0].numpy(), x, rtol=1e-4, atol=1e-5)
