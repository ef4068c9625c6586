"""Attributes of training photos: read, checked, mirrored and dropped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.datasets.sources import load_photos, loaded_names, open_source
from handsoff.training.conditions import EXAMPLES, photo_conditions
from handsoff.training.settings import TrainSettings

PHOTOS = [f"images/a{index}.png" for index in range(6)]
YAWS = [-30.0, -10.0, 0.0, 5.0, 10.0, 40.0]
HATS = ["cap", "none", "none", "brim", "none", "none"]


def write(folder: Path, entries: Any) -> Path:
    (folder / "attributes.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder / "attributes.json"


def entries(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {f"a{i}": {"yaw": YAWS[i], "hat": HATS[i]} for i in range(6)}
    return {name: entry for name, entry in {**told, **changes}.items() if entry is not None}


def test_numbers_and_words_are_told_in_the_order_of_the_photos(tmp_path: Path) -> None:
    found = photo_conditions(write(tmp_path, entries()), PHOTOS, ["yaw"])
    conditions = found.conditions
    assert (conditions.kind, conditions.names) == ("attributes", ("yaw", "hat"))
    assert conditions.words == ((), ("brim", "cap", "none"))
    assert conditions.scales[0] == pytest.approx((np.mean(YAWS), np.std(YAWS)))
    rows = [(yaw, float(["brim", "cap", "none"].index(hat))) for yaw, hat in zip(YAWS, HATS, strict=True)]
    assert found.values.tolist() == [list(row) for row in rows]
    assert conditions.examples == tuple(rows)
    picked = torch.tensor([0, 5, 3])
    mirrored, dropped = torch.tensor([True, False, False]), torch.tensor([False, False, True])
    told = found.of(picked, mirrored, dropped)
    assert told[:2].tolist() == [[30.0, 1.0], [40.0, 2.0]], "yaw changes its sign in the mirror, the hat does not"
    assert bool(told[2].isnan().all())
    assert not photo_conditions(tmp_path / "attributes.json", PHOTOS, None).mirrored


@pytest.mark.parametrize("spelling", ["images/{}.png", "images/{}", "{}.png", "{}"])
def test_a_photo_is_named_with_or_without_folder_and_suffix(tmp_path: Path, spelling: str) -> None:
    file = write(tmp_path, {spelling.format(name): entry for name, entry in entries().items()})
    assert photo_conditions(file, PHOTOS, None).values[:, 0].tolist() == YAWS


def test_of_very_many_photos_some_are_remembered(tmp_path: Path) -> None:
    names = [f"{index:05d}.png" for index in range(2 * EXAMPLES)]
    file = write(tmp_path, {name: {"size": index} for index, name in enumerate(names)})
    examples = photo_conditions(file, names, None).conditions.examples
    assert len(examples) == EXAMPLES
    assert examples[:3] == ((0.0,), (2.0,), (4.0,))


@pytest.mark.parametrize(
    ("told", "mirrored", "said"),
    [
        ([], None, "is missing or no table"),
        ({}, None, "names no attribute"),
        (entries(a3=None, a4=None), None, r"has no yaw for 2 of 6 images, the first is images/a3\.png"),
        (entries(a2={"yaw": 0.0}), None, r"has no hat for 1 of 6 images, the first is images/a2\.png"),
        (entries(a2={"yaw": float("nan"), "hat": "cap"}), None, "has no yaw for 1 of 6 images"),
        (entries(a2={"yaw": "left", "hat": "cap"}), None, "yaw is a number in some images and a word in others"),
        (entries(b0={"yaw": 0.0, "hat": "cap"}), None, "names 1 of 7 images that are not among the photos, .* b0:"),
        ({f"a{i}": {"yaw": float(i), "hat": "no"} for i in range(6)}, None, "hat is no in all 6 photos"),
        ({f"a{i}": {"time": 2**31 + i} for i in range(6)}, None, "numbers of time differ by less than seven digits"),
        ({f"a{i}": {"yaw": 3} for i in range(6)}, None, "yaw is 3 in all 6 photos, so it tells nothing: leave it out"),
        ({**entries(), "a0.png": entries()["a0"]}, None, r"names images/a0\.png twice"),
        (entries(), ["hat"], "mirrored names hat, which is a word"),
        (entries(), ["yaws"], r"mirrored names yaws, which is no attribute of .*, did you mean yaw\? choose"),
    ],
)
def test_what_is_no_condition_is_said(tmp_path: Path, told: Any, mirrored: list[str] | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        photo_conditions(write(tmp_path, told), PHOTOS, mirrored)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read \(No such file or directory\): name a JSON"):
        photo_conditions(tmp_path / "nowhere.json", PHOTOS, None)


def test_what_is_to_be_mirrored_must_be_told() -> None:
    with pytest.raises(ValueError, match="there are none: give conditions"):
        TrainSettings(mirrored=("yaw",))
    with pytest.raises(ValueError, match="mirror = false: leave one of them out"):
        TrainSettings(conditions="told.json", mirrored=("yaw",), mirror=False)


def test_a_photo_that_was_skipped_may_be_told(tmp_path: Path) -> None:
    trained = [name for name in PHOTOS if name != "images/a3.png"]
    file = write(tmp_path, entries())
    found = photo_conditions(file, trained, ["yaw"], PHOTOS)
    assert found.values[:, 0].tolist() == [-30, -10, 0, 10, 40]
    assert found.conditions.scales[0] == pytest.approx((2, np.std([-30, -10, 0, 10, 40])))
    with pytest.raises(InputError, match="has no yaw for 1 of 5 images, the first is images/a2"):
        photo_conditions(write(tmp_path, entries(a2=None)), trained, None, PHOTOS)
    with pytest.raises(InputError, match="names 1 of 7 images that are not among the photos"):
        photo_conditions(write(tmp_path, entries(b0=entries()["a0"])), trained, None, PHOTOS)


def test_photos_that_were_skipped_are_known(tmp_path: Path) -> None:
    """Attributes belong to the photo that comes with them, whatever was broken before it."""
    (tmp_path / "photos").mkdir()
    for index in range(21):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / "photos" / f"{index:02d}.png")
    (tmp_path / "photos" / "07.png").write_bytes(b"broken")
    source, cache = open_source(tmp_path / "photos"), tmp_path / "cache.u8"
    list(load_photos(source, (8, 8), cache))
    assert loaded_names(source, cache) == [f"{index:02d}.png" for index in range(21) if index != 7]
