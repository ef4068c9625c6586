"""The demo and its data: what is in them, and the whole way from 16 labels to the report at tiny size."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from handsoff import demo as demonstration
from handsoff.cli import main as cli
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import image_names, open_source
from handsoff.demo import DATA, demo_recipe
from handsoff.formats.photos import photos_in
from handsoff.generators.stored import load_generator
from handsoff.recipes.schema import Recipe

CLASSES = ["background", "skin", "nose", "eye", "brow", "ear", "mouth", "hair", "beard", "glasses", "hat", "clothing"]
SIZE = 64
TINY = {
    "invert": {"steps": 2},
    "fit": {"steps": 2, "members": 2},
    "generate": {"n": 20},
    "label": {"n": 20},
    "evaluate": {"steps": 2},
}


@pytest.mark.parametrize(("name", "count", "seed"), [("train", 50, 4), ("test", 200, 2)])
def test_the_data_has_masks_keypoints_and_depth_of_every_head(name: str, count: int, seed: int) -> None:
    heads = open_labelled(DATA / f"{name}.zip", tasks=["segmentation", "keypoints", "depth"])
    assert len(heads.names) == count
    assert heads.tasks["segmentation"].schema["classes"] == CLASSES
    assert all(
        head.startswith(f"head-{seed:03d}-") for head in heads.names
    )  # an identity is its seed and number, see tools/render_heads
    labels = heads.load((SIZE, SIZE))[1]
    assert set(np.unique(labels["segmentation"])) == set(range(len(CLASSES)))
    assert labels["keypoints"].shape[1] >= 24
    assert heads.tasks["keypoints"].geometry.mirrors
    assert np.array_equal(labels["depth"] > 0, labels["segmentation"] > 0)
    assert heads.tasks["depth"].schema["unit"] == "metres"
    names = heads.tasks["keypoints"].schema["names"]
    eyes, inside = [names.index(f"{side}_pupil") for side in ("left", "right")], []
    for points, mask in zip(labels["keypoints"], labels["segmentation"], strict=True):
        inside += [
            CLASSES[mask[round(float(y)), round(float(x))]] in ("eye", "glasses")
            for x, y, seen in points[eyes]
            if seen == 2
        ]
    assert np.mean(inside) > 0.75, "pupils lie in eyes, unless these are closed"


def test_the_photos_are_heads_that_the_generator_learnt_from() -> None:
    """Renders of seed 0, none of which is a labelled or a test head."""
    photos = image_names(photos_in(open_source(DATA / "photos.zip")))
    assert len(photos) == 2_000
    assert {PurePosixPath(photo).stem for photo in photos} == {f"head-000-{index:06d}" for index in range(2_000)}


def test_the_data_is_small_and_its_generator_is_free() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) <= 25e6
    generator = load_generator(DATA / "generator")
    assert generator.image_size == (SIZE, SIZE)
    assert "CC0" in generator.licence


@pytest.mark.parametrize("full", [False, True])
def test_both_recipes_can_be_read(full: bool) -> None:  # noqa: FBT001
    recipe = demo_recipe(full=full)
    assert recipe.output == Path("demo-full" if full else "demo")
    assert (recipe.largest, recipe.settings("evaluate").seeds) == ((50, 3) if full else (16, 1))


def test_a_demo_of_another_version_is_refused_with_what_the_demo_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latents = tmp_path / "demo" / "latents"
    write_json(latents / "job.json", {"verb": "invert", "inputs": {}, "settings": {}})
    write_json(tmp_path / "demo" / "job.json", {"verb": "run", "inputs": {}, "settings": {}})
    assert cli.main(["demo", "-o", str(tmp_path / "demo")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "another version of the demo, or changed since: choose another folder with -o, or delete that one" in said
    assert "--redo" not in said


@pytest.mark.slow
def test_the_demo_writes_dataset_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tiny(out: Path | None, *, full: bool) -> Recipe:
        recipe = demo_recipe(out, full=full)
        tables = {verb: {**recipe.tables.get(verb, {}), **table} for verb, table in TINY.items()}
        return recipe.model_copy(update={"tables": {**recipe.tables, **tables}})

    monkeypatch.setattr(demonstration, "demo_recipe", tiny)
    out = tmp_path / "demo"
    assert cli.main(["demo", "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"Report: {out / 'report.html'}" in shown
    assert "real + synthetic" in shown
    assert "real + photos" in shown
    assert "rendered heads" in (out / "report.html").read_text(encoding="utf-8")
    assert len(open_labelled(out / "16" / "dataset").names) == 18
    assert len(open_labelled(out / "16" / "photos").names) == 18
    assert "CC0" in read_json(out / "16" / "dataset" / "manifest.json")["licence"]
    assert cli.main(["demo", "-o", str(out)]) == 0
    assert "nothing to do" in capsys.readouterr().out
