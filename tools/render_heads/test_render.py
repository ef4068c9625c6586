"""Heads are the same however they are rendered, and their labels agree with their pictures."""
# A test: assert is how pytest tests, and expected values are plain numbers:
# ruff: noqa: S101, PLR2004

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
pytest.importorskip("numba")
sys.path.insert(0, str(HERE))

import assets  # noqa: E402  # the folder is a set of scripts: it goes on the path first

try:
    assets.find_data()
except FileNotFoundError:
    pytest.skip("the mesh data is not installed", allow_module_level=True)

import scene  # noqa: E402


@pytest.fixture(scope="module")
def studio() -> scene.Studio:
    return scene.open_studio()


def test_a_head_depends_on_its_number_alone(studio: scene.Studio) -> None:
    first = scene.draw(studio, 5, 3, 32)
    scene.draw(studio, 5, 4, 32)
    again = scene.draw(studio, 5, 3, 32)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (scene.draw(studio, 6, 3, 32).image != first.image).any()


@pytest.mark.parametrize("index", range(6))
def test_labels_agree_with_the_picture(studio: scene.Studio, index: int) -> None:
    picture = scene.draw(studio, 9, index, 64)
    assert picture.image.shape == (64, 64, 3)
    assert picture.image.dtype == picture.mask.dtype == np.uint8
    assert picture.image.std() > 10
    assert picture.mask.max() < len(scene.CLASSES)
    assert {"background", "skin", "clothing"} <= {scene.CLASSES[number] for number in np.unique(picture.mask)}
    seen = picture.mask > 0
    assert ((picture.depth > 0) == seen).all()
    assert 0.5 < picture.depth[seen].min() < picture.depth[seen].max() < 2.6
    x, y, visible = picture.keypoints.T
    assert len(studio.names) == len(picture.keypoints) >= 24
    inside = (x >= 0) & (x < 64) & (y >= 0) & (y < 64)
    np.testing.assert_array_equal(visible > 0, inside)
    on_head = picture.mask[y[visible == 2].astype(int), x[visible == 2].astype(int)] > 0
    assert on_head.mean() > 0.85  # those on the silhouette may fall on a background pixel


def test_attributes_agree_with_the_labels(studio: scene.Studio) -> None:
    """Of the first heads of a seed that wear something: what is said is seen, and the nose points to where yaw says."""
    heads = {index: scene.sample_head(studio, 9, index).attributes() for index in range(60)}
    rare = [index for index, head in heads.items() if "yes" in {head["hat"], head["glasses"], head["beard"]}][:5]
    turned = sorted(heads, key=lambda index: heads[index]["yaw"])
    tip, left, right = (studio.names.index(name) for name in ("nose_tip", "left_pupil", "right_pupil"))
    for index in {*rare, turned[0], turned[-1]}:
        picture = scene.draw(studio, 9, index, 64)
        seen = {scene.CLASSES[number] for number in np.unique(picture.mask)}
        for name in ("hat", "glasses", "beard"):
            assert (heads[index][name] == "yes") == (name in seen)
        x = picture.keypoints[:, 0]
        beside = x[tip] - (x[left] + x[right]) / 2
        if index in {turned[0], turned[-1]}:
            assert beside * heads[index]["yaw"] > 0
    assert all(
        abs(head["yaw"]) <= 35 and abs(head["light_x"]) <= 1 and 16 <= head["age"] <= 80 for head in heads.values()
    )


def test_the_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(HERE / "render.py"),
        str(tmp_path / "out"),
        "--count",
        "2",
        "--size",
        "32",
        "--labels",
        "--attributes",
    ]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own script
    names = sorted(path.stem for path in (tmp_path / "out/images").iterdir())
    kept = (tmp_path / "out/images" / f"{names[0]}.png").read_bytes()
    (tmp_path / "out/images" / f"{names[1]}.png").unlink()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own script
    assert sorted(path.stem for path in (tmp_path / "out/images").iterdir()) == names
    assert (tmp_path / "out/images" / f"{names[0]}.png").read_bytes() == kept
    assert len(json.loads((tmp_path / "out/classes.json").read_text())) == 12
    keypoints = json.loads((tmp_path / "out/keypoints.json").read_text())
    assert sorted(keypoints) == names
    told = json.loads((tmp_path / "out/attributes.json").read_text())
    assert sorted(told) == names
    assert all(
        head.keys() == {"yaw", "pitch", "age", "light_x", "light_y", "hat", "glasses", "beard"}
        for head in told.values()
    )
    assert np.load(tmp_path / "out/depth" / f"{names[0]}.npz")["depth"].shape == (32, 32)
