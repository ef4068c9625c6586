"""Finding the image that an annotation names: never another one, and the one that is meant among several."""

import unicodedata
from pathlib import Path

import pytest

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.samples import find_image, images_by_name, without_suffix

NFC, NFD = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))


def found(asked: str, *files: str, folder: str = "") -> str:
    source = Source(Path("data"), dict.fromkeys(files, 1))
    return find_image(source, images_by_name(source), asked, "tasks.json[0]", folder)


@pytest.mark.parametrize(
    ("asked", "files", "expected"),
    [
        ("a.png", ["a.png", "a.jpg"], "a.png"),
        ("cam.0001", ["cam.0001.png", "cam.0002.png"], "cam.0001.png"),
        ("a", ["x/a.jpg"], "x/a.jpg"),
        ("x/a", ["x/a.jpg", "y/a.jpg"], "x/a.jpg"),
        ("C:\\data\\x\\a.png", ["x/a.png", "y/a.png"], "x/a.png"),
        ("A.PNG", ["a.png"], "a.png"),
        ("A.png", ["a.png", "A.png"], "A.png"),
        (NFC, [NFD], NFD),
        (NFC, [NFD, NFC], NFC),
        (NFD, [NFD, NFC], NFD),
    ],
)
def test_the_image_that_is_meant(asked: str, files: list[str], expected: str) -> None:
    assert found(asked, *files) == expected


@pytest.mark.parametrize(
    ("asked", "files", "sentence"),
    [
        ("a.jpg", ["a.jpg.png"], "'a.jpg', which is not in data"),
        ("a.jpg", ["a.png"], r"is not in data \(but a.png is\)"),
        ("a", ["a.png", "a.jpg"], "has several"),
        ("a.png", ["x/a.png", "y/a.png"], "has several"),
        ("..", ["a.png"], "is not in data"),
        (NFC.upper(), [NFC, NFD], "different Unicode forms"),
    ],
)
def test_no_other_image_is_taken(asked: str, files: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        found(asked, *files)


def test_a_likely_folder_decides_and_is_not_in_the_message() -> None:
    assert found("a.png", "train/a.png", "val/a.png", folder="val") == "val/a.png"
    with pytest.raises(InputError, match=r"the image 'b\.png'"):
        found("b.png", "val/a.png", folder="val")


@pytest.mark.parametrize(
    ("asked", "folder", "files"),
    [
        ("a.png", "train", ["val/a.png"]),
        ("a.png", "train", ["train/b.png", "val/a.png"]),
        ("a.png", "train", ["images/test2017/a.png", "images/b.png"]),
        ("a.png", "train", ["train/b.png", "photos/a.png"]),
        ("a.png", "batch1", ["batch1/b.png", "batch2/a.png"]),
        ("Cats/a.png", "", ["cats/b.png", "dogs/a.png"]),
        ("train/images/a.png", "", ["train/images/b.png", "val/images/a.png"]),
        ("C:\\data\\train\\x\\a.png", "", ["val/a.png", "test/x/a.png"]),
    ],
)
def test_an_image_of_another_split_or_folder_is_not_taken(asked: str, folder: str, files: list[str]) -> None:
    with pytest.raises(InputError, match=r"and data only has .*a\.png, which is that of another folder"):
        found(asked, *files, folder=folder)


@pytest.mark.parametrize(
    ("asked", "folder", "files", "expected"),
    [
        ("a.png", "train", ["photos/a.png", "photos/b.png"], "photos/a.png"),
        ("a.png", "train2017", ["train/a.png", "val/a.png"], "train/a.png"),
        ("a.png", "train", ["train/images/a.png", "val/images/a.png"], "train/images/a.png"),
        ("a.png", "train", ["train/b.png", "a.png"], "a.png"),
        ("a.png", "trainval", ["val/a.png"], "val/a.png"),
        ("/data/x/a.png", "", ["data/b.png", "x/a.png"], "x/a.png"),
        ("upload/1/a.png", "", ["images/a.png"], "images/a.png"),
    ],
)
def test_an_image_elsewhere_may_stand_in(asked: str, folder: str, files: list[str], expected: str) -> None:
    assert found(asked, *files, folder=folder) == expected


@pytest.mark.parametrize(("path", "expected"), [("x/a.PNG", "x/a"), ("cam.0001", "cam.0001"), ("a.b.jpg", "a.b")])
def test_only_the_suffix_of_an_image_is_left_out(path: str, expected: str) -> None:
    assert without_suffix(path) == expected
