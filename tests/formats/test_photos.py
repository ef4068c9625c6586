"""Which images of a tree are photos; where labels lie among them, that is said."""

import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source
from handsoff.formats.photos import photos_in

rng = np.random.default_rng(0)


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def photo(path: Path) -> None:
    put(path, rng.integers(0, 256, (24, 32, 3), np.uint8))


def mask(path: Path) -> None:
    put(path, np.kron(rng.integers(0, 4, (3, 4), np.uint8), np.ones((8, 8), np.uint8)))


def tree(root: Path, photos: str, labels: str, count: int = 3) -> Path:
    """Photos and labels whose paths have the number N in them."""
    for number in range(count):
        photo(root / photos.replace("N", f"{number:03}"))
        mask(root / labels.replace("N", f"{number:03}"))
    return root


KNOWN = {
    "CelebAMask-HQ": ("CelebA-HQ-img/N.png", "CelebAMask-HQ-mask-anno/0/00N_hair.png"),
    "Cityscapes": ("leftImg8bit/train/a/N_leftImg8bit.png", "gtFine/train/a/N_gtFine_labelIds.png"),
    "CVAT": ("JPEGImages/N.png", "SegmentationClass/N.png"),
    "DeepFashion": ("images/N.png", "segm/N_segm.png"),
    "HandsOff": ("images/N.png", "masks/N.png"),
    "panoptic": ("train2017/N.png", "annotations/panoptic_train2017/N.png"),
}


def test_what_was_made_beside_the_images_of_a_dataset_is_no_photo_of_it(tmp_path: Path) -> None:
    root = tree(tmp_path / "data", "images/N.png", "masks/N.png")
    before = photos_in(open_source(root)).describe()
    tree(root, "run/50/dataset/images/0N.png", "run/50/dataset/masks/0N.png")
    assert photos_in(open_source(root)).describe() == before


@pytest.mark.parametrize("label", ["train/N_jpg.rf_mask.png", "train/N_jpg.rf-GT.png"])
def test_labels_beside_their_photos_are_no_photos(tmp_path: Path, label: str) -> None:
    """As Roboflow exports semantic masks."""
    root = tree(tmp_path / "data", "train/N_jpg.rf.png", label)
    with pytest.raises(
        InputError, match=r"photos such as train/000_jpg\.rf\.png and, as it seems, their labels beside"
    ):
        photos_in(open_source(root))


def test_photos_whose_names_end_like_those_of_labels_are_photos(tmp_path: Path) -> None:
    for name in ("party.png", "party_mask.png", "ball-mask.png", "label.png"):
        photo(tmp_path / name)
    assert len(photos_in(open_source(tmp_path)).sizes) == 4


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("top", ["", "set/"])
def test_only_the_images_of_a_known_tree_are_photos(tmp_path: Path, kind: str, top: str) -> None:
    photos, labels = KNOWN[kind]
    root = tree(tmp_path / "data", f"{top}{photos}", f"{top}{labels}")
    if kind == "panoptic":
        (root / top / "annotations" / "panoptic_train2017.json").write_text(
            json.dumps({"images": [], "annotations": [], "categories": []})
        )
    assert list(photos_in(open_source(root)).sizes) == [f"{top}{photos.replace('N', f'{n:03}')}" for n in range(3)]


UNKNOWN = {
    "CamVid": ("train/N.png", "trainannot/N.png", "train"),
    "images and labels": ("images/N.png", "labels/N.png", "images"),
    "images and annotations": ("images/training/N.png", "annotations/training/N.png", "images"),
    "nnU-Net": ("imagesTr/case_N_0000.png", "labelsTr/case_N.png", "imagesTr"),
    "named by nobody": ("a/N.png", "b/N.png", "a"),
    "splits": ("train/img/N.png", "train/gt/N.png", "train/img"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_labels_beside_photos_are_refused(tmp_path: Path, kind: str) -> None:
    photos, labels, alone = UNKNOWN[kind]
    root = tree(tmp_path / "data", photos, labels)
    with pytest.raises(
        InputError, match=rf"as it seems, their labels in .*: give the photos alone, such as .*/{alone}\."
    ):
        photos_in(open_source(root))
    assert len(photos_in(open_source(root / alone)).sizes) == 3


def test_depth_maps_have_many_values_and_are_known_by_name(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "rgb" / f"{number}.png")
        photo(tmp_path / "depth" / f"{number}.png")
    with pytest.raises(InputError, match="their labels in depth"):
        photos_in(open_source(tmp_path))


def test_photos_of_equal_names_in_folders_of_classes_are_photos(tmp_path: Path) -> None:
    for folder in ("cats", "dogs", "unlabeled", "labelled", "."):
        photo(tmp_path / folder / "001.png")
    mask(tmp_path / "logos" / "x.png")
    assert len(photos_in(open_source(tmp_path)).sizes) == 6


def test_masks_alone_are_doubted(tmp_path: Path) -> None:
    for number in range(3):
        mask(tmp_path / "some" / f"{number}.png")
    assert "a few colours only" in photos_in(open_source(tmp_path)).notes[-1]
    photo(tmp_path / "some" / "1.png")
    assert photos_in(open_source(tmp_path)).notes == ()


def test_what_is_no_photo_is_counted_and_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    for name in ("b.heic", "c.heic", "d.avif", "e.txt"):
        (tmp_path / name).write_bytes(b"?")
    note = "4 files in .* are no images that are read .2 .heic, 1 .avif, 1 .txt., such as 'b.heic': convert images"
    (found,) = photos_in(open_source(tmp_path)).notes

    assert re.match(note, found)


@pytest.mark.parametrize("top", ["", "deep/"])
def test_what_handsoff_wrote_beside_photos_is_not_mentioned(tmp_path: Path, top: str) -> None:
    photo(tmp_path / top / "images" / "a.png")
    photo(tmp_path / top / "preview.png")
    for name in ("job.json", "report.json", "samples.jsonl", "DONE", "README.md", "ledger/00000.json"):
        (tmp_path / top / name).parent.mkdir(exist_ok=True)
        (tmp_path / top / name).write_text("{}")
    found = photos_in(open_source(tmp_path))
    assert (list(found.sizes), found.notes) == ([f"{top}images/a.png"], ())
    (tmp_path / top / "images" / "b.heic").write_bytes(b"?")
    (note,) = photos_in(open_source(tmp_path)).notes
    assert "1 files in" in note
    assert "b.heic" in note


def test_images_inside_other_files_are_asked_for(tmp_path: Path) -> None:

    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    with tarfile.open(tmp_path / "train-000.tar", "w") as shard:
        for name in ("0.png", "0.mask.png"):
            entry = tarfile.TarInfo(name)
            entry.size = len(buffer.getvalue())
            shard.addfile(entry, io.BytesIO(buffer.getvalue()))
    with pytest.raises(InputError, match=r"inside other files \(WebDataset\): write them out with handsoff convert"):
        photos_in(open_source(tmp_path))


def test_a_zip_is_looked_into_alike(tmp_path: Path) -> None:
    root = tree(tmp_path / "data", "train/N.png", "trainannot/N.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, file.relative_to(root))
    with pytest.raises(InputError, match="their labels in trainannot"):
        photos_in(open_source(tmp_path / "data.zip"))
