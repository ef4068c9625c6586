"""The demo and the pack that comes with the package: what is in it, and the whole way from 50 labels to the report at tiny size."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from handsoff import cli
from handsoff import demo as demonstration
from handsoff.core.files import read_json
from handsoff.demo import PACK, demo_recipe
from handsoff.formats.labelled import open_labelled
from handsoff.generators.stored import load_generator
from handsoff.methods.plan import Recipe

CLASSES = ("background", "skin", "nose", "eye", "brow", "ear", "mouth", "hair", "beard", "glasses", "hat", "clothing")
SIZE = 64
TINY = {
    "invert": {"steps": 2},
    "fit": {"steps": 2, "members": 2},
    "generate": {"n": 20},
    "evaluate": {"steps": 2},
}


@pytest.mark.parametrize(("name", "count", "seed"), [("train", 50, 4), ("test", 200, 2)])
def test_the_pack_has_masks_keypoints_and_depth_of_every_head(name: str, count: int, seed: int) -> None:
    heads = open_labelled(PACK / f"{name}.zip")
    assert (len(heads.names), heads.classes) == (count, CLASSES)
    assert all(head.startswith(f"head-{seed:03d}-") for head in heads.names)  # an identity is its seed and number, see packs/heads
    masks = heads.load((SIZE, SIZE))[1]
    assert set(np.unique(masks)) == set(range(len(CLASSES)))
    with zipfile.ZipFile(PACK / f"{name}.zip") as archive:
        points = json.loads(archive.read("keypoints.json"))
        assert sorted(points["samples"]) == list(heads.names)
        assert all(len(sample) == len(points["names"]) >= 24 for sample in points["samples"].values())
        for head, mask in zip(heads.names, masks, strict=True):
            depth = np.load(io.BytesIO(archive.read(f"depth/{head}.npz")))["depth"]
            assert depth.shape == (SIZE, SIZE)
            assert np.array_equal(depth > 0, mask > 0)


def test_the_pack_is_small_and_its_generator_is_free() -> None:
    assert sum(path.stat().st_size for path in PACK.rglob("*") if path.is_file()) <= 25e6
    generator = load_generator(PACK / "generator")
    assert generator.resolution == (SIZE, SIZE)
    assert "CC0" in generator.licence


@pytest.mark.parametrize("full", [False, True])
def test_both_recipes_can_be_read(full: bool) -> None:  # noqa: FBT001
    recipe = demo_recipe(full=full)
    assert recipe.output == Path("demo-full" if full else "demo")
    assert (recipe.labels, recipe.evaluate.seeds) == (50, 3 if full else 1)


@pytest.mark.slow
def test_the_demo_writes_dataset_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def tiny(out: Path | None, *, full: bool) -> Recipe:
        return Recipe(**{name: {**vars(value), **TINY[name]} if name in TINY else value for name, value in vars(demo_recipe(out, full=full)).items()})

    monkeypatch.setattr(demonstration, "demo_recipe", tiny)
    out = tmp_path / "demo"
    assert cli.main(["demo", "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"Report: {out / 'report.html'}" in shown
    assert "real + synthetic" in shown
    assert "rendered heads" in (out / "report.html").read_text(encoding="utf-8")
    assert len(open_labelled(out / "50" / "dataset").names) == 18
    assert "CC0" in read_json(out / "50" / "dataset" / "manifest.json")["licence"]
    assert cli.main(["demo", "-o", str(out)]) == 0
    assert "nothing to do" in capsys.readouterr().out
