"""YOLO's label files: boxes among polygons, files of Label Studio, and what is counted because it is left out."""

import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import format_of, open_dataset
from handsoff.formats.samples import Dataset

SIZE = (8, 10)
CARD = "names: [leaf, stem]\n"
HALF = "0 0 0 0.5 0 0.5 1 0 1"  # the left half


def put(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(file)
        else:
            file.write_text(content)
    return folder


def opened(folder: Path) -> Dataset:
    source = open_source(folder)
    assert format_of(source) == "yolo"
    return open_dataset(source)


def mask_of(samples: Dataset, name: str) -> np.ndarray:
    return samples.read(name).labels["segmentation"]


def test_boxes_among_polygons_are_ignored_also_in_images_without_polygons(tmp_path: Path) -> None:
    files = {
        "data.yaml": CARD,
        "images/a.png": None,
        "labels/a.txt": f"1 0.5 0.5 0.6 0.5\n{HALF}\n",
        "images/b.png": None,
        "labels/b.txt": "1 0.5 0.5 0.6 0.5",
        "images/c.png": None,
        "labels/d.txt": HALF,
    }
    samples = opened(put(tmp_path, files))
    box = np.zeros(SIZE, np.uint8)
    box[2:6, 2:8] = IGNORE
    np.testing.assert_array_equal(mask_of(samples, "b"), box)
    box[:, :5] = 1
    np.testing.assert_array_equal(mask_of(samples, "a"), box)
    told = " ".join(samples.notes)
    assert "2 objects have only a box" in told
    assert "1 image of 3 has no label file: all of it is background" in told
    assert "1 label file has no image, and is left out" in told


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("0a1b2c3d-a.png", "0a1b2c3d-a.txt"),
        ("a.png", "0a1b2c3d-a.txt"),
        ("My Photo (1).JPG", "0a1b2c3d-My_Photo__1_.txt"),
        ("0a1b2c3d-a.png", "a.txt"),
    ],
)
@pytest.mark.parametrize("names", ["classes.txt", "labels/classes.txt"])
def test_label_studios_export_is_read(tmp_path: Path, image: str, text: str, names: str) -> None:
    files = {f"images/{image}": None, f"labels/{text}": HALF, names: "leaf\nstem\n", "notes.json": '{"categories": []}'}
    samples = opened(put(tmp_path, files))
    assert samples.tasks["segmentation"].parts == ("background", "leaf", "stem")
    (name,) = samples.names
    assert (mask_of(samples, name)[:, :5] == 1).all()
    assert samples.notes == ()


def test_a_label_file_that_may_belong_to_two_images_is_refused(tmp_path: Path) -> None:
    files = {"images/a b.png": None, "images/a_b.jpg": None, "labels/0a1b2c3d-a_b.txt": HALF, "classes.txt": "leaf"}
    with pytest.raises(InputError, match=r"may belong to images/a b\.png or another image"):
        opened(put(tmp_path, files))


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("aaaaaaaa-1.png", "bbbbbbbb-1.txt"),
        ("IMG_20240101-1.png", "IMG_20240102-1.txt"),
        ("20240101-1.png", "20240102-1.txt"),
        ("a b.png", "a+b.txt"),
    ],
)
def test_a_label_never_goes_to_the_image_of_another_upload(tmp_path: Path, image: str, text: str) -> None:
    files = {f"images/{image}": None, f"labels/{text}": HALF, "data.yaml": CARD}
    with pytest.raises(InputError, match="has no label for any of its 1 images"):
        opened(put(tmp_path, files))
    samples = opened(put(tmp_path, {"images/c.png": None, "labels/c.txt": HALF}))
    assert not mask_of(samples, image[:-4]).any()
    assert "1 label file has no image, and is left out" in " ".join(samples.notes)


def test_uploads_of_one_name_are_told_apart_by_their_digits(tmp_path: Path) -> None:
    files = {"images/aaaaaaaa-1.png": None, "images/1.png": None, "labels/bbbbbbbb-1.txt": HALF, "data.yaml": CARD}
    samples = opened(put(tmp_path, files))
    assert [bool(mask_of(samples, name).any()) for name in ("1", "aaaaaaaa-1")] == [True, False]
    with pytest.raises(InputError, match=r"may belong to images/1\.png or another image"):
        opened(put(tmp_path, {"labels/cccccccc-1.txt": HALF}))


def test_the_suffix_of_a_label_file_may_be_in_capitals(tmp_path: Path) -> None:
    files = {"data.yaml": CARD, "images/a.JPG": None, "labels/a.TXT": HALF, "images/b.png": None, "labels/b.txt": HALF}
    samples = opened(put(tmp_path, files))
    assert [mask_of(samples, name)[0, 0] for name in samples.names] == [1, 1]
    assert samples.notes == ()
    put(tmp_path, {"labels/b.TXT": HALF.replace("0", "1", 1)})
    assert [mask_of(samples, name)[0, 0] for name in opened(tmp_path).names] == [1, 1]


def test_the_number_of_classes_may_stand_in_quotes(tmp_path: Path) -> None:
    files = {"data.yaml": f"nc: '2'\n{CARD}", "images/a.png": None, "labels/a.txt": HALF}
    assert opened(put(tmp_path, files)).tasks["segmentation"].parts == ("background", "leaf", "stem")
    with pytest.raises(InputError, match="names lists 2 classes, nc says 3"):
        opened(put(tmp_path, {"data.yaml": f"nc: '3'\n{CARD}"}))


