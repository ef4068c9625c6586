"""Names of folders and files in the folder format, and labels that can hardly be what they say."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.datasets.labelled import list_labelled, open_labelled
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.inspect import describe
from handsoff.jobs.progress import run_to_end


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, "JPEG" if path.suffix == ".jfif" else None)


@pytest.mark.parametrize("ids", [(0, 255), (255,)])
def test_masks_of_0_and_255_alone_are_doubted(tmp_path: Path, ids: tuple[int, ...]) -> None:
    for name, mask in (("a", np.resize(ids, (4, 4))), ("b", np.zeros((4, 4)))):
        put(tmp_path / "images" / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
        put(tmp_path / "masks" / f"{name}.png", mask.astype(np.uint8))
    (tmp_path / "classes.json").write_text('["background", "leaf"]')
    sentence = r"the masks hold only 0 and 255, and 255 means ignored: if it is meant to be leaf, write 1 instead, or "
    with pytest.raises(InputError, match=sentence):
        open_labelled(tmp_path)
    put(tmp_path / "masks" / "b.png", np.ones((4, 4), np.uint8))
    assert len(open_labelled(tmp_path).names) == 2


def test_accents_of_macos_and_of_others_are_the_same_name(tmp_path: Path) -> None:
    two, one = unicodedata.normalize("NFD", "été"), unicodedata.normalize("NFC", "été")
    put(tmp_path / "images" / f"{two}.png", np.zeros((4, 4, 3), np.uint8))
    put(tmp_path / "masks" / f"{one}.png", np.ones((4, 4), np.uint8))
    (tmp_path / "classes.json").write_text('["background", "leaf"]')
    (tmp_path / "keypoints.json").write_text(json.dumps({two: [[1, 2]]}))
    dataset = open_labelled(tmp_path)
    assert dataset.names == (two,)
    assert set(dataset.sample(two)[1]) == {"segmentation", "keypoints"}
    (tmp_path / "keypoints.json").write_text(json.dumps({two: [[1, 2]], one: [[1, 2]]}))
    with pytest.raises(InputError, match=r"keypoints\.json: 'été' has no image"):
        open_labelled(tmp_path, tasks=["keypoints"])


@pytest.mark.parametrize(
    ("photos", "labels", "remedy"),
    [
        ("img", "label", "rename img/ to images/ and label/ to masks/"),
        ("image", "mask", "rename image/ to images/ and mask/ to masks/"),
        ("images", "labels", "rename labels/ to masks/"),
        ("Images", "Masks", "rename Images/ to images/ and Masks/ to masks/"),
        ("imgs", "masks", "rename imgs/ to images/"),
    ],
)
def test_folders_of_nearly_right_names_are_to_be_renamed(tmp_path: Path, photos: str, labels: str, remedy: str) -> None:
    put(tmp_path / photos / "a.png", np.zeros((4, 4, 3), np.uint8))
    put(tmp_path / labels / "a.png", np.ones((4, 4), np.uint8))
    for opening in (open_labelled, lambda path: open_dataset(open_source(path))):
        with pytest.raises(InputError, match=f": {remedy}"):
            opening(tmp_path)


def test_lossy_labels_are_refused_and_lossy_pictures_of_labels_are_not_read(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
    put(tmp_path / "masks" / "a.jpg", np.ones((4, 4), np.uint8))
    (tmp_path / "classes.json").write_text('["background", "leaf"]')
    with pytest.raises(
        InputError, match=r"masks/a\.jpg: labels are not read from \.jpg files, .*: export them as \.png"
    ):
        open_labelled(tmp_path)
    put(tmp_path / "masks" / "a.png", np.ones((4, 4), np.uint8))
    assert open_labelled(tmp_path).names == ("a",)


@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".TIFF"])
def test_masks_in_other_lossless_files_are_read(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "images" / "a.jfif", np.zeros((4, 4, 3), np.uint8))
    put(tmp_path / "masks" / f"a{suffix}", np.eye(4, dtype=np.uint8))
    (tmp_path / "classes.json").write_text('["background", "leaf"]')
    assert np.array_equal(open_labelled(tmp_path).label("segmentation", "a"), np.eye(4))


def test_masks_of_0_and_255_are_seen_by_inspect_and_convert(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / "data" / "images" / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
        put(tmp_path / "data" / "masks" / f"{name}.png", np.eye(4, dtype=np.uint8) * 255)
    (tmp_path / "data" / "classes.json").write_text('["background", "leaf"]')
    assert any("masks hold only 0 and 255" in problem for problem in describe(tmp_path / "data")[3])
    for form in ("folder", "coco", "huggingface"):
        with pytest.raises(InputError, match="the masks hold only 0 and 255"):
            run_to_end(convert(tmp_path / "data", tmp_path / form, ConvertSettings(format=form)))
        assert not (tmp_path / form).exists()
    run_to_end(convert(tmp_path / "data", tmp_path / "out", ConvertSettings(format="folder", ignore="leaf")))
    assert np.array_equal(open_labelled(tmp_path / "out").label("segmentation", "a"), np.eye(4))


@pytest.mark.parametrize(
    ("card", "splits"),
    [("", "train"), ("set/", "train"), ("set/train/", "train"), ("", "train val"), ("set/", "train val")],
)
def test_a_card_holds_for_all_splits_below_it_and_for_a_single_one(tmp_path: Path, splits: str, card: str) -> None:
    for split in splits.split():
        put(tmp_path / "set" / split / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
        put(tmp_path / "set" / split / "depth" / "a.png", np.full((4, 4), 200, np.uint8))
        (tmp_path / "set" / split / "keypoints.json").write_text('{"a": [[1, 1], [2, 2]]}')
    (tmp_path / card / "depth.json").write_text('{"scale": 0.01}')
    (tmp_path / card / "points.json").write_text('{"names": ["left_eye", "right_eye"]}')
    found = open_labelled(tmp_path)
    assert found.label("depth", found.names[0])[0, 0] == 2
    assert found.tasks["keypoints"].schema["mirror"] == [[0, 1]]


@pytest.mark.parametrize(("task", "card"), [("depth", "depth.json"), ("keypoints", "points.json")])
def test_a_card_of_one_split_says_nothing_of_another(tmp_path: Path, task: str, card: str) -> None:
    for split in ("train", "val"):
        put(tmp_path / "set" / split / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
        put(tmp_path / "set" / split / "depth" / "a.png", np.full((4, 4), 200, np.uint16))
        (tmp_path / "set" / split / "keypoints.json").write_text('{"a": [[1, 1], [2, 2]]}')
    said = {"depth": '{"scale": 0.01}', "keypoints": '{"names": ["left_eye", "right_eye"]}'}[task]
    (tmp_path / "set" / "train" / card).write_text(said)
    with pytest.raises(
        InputError, match=f"train/{card} is about its own split: write .*set/val/{card} too, or move it to .*set/{card}"
    ):
        open_labelled(tmp_path, tasks=[task])
    (tmp_path / "set" / "val" / card).write_text(said)
    assert open_labelled(tmp_path, tasks=[task]).names == ("train/a", "val/a")


def test_a_kind_of_label_of_one_split_alone_is_left_out_whatever_its_card_says(tmp_path: Path) -> None:
    for split in ("train", "val"):
        put(tmp_path / split / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
        (tmp_path / split / "keypoints.json").write_text('{"a": [[1, 1]]}')
    put(tmp_path / "train" / "depth" / "a.png", np.full((4, 4), 200, np.uint16))
    (tmp_path / "train" / "depth.json").write_text('{"scale": 0.01}')
    assert set(list_labelled(open_source(tmp_path)).kinds) == {"keypoints"}


def test_of_several_cards_above_a_split_the_nearest_counts(tmp_path: Path) -> None:
    put(tmp_path / "set" / "train" / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
    put(tmp_path / "set" / "train" / "depth" / "a.png", np.full((4, 4), 200, np.uint8))
    for folder, scale in ((tmp_path, 0.1), (tmp_path / "set", 0.01)):
        (folder / "depth.json").write_text(f'{{"scale": {scale}}}')
    assert open_labelled(tmp_path).label("depth", "a")[0, 0] == 2


@pytest.mark.parametrize("label", ["depth/a.mat", "normals/a.npy", "masks/a.json"])
def test_a_label_of_an_image_in_a_file_that_is_not_read_is_named(tmp_path: Path, label: str) -> None:
    put(tmp_path / "images" / "a.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "keypoints.json").write_text(json.dumps({"a": [[1, 2]]}))
    (tmp_path / label).parent.mkdir()
    (tmp_path / label).write_bytes(b"values")
    (tmp_path / label).with_name("about.txt").write_text("is no label")
    data = list_labelled(open_source(tmp_path))
    assert set(data.kinds) == {"keypoints"}
    assert [f"{label}: labels are not read from {Path(label).suffix} files: export" in gap for gap in data.gaps] == [
        True
    ]
    put((tmp_path / label).with_suffix(".png"), np.ones((4, 4), np.uint8))
    (tmp_path / "classes.json").write_text('["background", "leaf"]')
    assert not list_labelled(open_source(tmp_path)).gaps, "beside a label that is read, others are no labels"
