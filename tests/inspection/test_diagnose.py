"""Every link of a finished run is measured, from its files alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.generators.stored import generator_hash
from handsoff.inspection.diagnose import diagnose, drawn_at_most, generator_link, tuned_generator_of
from handsoff.inspection.settings import DiagnoseSettings
from handsoff.inspection.steps import finished_steps, of_verb, only_step
from handsoff.jobs.folder import recorded_plan
from handsoff.jobs.progress import run_to_end
from handsoff.recipes.load import load_recipe
from handsoff.report.diagnosis import tables
from handsoff.runner.run import run
from toy import CLASSES, QUICK_RECIPE, toy_generator, toy_labels
from toy_generators import toy_unet

RECIPE = (
    QUICK_RECIPE.replace("n = 12", "n = 12\nkeep = 0.5")
    .replace("validation = 2", "validation = 4")
    .replace("[fit]", "tuning_steps = 2\n[fit]")
)
FEW = DiagnoseSettings(photos=4, images=10, samples=5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a recipe that tuned its generator, and that generator says which photos it was trained on."""
    root = tmp_path_factory.mktemp("diagnose")
    net = toy_generator(root / "generator")
    toy_labels(net, root / "labelled", count=14)
    (root / "photos").mkdir()
    for index in range(12):
        noise = np.random.default_rng(index).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(root / "photos" / f"{index}.png")
    inputs = {"images": {"path": str(root / "photos"), "fingerprint": "photos"}}
    write_json(root / "generator" / "report.json", {"verb": "train", "inputs": inputs, "kimg": 7.0})
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    run_to_end(run(load_recipe(root / "recipe.toml", root / "run")))
    return root / "run"


@pytest.fixture(scope="module")
def diagnosis(finished: Path) -> Path:
    assert run_to_end(diagnose(finished, finished / "diagnosis", FEW)) == "made"
    return finished / "diagnosis"


def test_every_link_is_measured(diagnosis: Path) -> None:
    found = read_json(diagnosis / "diagnosis.json")
    links = found["links"]
    assert links["generator"]["kimg"] == 7.0
    assert links["generator"]["distance"]["fd_lite0"] > 0
    assert links["generator"]["compared"] == {"photos": 10, "generated": 10}
    assert links["generator"]["distance_before_tuning"] != links["generator"]["distance"]
    assert set(links["generator"]["diversity"]) == {"photos", "generated"}
    assert set(links["reconstruction"]) == {"labelled", "held_out"}
    budget = links["budgets"]["6"]
    assert budget["distance_to_photos"]["fd_lite0"] > 0
    assert budget["compared"] == {"photos": 10, "kept": 6}
    task = budget["tasks"]["segmentation"]
    assert 0 <= task["labels_on_held_out_photos"]["metrics"]["miou"] <= 1
    transfer = task["label_transfer"]
    assert all(0 <= transfer[kind]["metrics"]["miou"] <= 1 for kind in ("photos", "reconstructions"))
    assert set(task["arms"]["arms"]) == {"real_only", "synthetic_only", "real_plus_synthetic"}
    assert [task["selection"][name]["samples"] for name in ("kept", "dropped")] == [6, 6]
    for share in (task["share"]["labelled"], task["share"]["held_out"], task["selection"]["kept"]["share"]):
        assert sum(share.values()) == pytest.approx(1, abs=1e-3)
        assert set(share) == set(CLASSES)
    assert found["machine"]["cores"] >= 1
    assert {"50/report", "output"}.isdisjoint(found["recipe"])


def test_fewer_images_are_drawn_by_a_diffusion_model() -> None:
    assert [drawn_at_most(toy_unet(), images) for images in (2000, 10)] == [500, 10]


def test_held_out_photos_are_those_of_the_validation_part(diagnosis: Path) -> None:
    card = read_json(diagnosis / "held-out" / "latents.json")
    assert card["names"] == ["photo06", "photo07", "photo08", "photo09"]


