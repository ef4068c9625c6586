"""Generator folders that are not as they were written: one sentence, before anything takes memory."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import write_json
from handsoff.generators.contract import Conditions
from handsoff.generators.nearness import Nearness
from handsoff.generators.stored import (
    CARD,
    WEIGHTS,
    StoredGenerator,
    generator_hash,
    generator_shell,
    load_generator,
    read_card,
    save_generator,
)
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from toy_generators import toy_unet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_generator(StyleGAN2(StyleGAN2Config((16, 16), (4, 4), 8, 8, 2, 64, 8)), tmp_path)
    return tmp_path


CONFIGS: dict[str, tuple[Any, str]] = {
    "mapping_layers": (10**9, "mapping_layers is 1000000000, not 1 to 64"),
    "z_dim": (10**12, "z_dim is 1000000000000"),
    "w_dim": (-1, "w_dim is -1"),
    "classes": (10**9, "classes is 1000000000"),
    "resolution": ([10**9, 10**9], "not 1 to 4096"),
    "base": ([0, 0], "not 1 to 4096"),
    "block_channels": ([10**7] * 3, r"block_channels\[0\] is 10000000"),
    "channel_base": (1, "leaves no channels"),
    "channel_max": ("many", "channel_max: Input should be a valid integer"),
    "clamp": (float("nan"), "the clamp nan is no positive number"),
}
CARDS: dict[str, tuple[Any, str]] = {
    "image_size": ([8, 8], r"image_size is \(8, 8\), but it draws \(16, 16\)"),
    "config": ([1], "config: Input should be a valid dictionary"),
    "conditions": ({"kind": "x", "names": 3}, "conditions.kind: Input should be"),
    "architecture": (["x"], "architecture: Input should be a valid string"),
    "framing": ("fish-eye", "Unknown framing 'fish-eye'"),
    "licence": (3, "licence: Input should be a valid string"),
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"config": {name: value}}, sentence) for name, (value, sentence) in CONFIGS.items()]
    + [({name: value}, sentence) for name, (value, sentence) in CARDS.items()],
)
def test_a_card_with_nonsense_is_refused_in_one_sentence(folder: Path, change: dict[str, Any], sentence: str) -> None:
    card = json.loads((folder / CARD).read_text())
    config = change.get("config")
    card |= {"config": card["config"] | config} if isinstance(config, dict) else change
    (folder / CARD).write_text(json.dumps(card))
    for read in (generator_shell, load_generator):
        with pytest.raises(HandsOffError, match=sentence) as caught:
            read(folder)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '"text"'])
def test_a_card_that_is_no_card_is_refused(folder: Path, text: str) -> None:
    (folder / CARD).write_text(text)
    with pytest.raises(HandsOffError, match="does not describe a generator"):
        read_card(folder)


def test_weights_are_compared_before_a_network_of_the_cards_size_is_made(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    card["config"] |= {"channel_base": 2**20, "channel_max": 2**14}  # 30 GB
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(MismatchError, match=rf"{WEIGHTS} does not fit {CARD} \(blocks.0.const is \(8, 4, 4\), not"):
        load_generator(folder)


HATS = {"kind": "attributes", "names": ["hat"], "words": [["no", "yes"]], "examples": [[0.0]]}


@pytest.mark.parametrize(
    "change",
    [
        *({"config": {name: value}} for name, value in {"steps": 4, "sigma_max": 70.0, "sigma_min": 0.01}.items()),
        {"conditions": HATS | {"words": [["yes", "no"]]}},
        {"conditions": HATS | {"examples": [[1.0]]}},
        {"framing": "pad"},
        {"licence": "non-commercial"},
    ],
)
def test_what_decides_images_without_being_a_weight_is_part_of_the_hash(tmp_path: Path, change: dict[str, Any]) -> None:
    """A checkpoint that was imported again with other settings must not be taken for the same generator."""
    net = toy_unet(conditions=Conditions("attributes", ("hat",), (("no", "yes"),), examples=((0.0,),)))
    save_generator(net, tmp_path)
    before, card = generator_hash(tmp_path), json.loads((tmp_path / CARD).read_text())
    config = change.get("config")
    write_json(tmp_path / CARD, card | ({"config": card["config"] | config} if config else change))
    assert generator_hash(tmp_path) != before


def test_what_only_describes_a_generator_is_no_part_of_its_hash(folder: Path, tmp_path: Path) -> None:
    net: StoredGenerator = load_generator(folder)  # type: ignore[assignment]  # one that was stored
    before = generator_hash(folder)
    save_generator(net, tmp_path / "same", Nearness(100, 100, 0.5, 3), tuned_on=8)
    assert generator_hash(tmp_path / "same") == before
    (folder / CARD).write_text(json.dumps(dict(reversed(json.loads((folder / CARD).read_text()).items()))))
    assert generator_hash(folder) == before, "the order in which the card was written does not matter"


def test_a_generator_without_its_card_has_no_hash(folder: Path) -> None:
    (folder / CARD).unlink()
    with pytest.raises(InputError, match="holds no generator"):
        generator_hash(folder)
