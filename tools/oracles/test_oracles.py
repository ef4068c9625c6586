"""What other tools read from our exports is what was written: datumaro, pycocotools, Ultralytics, supervision.

`make test-oracles` writes the exports (`export.py`, HandsOff's environment) and runs this in one of the tools' own.
"""
# A test: assert is how pytest tests, and expected values are plain numbers:
# ruff: noqa: S101, PLR2004

import ast
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import supervision
import yaml
from datumaro import AnnotationType, Dataset
from PIL import Image
from pycocotools.coco import COCO

EXPORTS = Path(os.environ["EXPORTS"]).resolve()
TRUTH = np.load(EXPORTS / "truth.npz")
CLASSES: list[str] = json.loads((EXPORTS / "truth.json").read_text())["classes"]
BACKGROUND = CLASSES.index("background")
PLAIN = [name for name in (key.removeprefix("mask/") for key in TRUTH) if name.isdecimal()]
SPLITS = [key.removeprefix("mask/") for key in TRUTH if key.startswith("mask/") and "/" in key.removeprefix("mask/")]
LAYOUTS = pytest.mark.parametrize("suffix", ["", "-plain"])


def names_of(suffix: str) -> list[str]:
    return PLAIN if suffix else SPLITS


def splits_of(suffix: str) -> dict[str, list[str]]:
    """Split → what its samples are called there."""
    found: dict[str, list[str]] = {}
    for name in names_of(suffix):
        split, _, rest = name.rpartition("/")
        found.setdefault(split or "default", []).append(rest)
    return found


def truth_of(split: str, name: str, kind: str = "mask") -> np.ndarray:
    found: np.ndarray = TRUTH[f"{kind}/{name if split == 'default' else f'{split}/{name}'}"]
    return found


def unnamed(mask: np.ndarray) -> np.ndarray:
    """The mask with the ignored pixels as background: how a tool sees it that skips crowds."""
    return np.where(mask == 255, BACKGROUND, mask)


def functions_of(file: str, *names: str) -> dict[str, Any]:
    """Functions of a file PACKAGE/…/FILE.py as they stand there: importing these packages would need torch and more."""
    package, _, inside = file.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    code = ast.parse((Path(spec.origin).parent / inside).read_text(encoding="utf-8"))
    wanted = [node for node in code.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names]
    assert len(wanted) == len(names)
    future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
    tree = ast.fix_missing_locations(ast.Module([future, *wanted], []))
    known: dict[str, Any] = {"np": np, "cv2": cv2, "os": os, "Path": Path}
    exec(compile(tree, file, "exec"), known)  # noqa: S102  # a pinned release of the tool under test
    return known


ULTRALYTICS = functions_of("ultralytics/data/utils.py", "polygon2mask", "img2label_paths")
BRUSH = functions_of("label_studio_sdk/converter/brush.py", "InputStream", "access_bit", "bytes2bit", "decode_rle")


# --- COCO


@LAYOUTS
def test_pycocotools_sees_every_pixel_and_point(suffix: str) -> None:
    for split, names in splits_of(suffix).items():
        coco = COCO(str(EXPORTS / f"coco{suffix}/annotations/instances_{split}.json"))
        images = {Path(image["file_name"]).stem: image for image in coco.loadImgs(coco.getImgIds())}
        assert sorted(images) == sorted(names)
        for name, image in images.items():
            folder = EXPORTS / f"coco{suffix}/images" / ("" if split == "default" else split)
            assert (folder / image["file_name"]).is_file()
            mask = np.full((image["height"], image["width"]), BACKGROUND)
            for one in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
                label = CLASSES.index(coco.cats[one["category_id"]]["name"])
                mask[coco.annToMask(one) > 0] = 255 if one["iscrowd"] else label
            np.testing.assert_array_equal(mask, truth_of(split, name))
        points = COCO(str(EXPORTS / f"coco{suffix}/annotations/person_keypoints_{split}.json"))
        for one in points.loadAnns(points.getAnnIds()):
            name = Path(points.imgs[one["image_id"]]["file_name"]).stem
            found = np.array(one["keypoints"]).reshape(-1, 3)
            np.testing.assert_allclose(found, truth_of(split, name, "points"), atol=1e-3)