def test_a_yaml_of_another_tool_does_not_hide_the_names(tmp_path: Path) -> None:
    files = {"a.yaml": "x: 1", "data.yaml": CARD, "images/a.png": None, "labels/a.txt": HALF}
    assert opened(put(tmp_path, files)).tasks["segmentation"].parts == ("background", "leaf", "stem")


LISTED = "leaf\nstem\n"
SPLIT_CARDS = {
    "lists": {"train/classes.txt": LISTED, "val/classes.txt": LISTED},
    "lists among labels": {"train/labels/classes.txt": LISTED, "val/labels/classes.txt": LISTED},
    "tables": {"train/data.yaml": CARD, "val/data.yaml": f"nc: 2\n{CARD}"},
    "one of each": {"train/data.yaml": CARD, "val/classes.txt": LISTED},
}
SPLITS = {
    "train/images/a.png": None, "train/labels/a.txt": HALF, "val/images/a.png": None,
    "val/labels/a.txt": HALF.replace("0", "1", 1),
}  # fmt: skip


@pytest.mark.parametrize("cards", SPLIT_CARDS)
def test_folders_whose_cards_say_the_same_are_splits(tmp_path: Path, cards: str) -> None:
    samples = opened(put(tmp_path, SPLITS | SPLIT_CARDS[cards]))
    assert samples.names == ("train/a", "val/a")
    assert samples.tasks["segmentation"].parts == ("background", "leaf", "stem")
    assert [mask_of(samples, name)[0, 0] for name in samples.names] == [1, 2]
    assert samples.notes == ()


@pytest.mark.parametrize(
    "cards",
    [
        {"train/classes.txt": LISTED, "val/classes.txt": "stem\nleaf\n"},
        {"train/labels/classes.txt": LISTED, "val/labels/classes.txt": "leaf\n"},
        {"train/data.yaml": CARD, "val/data.yaml": f"{CARD}kpt_shape: [1, 3]\n"},
        {"train/data.yaml": CARD, "val/data.yaml": "names: [leaf"},
        {"train/data.yaml": CARD, "val/settings.yaml": "x: 1"},
        {"train/data.yaml": CARD},
    ],
)
def test_folders_with_cards_of_their_own_are_no_splits(tmp_path: Path, cards: dict[str, str]) -> None:
    with pytest.raises(
        InputError, match=r"several YOLO datasets \(train/, val/\): give one, or put one data\.yaml above"
    ):
        opened(put(tmp_path, SPLITS | cards))
    assert opened(put(tmp_path, {"data.yaml": CARD})).names == ("train/a", "val/a")


@pytest.mark.parametrize("top", ["top/ds/", "a/b/c/d/"])
def test_a_dataset_may_lie_in_folders_inside_folders(tmp_path: Path, top: str) -> None:
    files = {"data.yaml": CARD, **SPLITS}
    put(tmp_path, {f"{top}{file}": content for file, content in files.items()} | {"top/readme.txt": "x"})
    assert opened(tmp_path).names == ("train/a", "val/a")


def test_folders_inside_a_folder_whose_cards_say_the_same_are_splits(tmp_path: Path) -> None:
    files = SPLITS | SPLIT_CARDS["one of each"]
    put(tmp_path, {f"top/ds/{file}": content for file, content in files.items()})
    assert opened(tmp_path).names == ("train/a", "val/a")
    put(tmp_path, {"top/ds/val/classes.txt": "stem\nleaf\n"})
    with pytest.raises(InputError, match=r"several YOLO datasets \(top/ds/train/, top/ds/val/\)"):
        opened(tmp_path)


def test_images_beside_the_folder_of_the_dataset_are_counted(tmp_path: Path) -> None:
    files = {"data/data.yaml": CARD, "data/images/a.png": None, "data/labels/a.txt": HALF, "docs/images/b.png": None}
    samples = opened(put(tmp_path, files))
    assert samples.names == ("a",)
    left_out = "1 image is in another folder than the names of the classes, and left out (docs/images/b.png)"
    assert samples.notes == (f"{tmp_path}: {left_out}.",)


def test_boxes_among_poses_are_counted(tmp_path: Path) -> None:
    pose = "0 0.5 0.5 1 1 0.5 0.5 2"
    files = {"data.yaml": f"{CARD}kpt_shape: [1, 3]\n", "images/a.png": None, "labels/a.txt": f"{pose}\n1 0.5 0.5 1 1"}
    samples = opened(put(tmp_path, files))
    assert samples.read("a").labels["keypoints"].shape == (1, 3)
    assert "1 object has only a box, and is left out" in " ".join(samples.notes)


@pytest.mark.parametrize(("image", "text"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_label_file_is_found_whatever_the_unicode_form(
    tmp_path: Path, image: Literal["NFC", "NFD"], text: Literal["NFC", "NFD"]
) -> None:
    """A file system that spells é as two characters has written one of them."""
    files = {"data.yaml": CARD, "images/b.png": None, "labels/b.txt": HALF}
    files[f"images/{unicodedata.normalize(image, 'é/é')}.png"] = None
    files[f"labels/{unicodedata.normalize(text, 'é/é')}.txt"] = HALF
    samples = opened(put(tmp_path, files))
    assert len(samples.names) == 2
    for name in samples.names:
        assert (mask_of(samples, name)[:, :5] == 1).all()
    assert samples.notes == ()
