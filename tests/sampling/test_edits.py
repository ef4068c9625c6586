"""Edited draws: made again from their record, whatever else is drawn."""

from pathlib import Path

import pytest
import torch

from handsoff.core.errors import InputError
from handsoff.core.tensors import write_tensors
from handsoff.sampling.draws import Draw, anchor_of, draw_latents
from handsoff.sampling.edits import ANCHORS, DIRECTIONS, Anchor, Materials, Mix, Move, read_materials
from toy import toy_generator
from toy_generators import toy_conditional, toy_diffusion

PHOTO = Anchor(photo="photo07")
SEED = anchor_of(Draw(99))
MATERIALS = Materials({"photo07": torch.randn(6, 16)}, {"hat, round 1": torch.randn(16)})
MIX, PART, MOVE = Mix(SEED, 0, 3), Mix(PHOTO, 0, 6, 0.7), Move("hat, round 1", 2, 6, 1.5)


def ws_of(folder: Path, draws: list[Draw]) -> torch.Tensor:
    return draw_latents(toy_generator(folder), draws, MATERIALS).tensors["ws"]


@pytest.mark.parametrize("edits", [(MIX,), (PART,), (MOVE,), (MIX, MOVE)])
def test_an_edited_draw_is_remade_from_its_record(edits: tuple[Mix | Move, ...]) -> None:
    draw = Draw(3, 0.8, None, edits)
    assert Draw.of_record(draw.record()) == draw
    assert "edits" not in Draw(3).record(), "plain draws are recorded as ever"


@pytest.mark.parametrize("record", [{"layers": [0, 1]}, {"mix": {}, "layers": [0, 1], "strength": 1}, {"move": "a"}])
def test_what_is_no_edit_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(InputError, match="is no record of a draw"):
        Draw.of_record({"seed": 1, "psi": 1.0, "condition": None, "edits": [record]})


def test_edits_do_what_they_say(tmp_path: Path) -> None:
    draws = [Draw(1), Draw(99), Draw(1, edits=(MIX,)), Draw(1, edits=(PART,)), Draw(1, edits=(MOVE,))]
    plain, other, mixed, part, moved = ws_of(tmp_path, draws)
    assert torch.allclose(mixed[:3], other[:3], atol=1e-5)
    assert torch.equal(mixed[3:], plain[3:])
    assert torch.allclose(part, plain + 0.7 * (MATERIALS.anchors["photo07"] - plain), atol=1e-5)
    assert torch.equal(moved[:2], plain[:2])
    assert torch.allclose(moved[2:] - plain[2:], 1.5 * MATERIALS.directions["hat, round 1"].expand(4, -1), atol=1e-5)


def test_edits_follow_each_other_and_no_sample_minds_the_others(tmp_path: Path) -> None:
    draws = [Draw(1, edits=(MIX, MOVE)), Draw(2), Draw(3, edits=(PART,)), Draw(99, edits=(MOVE,))]
    together = ws_of(tmp_path, draws)
    for row, draw in enumerate(draws):
        assert torch.allclose(ws_of(tmp_path, [draw])[0], together[row], atol=1e-5)
    assert torch.allclose(together[0, 2], together[3, 2], atol=1e-5), "layer 2 was mixed, then moved"


def test_a_conditional_generator_keeps_the_class_of_the_draw() -> None:
    net = toy_conditional()
    edit = Mix(anchor_of(Draw(5, 1.0, 2)), 0, 3)
    latents = draw_latents(net, [Draw(1, 1.0, 0, (edit,)), Draw(5, 1.0, 2)])
    assert latents.condition is not None
    assert latents.condition.tolist() == [0, 2]
    assert torch.allclose(latents.tensors["ws"][0, :3], latents.tensors["ws"][1, :3], atol=1e-5)


def test_what_an_edit_needs_lies_in_the_folder(tmp_path: Path) -> None:
    assert not read_materials(tmp_path).anchors
    write_tensors(tmp_path / ANCHORS, dict(MATERIALS.anchors))
    write_tensors(tmp_path / DIRECTIONS, dict(MATERIALS.directions))
    found = read_materials(tmp_path)
    assert torch.equal(found.anchors["photo07"], MATERIALS.anchors["photo07"])
    assert torch.equal(found.directions["hat, round 1"], MATERIALS.directions["hat, round 1"])


def test_what_cannot_be_edited_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"need photo07, which is not in anchors.safetensors"):
        draw_latents(toy_generator(tmp_path), [Draw(1, edits=(PART,))])
    with pytest.raises(InputError, match="this generator has none"):
        draw_latents(toy_diffusion(), [Draw(1, edits=(MOVE,))], MATERIALS)