@LAYOUTS
def test_supervision_reads_coco(suffix: str) -> None:
    for split, names in splits_of(suffix).items():
        folder = EXPORTS / f"coco{suffix}/images" / ("" if split == "default" else split)
        file = EXPORTS / f"coco{suffix}/annotations/instances_{split}.json"
        read = supervision.DetectionDataset.from_coco(str(folder), str(file), force_masks=True)
        found = {Path(path).stem: detections for path, _, detections in read}
        assert sorted(found) == sorted(names)
        for name, detections in found.items():
            truth = truth_of(split, name)
            mask = np.full(truth.shape, BACKGROUND)
            crowds = detections.data["iscrowd"]
            for region, class_id, crowd in zip(detections.mask, detections.class_id, crowds, strict=True):
                mask[region] = 255 if crowd else CLASSES.index(read.classes[class_id])
            np.testing.assert_array_equal(mask, truth)


def items(folder: str, kind: str) -> Iterator[tuple[Any, list[str]]]:
    """Datumaro's items, and the labels of the dataset."""
    read = Dataset.import_from(str(EXPORTS / folder), kind)
    labels = [label.name for label in read.categories()[AnnotationType.label]]
    for item in read:
        assert item.media.data is not None
        yield item, labels


def painted(item: Any, labels: list[str], start: np.ndarray) -> np.ndarray:
    for one in item.annotations:
        if one.type in {AnnotationType.mask, AnnotationType.polygon}:
            crowd = one.attributes.get("is_crowd")
            start[np.asarray(one.image, bool)] = 255 if crowd else CLASSES.index(labels[one.label])
    return start


@LAYOUTS
@pytest.mark.parametrize(("kind", "rest"), [("coco", BACKGROUND), ("coco-panoptic", 255)])
def test_datumaro_finds_images_and_masks_of_every_split(suffix: str, kind: str, rest: int) -> None:
    known = "coco_panoptic" if kind == "coco-panoptic" else "coco_instances"
    seen: dict[str, list[str]] = {}
    for item, labels in items(f"{kind}{suffix}", known):
        seen.setdefault(item.subset, []).append(item.id)
        truth = truth_of(item.subset, item.id)
        np.testing.assert_array_equal(painted(item, labels, np.full(truth.shape, rest)), truth)
    assert {split: sorted(found) for split, found in seen.items()} == splits_of(suffix)


@LAYOUTS
def test_datumaro_finds_the_points(suffix: str) -> None:
    count = 0
    for item, _ in items(f"coco{suffix}", "coco_person_keypoints"):
        (points,) = (one for one in item.annotations if one.type == AnnotationType.points)
        truth = truth_of(item.subset, item.id, "points")
        np.testing.assert_allclose(np.reshape(points.points, (-1, 2)), truth[:, :2], atol=1e-3)
        assert [int(value.value) for value in points.visibility] == truth[:, 2].tolist()
        count += 1
    assert count == len(names_of(suffix))


# --- CVAT and Pascal VOC


def test_datumaro_reads_what_cvat_gets() -> None:
    count = 0
    for item, labels in items("cvat-plain", "voc_segmentation"):
        truth = truth_of("default", item.id)
        mask = np.full(truth.shape, BACKGROUND)
        for one in item.annotations:
            if one.type == AnnotationType.mask:
                name = labels[one.label]
                mask[np.asarray(one.image, bool)] = 255 if name == "ignore" else CLASSES.index(name)
        np.testing.assert_array_equal(mask, truth)
        count += 1
    assert count == len(PLAIN)


# --- YOLO


def card_of(folder: Path) -> tuple[dict[str, Any], dict[str, list[Path]]]:
    """The card, and split → images, by Ultralytics' rules: a folder, or a list in which ./ is the list's folder."""
    card = yaml.safe_load((folder / "data.yaml").read_text())
    found: dict[str, list[Path]] = {}
    for split in ("train", "val"):
        place = folder / card[split]
        listed = place.read_text().strip().splitlines() if place.is_file() else sorted(map(str, place.rglob("*.png")))
        found[split] = [folder / line.removeprefix("./") for line in listed]
    return card, found


def rows_of(image: Path) -> list[tuple[int, np.ndarray]]:
    """Class and polygon of every row, read as Ultralytics reads them: 32-bit floats."""
    (file,) = ULTRALYTICS["img2label_paths"]([str(image)])
    rows = [line.split() for line in Path(file).read_text().strip().splitlines()]
    return [(int(row[0]), np.array(row[1:], dtype=np.float32).reshape(-1, 2)) for row in rows]