def test_held_out_photos_are_inverted_by_the_tuned_generator_and_do_not_tune_it(
    finished: Path, diagnosis: Path
) -> None:
    made = recorded_plan(diagnosis / "held-out")
    assert made.inputs["generator"]["fingerprint"] == generator_hash(finished / "latents" / "generator")
    assert made.settings["tuning_steps"] == 0
    steps = finished_steps(finished)
    assert tuned_generator_of(steps) == finished / "latents" / "generator"
    untuned = [replace(step, report={"settings": {"tuning_steps": 0}}) for step in steps]
    assert tuned_generator_of(untuned) is None


def test_the_page_and_the_terminal_show_the_same_tables(diagnosis: Path) -> None:
    page = (diagnosis / "diagnosis.html").read_text(encoding="utf-8")
    shown = tables(read_json(diagnosis / "diagnosis.json"))
    assert [row[:2] for row in shown[0].rows] == [
        ("before tuning", "10"),
        ("all images", "10"),
        ("kept images, 6 labels", "6"),
        ("training images", "10"),
    ]
    assert [table.title for table in shown] == [
        "Generator",
        "Inversion",
        "Labels: segmentation, 6 labels",
        "Selection: segmentation, 6 labels",
    ]
    for table in shown:
        assert table.title in page
        assert all(len(row) == len(table.header) for row in table.rows)
    assert page.count('src="data:image') == 4  # two inversions; kept and dropped samples
    assert "http" not in page.replace("http-equiv", "")


def test_a_diagnosis_is_done_once(finished: Path, diagnosis: Path) -> None:
    assert run_to_end(diagnose(finished, diagnosis, FEW)) == "done"
    with pytest.raises(InputError, match="photos = 4 instead of 5"):
        run_to_end(diagnose(finished, diagnosis, FEW.model_copy(update={"photos": 5})))


def test_photos_that_are_gone_are_said_to_be(finished: Path, tmp_path: Path) -> None:
    report = finished.parent / "generator" / "report.json"
    before = report.read_text(encoding="utf-8")
    changed = json.loads(before)
    changed["inputs"]["images"]["path"] = str(tmp_path / "gone")
    report.write_text(json.dumps(changed), encoding="utf-8")
    try:
        run_to_end(diagnose(finished, tmp_path / "out", FEW))
    finally:
        report.write_text(before, encoding="utf-8")
    links = read_json(tmp_path / "out" / "diagnosis.json")["links"]
    assert "does not exist" in links["generator"]["not_measured"]
    assert "distance_to_photos" not in links["budgets"]["6"]
    assert "does not exist" in (tmp_path / "out" / "diagnosis.html").read_text(encoding="utf-8")


def test_the_steps_of_a_run_are_read_from_its_report(finished: Path) -> None:
    steps = finished_steps(finished)
    assert [step.verb for step in steps] == ["invert", "fit", "generate", "evaluate"]
    inverted = only_step(steps, "invert")
    assert inverted is not None
    assert inverted.folder == finished / "latents"
    assert of_verb(steps, "fit")[0].inputs["examples"] == [finished / "latents"]
    assert only_step(steps, "train") is None


def test_runs_without_a_generator_or_without_samples_are_diagnosed_as_far_as_that_goes(
    finished: Path, tmp_path: Path
) -> None:
    steps = finished_steps(finished)
    without = [replace(step, inputs={}) for step in steps]
    assert run_to_end(generator_link(without, tmp_path, FEW)) == (
        {"not_measured": "The run has no generator."}, None,
    )  # fmt: skip
    found, real = run_to_end(generator_link([step for step in steps if step.verb != "generate"], tmp_path, FEW))
    assert (found["not_measured"], real) == ("The run has no generated images to compare with photos.", None)


def test_what_is_no_finished_run_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not made by handsoff run"):
        run_to_end(diagnose(tmp_path, tmp_path / "out", FEW))
    with pytest.raises(InputError, match="a folder of handsoff run is needed"):
        run_to_end(diagnose(finished / "latents", tmp_path / "out", FEW))
    assert not (tmp_path / "out").exists()
