"""COCO's JSON: what others write is read as they mean it, what is wrong is named, and what we write is COCO to COCO's own library."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.formats.convert import convert
from handsoff.formats.exchange import format_of, read_samples
from handsoff.formats.photos import open_source
from handsoff.formats.samples import Samples
from handsoff.formats.settings import ConvertSettings
from handsoff.formats.shapes import rle_mask, rle_of
from handsoff.jobs.progress import finish

CARS = Path(__file__).parents[2] / "shared" / "data" / "cars" / "car_parts_train.zip"
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]  # 3 wide, 2 high, in an image of 6 x 8

DECODES = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own, in decode


def picture(path: Path, height: int = 6, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)


def base() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 6, "width": 8}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 90, "segmentation": [SQUARE], "bbox": [1, 1, 3, 2], "area": 6, "iscrowd": 0}],
    }


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Samples]:
    def make(content: Any, file: str = "annotations.json", image: str = "a.jpg") -> Samples:
        picture(tmp_path / image)
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content if isinstance(content, str) else json.dumps(content))
        return read_samples(open_source(tmp_path), "coco")

    return make


def changed(**values: Any) -> dict[str, Any]:
    """The base with these things in its one annotation."""
    content = base()
    content["annotations"][0].update(values)
    return content


def test_polygons_become_classes_after_the_background(pack: Callable[..., Samples]) -> None:
    samples = pack(base())
    assert samples.tasks["segmentation"].schema["classes"] == ["background", "cat", "dog"]
    found = samples.read("a")
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 1:4] = 2
    np.testing.assert_array_equal(found.labels["segmentation"], expected)
    assert found.box == (1, 1, 4, 3)


def test_several_polygons_overlaps_crowds_and_run_lengths(pack: Callable[..., Samples]) -> None:
    content = changed(segmentation=[SQUARE, [5, 0, 8, 0, 8, 2, 5, 2]])
    cat = np.zeros((6, 8), bool)
    cat[2:6, 3:6] = True
    content["annotations"] += [
        {"id": 2, "image_id": 7, "category_id": 3, "segmentation": {"size": [6, 8], "counts": [2, 3, 43]}, "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 3, "segmentation": rle_of(cat), "bbox": [3, 2, 3, 4]},
    ]
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 1:4] = expected[0:2, 5:8] = 2
    expected[cat] = 1
    expected[2:5, 0] = IGNORE  # run lengths go down the columns
    found = pack(content).read("a")
    np.testing.assert_array_equal(found.labels["segmentation"], expected)
    assert found.box == (1, 1, 6, 6)


def test_splits_by_file_and_by_folder(tmp_path: Path) -> None:
    for split, id_ in (("train2017", 1), ("val2017", 1)):
        picture(tmp_path / split / "a.jpg")
        content = changed(image_id=id_)
        content["images"][0]["id"] = id_
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    assert read_samples(open_source(tmp_path)).names == ("train2017/a", "val2017/a")
    for split in ("train", "valid"):
        picture(tmp_path / "robo" / split / "b.jpg")
        content = base()
        content["images"][0]["file_name"] = "b.jpg"
        (tmp_path / "robo" / split / "_annotations.coco.json").write_text(json.dumps(content))
    samples = read_samples(open_source(tmp_path / "robo"))
    assert samples.names == ("train/b", "valid/b")
    assert samples.read("valid/b").file == "valid/b.jpg"


def test_points_of_the_largest_person_and_masks_from_another_file(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    people = base()
    people["categories"] = [{"id": 1, "name": "person", "keypoints": ["left_eye", "right_eye"]}]
    small, large = [1, 1, 2, 0, 0, 0], [2, 3, 2, 5.5, 4, 1]
    people["annotations"] = [
        {"id": 1, "image_id": 7, "category_id": 1, "keypoints": small, "area": 4},
        {"id": 2, "image_id": 7, "category_id": 1, "keypoints": large, "area": 9},
    ]
    (tmp_path / "person_keypoints_train.json").write_text(json.dumps(people))
    (tmp_path / "instances_train.json").write_text(json.dumps(base()))
    samples = read_samples(open_source(tmp_path))
    assert samples.names == ("a",)
    assert samples.tasks["keypoints"].schema["mirror"] == [[0, 1]]
    labels = samples.read("a").labels
    assert labels["keypoints"].tolist() == [[2, 3, 2], [5.5, 4, 1]]
    assert labels["segmentation"].max() == 2


def without(key: str) -> dict[str, Any]:
    content = base()
    del content["images"][0][key]
    return content


WRONG: dict[str, tuple[Any, str]] = {
    "images twice": ({**base(), "images": base()["images"] * 2}, r"images\[1\] has the id 7, which another has too: correct it"),
    "no id": (without("id"), r"images\[0\] has the id None, no number or text"),
    "no file": (without("file_name"), r"images\[0\] has no file_name"),
    "not there": ({**base(), "images": [{"id": 7, "file_name": "b.jpg"}]}, r"images\[0\] refers to the image '.*b.jpg', which is not in"),
    "size": (
        {**base(), "images": [{"id": 7, "file_name": "a.jpg", "height": 8, "width": 6}]},
        r"images\[0\] states height 8 and width 6, its image has 6 and 8",
    ),
    "image": (changed(image_id=8), r"annotations\[0\] belongs to the image 8, which is not among the images"),
    "category": (changed(category_id=[1]), r"annotations\[0\] has the category \[1\], which is not among the categories"),
    "boxes": (changed(segmentation=[]), r"annotations.json draws boxes only"),
    "polygon": (changed(segmentation=[[1, 2, 3, 4]]), r"annotations\[0\]: polygon 0 is not a list of at least three corners"),
    "nan": (changed(segmentation=[[1, 2, 3, float("nan"), 1, 1]]), r"annotations\[0\]: polygon 0 is not"),
    "text": (changed(segmentation="x"), r"annotations\[0\] has run lengths for the size None"),
    "runs": (changed(segmentation={"size": [6, 8], "counts": [2, 3]}), r"annotations\[0\] has run lengths that do not fill an image of 6x8"),
    "damaged": (changed(segmentation={"size": [6, 8], "counts": "oooo"}), r"annotations\[0\] has damaged run lengths"),
    "box": (changed(bbox=[1, 2]), r"annotations\[0\]: bbox is not \[left, top, width, height\]"),
    "list": ({**base(), "annotations": {}}, r"annotations is not a list"),
    "name": ({**base(), "categories": [{"id": 90}]}, r"categories\[0\] has no name"),
    "no points": (changed(keypoints=[1, 2, 2]), r"no category says which"),
    "broken": ('{"images": [], "annotations": [], "categories": [', r"annotations.json is not valid JSON"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(pack: Callable[..., Samples], case: str) -> None:
    content, sentence = WRONG[case]
    with pytest.raises(InputError, match=sentence) as caught:
        pack(content).read("a")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_run_lengths_are_a_mask_or_refused(text: bytes) -> None:
    try:
        mask = rle_mask({"size": [5, 7], "counts": text.decode("latin-1")}, (5, 7), "it")
    except InputError:
        return
    np.testing.assert_array_equal(rle_mask(rle_of(mask), (5, 7), "it"), mask)


def written(tmp_path: Path, *, instances: bool) -> tuple[Samples, Path]:
    content = changed(segmentation=[SQUARE, [5, 0, 8, 0, 8, 2, 5, 2]])
    picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(content))
    finish(convert(tmp_path / "in", tmp_path / "out", ConvertSettings(format="coco", instances=instances)))
    return read_samples(open_source(tmp_path / "in")), tmp_path / "out"


@DECODES
@pytest.mark.parametrize(("instances", "count"), [(False, 1), (True, 2)])
def test_cocos_own_library_reads_what_we_write(tmp_path: Path, capsys: pytest.CaptureFixture[str], instances: bool, count: int) -> None:  # noqa: FBT001  # a parameter
    samples, out = written(tmp_path, instances=instances)
    coco = COCO(str(out / "annotations.json"))
    capsys.readouterr()
    (image,) = coco.loadImgs(coco.getImgIds())
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
    assert len(annotations) == count
    mask = sum(coco.annToMask(annotation) for annotation in annotations)
    np.testing.assert_array_equal(mask > 0, samples.read("a").labels["segmentation"] > 0)
    assert sum(annotation["area"] for annotation in annotations) == 12
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    assert (out / "images" / image["file_name"]).is_file()


def test_panoptic_segments(tmp_path: Path) -> None:
    picture(tmp_path / "val" / "a.jpg")
    ids = np.zeros((6, 8), np.int64)
    ids[:3], ids[3:, :4] = 70_000, 258
    (tmp_path / "panoptic_val").mkdir()
    Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(tmp_path / "panoptic_val" / "a.png")
    content = base()
    segments = [{"id": 70_000, "category_id": 90}, {"id": 258, "category_id": 3, "iscrowd": 0}]
    content["annotations"] = [{"image_id": 7, "file_name": "a.png", "segments_info": segments}]
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    samples = read_samples(open_source(tmp_path))
    assert format_of(open_source(tmp_path)) == "coco-panoptic"
    assert samples.tasks["segmentation"].schema["classes"] == ["cat", "dog"]
    expected = np.full((6, 8), IGNORE, np.uint8)
    expected[:3], expected[3:, :4] = 1, 0
    np.testing.assert_array_equal(samples.read("a").labels["segmentation"], expected)
    content["annotations"][0]["segments_info"] = segments[:1]
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"annotations\[0\]: its PNG has the segment 258, which segments_info lacks"):
        read_samples(open_source(tmp_path)).read("a")


@DECODES
@pytest.mark.skipif(not CARS.is_file(), reason="needs the published Car-Parts set")
def test_the_published_car_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = open_source(CARS)
    samples = read_samples(source)
    assert len(samples.names) == 400
    classes = samples.tasks["segmentation"].schema["classes"]
    assert (len(classes), classes[0]) == (19, "_background_")
    (tmp_path / "cars.json").write_bytes(source.read("annotations.json"))
    coco = COCO(str(tmp_path / "cars.json"))
    capsys.readouterr()
    for id_, image in list(coco.imgs.items())[:4]:
        expected = np.zeros((512, 512), np.uint8)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=id_)):
            rle = coco_mask.merge(coco_mask.frPyObjects(annotation["segmentation"], 512, 512))
            expected[coco_mask.decode(rle) > 0] = classes.index(coco.cats[annotation["category_id"]]["name"])
        np.testing.assert_array_equal(samples.read(Path(image["file_name"]).stem).labels["segmentation"], expected)