@LAYOUTS
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_ultralytics_paints_the_pixels_that_were_labelled(suffix: str, scale: int) -> None:
    card, images = card_of(EXPORTS / f"yolo{suffix}")
    assert sorted(path.stem for found in images.values() for path in found) == sorted(
        Path(name).stem for name in names_of(suffix)
    )
    for path in (path for found in images.values() for path in found):
        truth = truth_of("default" if suffix else path.parent.name, path.stem, "whole")
        wanted = truth.repeat(scale, 0).repeat(scale, 1)
        mask = np.full(wanted.shape, BACKGROUND, np.uint8)
        for label, polygon in rows_of(path):
            region = ULTRALYTICS["polygon2mask"](wanted.shape, [(polygon * wanted.shape[::-1]).reshape(-1)])
            mask[region > 0] = CLASSES.index(card["names"][label])
        np.testing.assert_array_equal(mask, wanted)


def test_supervision_paints_the_polygons() -> None:
    """`polygon_to_mask` drops decimals too. Its loader of YOLO rounds them instead: COCO is what it reads exactly."""
    card, images = card_of(EXPORTS / "yolo")
    for path in (path for found in images.values() for path in found):
        truth = truth_of(path.parent.name, path.stem, "whole")
        side = np.array(truth.shape[::-1], np.float32)
        mask = np.full(truth.shape, BACKGROUND)
        for label, polygon in rows_of(path):
            region = supervision.polygon_to_mask(polygon * side, truth.shape[::-1])
            mask[region > 0] = CLASSES.index(card["names"][label])
        np.testing.assert_array_equal(mask, truth)


@pytest.mark.parametrize("kind", ["yolo", "yolo-pose"])
def test_cvat_would_find_nothing_in_the_card_but_splits_and_what_it_knows(kind: str) -> None:
    known = {"backup", "classes", "names", "path", "kpt_shape", "flip_idx"}  # of CVAT's importer: others are splits
    for suffix in ("", "-plain"):
        card, images = card_of(EXPORTS / f"{kind}{suffix}")
        assert set(card) - known == {"train", "val"}
        listed = [path for found in images.values() for path in found]
        assert len(set(listed)) == len(listed) == len(names_of(suffix))
        assert all(path.is_file() for path in listed)


@LAYOUTS
def test_poses_have_the_columns_that_the_card_declares(suffix: str) -> None:
    card, images = card_of(EXPORTS / f"yolo-pose{suffix}")
    for path in (path for found in images.values() for path in found):
        (file,) = ULTRALYTICS["img2label_paths"]([str(path)])
        (row,) = (np.array(line.split(), np.float32) for line in Path(file).read_text().splitlines())
        truth = truth_of("default" if suffix else path.parent.name, path.stem, "points")
        points = row[5:].reshape(card["kpt_shape"])
        with Image.open(path) as image:
            np.testing.assert_allclose(points[:, :2] * image.size, truth[:, :2] + 0.5, atol=0.01)
        assert points[:, 2].tolist() == truth[:, 2].tolist()


# --- Label Studio


@LAYOUTS
def test_label_studio_decodes_the_brush(suffix: str) -> None:
    count = 0
    for file in sorted((EXPORTS / f"labelstudio{suffix}").glob("tasks*.json")):
        for task in json.loads(file.read_text()):
            name = (
                Path(unquote(task["data"]["image"].partition("?d=")[2]))
                .with_suffix("")
                .as_posix()
                .removeprefix("images/")
            )
            truth = TRUTH[f"mask/{name}"]
            mask = np.full(truth.shape, BACKGROUND)
            for result in task["annotations"][0]["result"]:
                if result["type"] == "brushlabels":
                    label = result["value"]["brushlabels"][0]
                    shape = (result["original_height"], result["original_width"], 4)
                    region = np.reshape(BRUSH["decode_rle"](result["value"]["rle"]), shape)[:, :, 3] > 0
                    mask[region] = 255 if label == "ignore" else CLASSES.index(label)
            np.testing.assert_array_equal(mask, truth)
            count += 1
    assert count == len(names_of(suffix))
