"""Edit vectors: learnt from pasted masks, confirmed by the labeler, applied to samples that are made again."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.core.tensors import read_tensors
from handsoff.datasets.generated import open_generated
from handsoff.editing import edit as module
from handsoff.editing import outcome
from handsoff.editing.edit import Pasted, Trial, edit, learn_chunk
from handsoff.editing.outcome import change
from handsoff.editing.paint import open_canvas
from handsoff.editing.settings import EditSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import load_labeler
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import VECTORS, Vector, read_materials
from handsoff.synthesis import compose as rounds
from handsoff.synthesis.generate import generate, plan
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.settings import GenerateSettings
from toy import toy_generator

QUICK = EditSettings(parts=("bright",), vectors=2, steps=25, refine_steps=2, lr=0.1, outside=0.0, pull=0.0)


@pytest.fixture(scope="module")
def edits(world: Path) -> Path:
    """Edits that add bright pixels, whatever else they change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome, "STRAYED", 1.0)
        work = edit(world / "labeler", world / "latents", world / "edits", QUICK)
        for _ in range(12):
            next(work)
        work.close()
        assert run_to_end(edit(world / "labeler", world / "latents", world / "edits", QUICK)) == "continued"
    return world / "edits"


def test_vectors_add_what_was_pasted(edits: Path, world: Path) -> None:
    told, vectors = read_json(edits / "edits.json"), read_tensors(edits / VECTORS)
    assert told["edits"].keys() == vectors.keys() == {"segmentation/bright/0", "segmentation/bright/1"}
    labeler = load_labeler(world / "labeler")
    for name, entry in told["edits"].items():
        draw = Draw.of_record(entry["draw"])
        before, after = (
            labeler.label(draw_latents(labeler.generator, [made], read_materials(edits)))[1][0]
            for made in (draw, Draw(draw.seed, draw.psi, draw.condition, (Vector(name, 1.0),)))
        )
        assert change(before, after, 2).gained == pytest.approx(entry["gained"], abs=1e-5)
        assert (after == 2).sum() > (before == 2).sum()
    assert (edits / "edits.png").is_file()


def test_pictures_are_kept_of_the_edits_that_are_shown_alone(
    edits: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHOWN", 1)
    canvas = open_canvas(load_labeler(world / "labeler"))
    draws = [Draw.of_record(entry["draw"]) for entry in read_json(edits / "edits.json")["edits"].values()]
    trials = [Trial(f"segmentation/bright/{index}", "bright", "", draw) for index, draw in enumerate(draws)]
    nothing = np.zeros((2, *canvas.generator.image_size), np.uint8)
    pasted = Pasted(trials, nothing, nothing > 0)
    learnt = run_to_end(learn_chunk(edits, canvas, pasted, slice(0, 8), QUICK))
    assert [len(found.pictures) for found in learnt] == [3, 0]


def test_an_edit_that_changes_more_than_its_class_is_no_vector(world: Path, tmp_path: Path) -> None:
    quick = QUICK.model_copy(update={"vectors": 1, "steps": 12, "lr": 0.5})
    run_to_end(edit(world / "labeler", world / "latents", tmp_path / "edits", quick))
    (entry,) = read_json(tmp_path / "edits" / "edits.json")["edits"].values()
    assert (entry["confirmed"], read_tensors(tmp_path / "edits" / VECTORS)) == (False, {})
    (note,) = read_json(tmp_path / "edits" / "report.json")["notes"]
    assert note == "No edit that adds bright was confirmed: its samples stay as rare."


def test_the_labeler_confirms_and_every_sample_is_made_again(
    edits: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LEAST_ROUND", 8)
    settings = GenerateSettings(n=16, aim={"bright": {"pixels": 0.9}}, draws_limit=40, keep=1.0, seed=100)
    run_to_end(generate([world / "labeler"], tmp_path / "out", settings, edits=edits))
    data = open_generated(tmp_path / "out")
    edited = [record for record in data.records() if record.get("proposal", {}).get("kind") == "edit vector"]
    confirmed = [record for record in edited if record["edit"]["confirmed"]]
    assert edited
    assert not [record for record in edited if record["kept"] and not record["edit"]["confirmed"]]
    assert {record["reason"] for record in edited if not record["edit"]["confirmed"]} <= {
        "the edit missed its class, or changed more than that"
    }
    tried = read_json(tmp_path / "out" / "aim.json")["groups"][0]["proposals"]["edit vector"]
    assert tried["tried"] == len(edited)
    assert tried["confirmed"] <= len(confirmed)
    labeler, materials = load_labeler(world / "labeler"), read_materials(tmp_path / "out")
    for record in [record for record in data.records() if record["kept"]]:
        (sample,) = label_draws([labeler], [Draw.of_record(record["draw"])], materials)
        assert np.array_equal(sample.image, data.labelled("segmentation").image(record["name"]))
    draws = [Draw.of_record(edited[0]["draw"]), Draw(int(edited[0]["name"]))]
    one, other = (labeler.label(draw_latents(labeler.generator, [draw], materials))[1][0] for draw in draws)
    assert change(other, one, 2).record() == edited[0]["edit"]


def test_a_vector_moves_all_layers(world: Path) -> None:
    net = toy_generator(world / "generator")
    delta = torch.randn(net.num_ws, 16)
    draw = Draw(3, 0.8, None, (Vector("a", 0.5),))
    assert Draw.of_record(draw.record()) == draw
    materials = read_materials(world)
    with pytest.raises(InputError, match=r"need a, which is not in .*vectors\.safetensors"):
        draw_latents(net, [draw], materials)
    found = draw_latents(net, [draw], type(materials)(vectors={"a": delta})).tensors["ws"]
    assert torch.allclose(found, net.draw([3], psi=0.8).tensors["ws"] + 0.5 * delta)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"parts": ("brite",)}, "parts names 'brite': did you mean bright"), ({"parts": ("bright",), "first": 2}, "")],
)
def test_classes_that_cannot_be_edited_are_refused(
    world: Path, tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason or "None of the labelled photos shows bright"):
        run_to_end(edit(world / "labeler", world / "latents", tmp_path / "out", EditSettings(**settings)))
    assert not (tmp_path / "out").exists()


def test_edits_that_do_not_serve_are_refused(edits: Path, world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Edits are made to reach an aim"):
        plan([world / "labeler"], GenerateSettings(n=4), edits)
    shutil.copytree(edits, tmp_path / "edits")
    write_json(tmp_path / "edits" / "edits.json", {**read_json(edits / "edits.json"), "generator": "x"})
    with pytest.raises(MismatchError, match="edits of another generator"):
        plan([world / "labeler"], GenerateSettings(n=4, aim={"bright": 0.5}), tmp_path / "edits")
