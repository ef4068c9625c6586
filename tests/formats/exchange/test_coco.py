"""COCO's JSON: files of other tools are read as these mean them, errors are named, COCO's library reads ours."""

import copy
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import WRITERS, format_of, open_dataset
from handsoff.formats.exchange.coco_write import objects
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.formats.settings import ConvertSettings
from handsoff.formats.shapes import rle_mask, rle_of
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task
from toy import SHARED

CARS = SHARED / "data" / "cars" / "car_parts_train.zip"
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]  # 3 wide, 2 high, in an image of 6 x 8

DECODES = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools' own, in decode


def picture(path: Path, height: int = 6, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)


def base() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 6, "width": 8}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 90,
                "segmentation": [SQUARE],
                "bbox": [1, 1, 3, 2],
                "area": 6,
                "iscrowd": 0,
            }
        ],
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    def make(content: Any, file: str = "annotations.json", image: str = "a.jpg") -> Dataset:
        picture(tmp_path / image)
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content if isinstance(content, str) else json.dumps(content))
        return open_dataset(open_source(tmp_path), "coco")

    return make


def changed(**values: Any) -> dict[str, Any]:
    """The base file with these keys in its one annotation."""
    content = base()
    content["annotations"][0].update(values)
    return content


def test_polygons_become_classes_after_the_background(dataset: Callable[..., Dataset]) -> None:
    samples = dataset(base())
    assert samples.tasks["segmentation"].schema["classes"] == ["background", "cat", "dog"]
    found = samples.read("a")
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 1:4] = 2
    np.testing.assert_array_equal(found.labels["segmentation"], expected)
    assert found.box == (1, 1, 4, 3)


def test_several_polygons_overlaps_crowds_and_run_lengths(dataset: Callable[..., Dataset]) -> None:
    content = changed(segmentation=[SQUARE, [5, 0, 8, 0, 8, 2, 5, 2]])
    cat = np.zeros((6, 8), bool)
    cat[2:6, 3:6] = True
    content["annotations"] += [
        {
            "id": 2,
            "image_id": 7,
            "category_id": 3,
            "segmentation": {"size": [6, 8], "counts": [2, 3, 43]},
            "iscrowd": 1,
        },
        {"id": 3, "image_id": 7, "category_id": 3, "segmentation": rle_of(cat), "bbox": [3, 2, 3, 4]},
    ]
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 1:4] = expected[0:2, 5:8] = 2
    expected[cat] = 1
    expected[2:5, 0] = IGNORE  # run lengths go down the columns
    found = dataset(content).read("a")
    np.testing.assert_array_equal(found.labels["segmentation"], expected)
    assert found.box == (1, 1, 6, 6)


def test_splits_by_file_and_by_folder(tmp_path: Path) -> None:
    for split, id_ in (("train2017", 1), ("val2017", 1)):
        picture(tmp_path / split / "a.jpg")
        content = changed(image_id=id_)
        content["images"][0]["id"] = id_
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path)).names == ("train2017/a", "val2017/a")
    for split in ("train", "valid"):
        picture(tmp_path / "robo" / split / "b.jpg")
        content = base()
        content["images"][0]["file_name"] = "b.jpg"
        (tmp_path / "robo" / split / "_annotations.coco.json").write_text(json.dumps(content))
    samples = open_dataset(open_source(tmp_path / "robo"))
    assert samples.names == ("train/b", "valid/b")
    assert samples.read("valid/b").file == "valid/b.jpg"


@pytest.mark.parametrize("train", ["annotations/instances_train.json", "train/_annotations.coco.json", "train.json"])
@pytest.mark.parametrize("others", [(), ("train/b.jpg",)])
def test_an_image_that_its_split_lacks_is_not_that_of_another_split(
    tmp_path: Path, train: str, others: tuple[str, ...]
) -> None:
    for image in ("val/a.jpg", *others):
        picture(tmp_path / image)
    (tmp_path / train).parent.mkdir(exist_ok=True)
    (tmp_path / train).write_text(json.dumps(base()))
    with pytest.raises(InputError, match=r"'a\.jpg' of train, and .* only has val/a\.jpg, which is that"):
        open_dataset(open_source(tmp_path))
    picture(tmp_path / "a.jpg")
    assert open_dataset(open_source(tmp_path)).read("a").file == "a.jpg"
    picture(tmp_path / "train/a.jpg")
    assert open_dataset(open_source(tmp_path)).read("a").file == "train/a.jpg"


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (("train/labels.json", "val/labels.json"), ("train", "val")),
        (("train/labels.json", "val/data.json"), ("train", "val")),
        (("train/annotations/labels.json", "val/annotations/labels.json"), ("train", "val")),
        (("train/json/labels.json", "val/json/labels.json"), ("train", "val")),
        (("one/labels.json", "two/labels.json"), ("one", "two")),
        (("one/annotations/instances_default.json", "two/annotations/instances_default.json"), ("one", "two")),
        (("one/annotations/instances.json", "two/annotations/instances.json"), ("one", "two")),
        (("labels.json", "two/labels.json"), ("", "two")),
        (("json/cats.json", "json/dogs.json"), ("cats", "dogs")),
        (("annotations/train.json", "annotations/val.json"), ("train", "val")),
    ],
)
def test_the_folder_tells_the_split_where_the_file_does_not(
    tmp_path: Path, files: tuple[str, ...], splits: tuple[str, ...]
) -> None:
    for number, (file, split) in enumerate(zip(files, splits, strict=True)):
        picture(tmp_path / split / "a.jpg")
        content = base()
        content["annotations"][0]["category_id"] = (3, 90)[number]
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(content))
    samples = open_dataset(open_source(tmp_path))
    names = [f"{split}/a".lstrip("/") for split in splits]
    assert samples.names == tuple(sorted(names))
    assert [samples.read(name).labels["segmentation"].max() for name in names] == [1, 2]
    assert [samples.read(name).file for name in names] == [f"{name}.jpg" for name in names]


def test_files_of_explicit_splits_in_several_folders_are_those_splits(tmp_path: Path) -> None:
    for folder, image in (("one", "a"), ("two", "b")):
        picture(tmp_path / folder / f"{image}.jpg")
        content = base()
        content["images"][0]["file_name"] = f"{image}.jpg"
        (tmp_path / folder / "instances_train.json").write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path)).names == ("a", "b")


def test_the_name_of_a_single_file_is_no_split(tmp_path: Path) -> None:
    for image in ("photos/a.jpg", "labels/b.png"):
        picture(tmp_path / image)
    (tmp_path / "labels.json").write_text(json.dumps(base()))
    samples = open_dataset(open_source(tmp_path))
    assert [samples.read(name).file for name in samples.names] == ["photos/a.jpg"]


def test_no_file_is_skipped_however_many_there_are(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / f"{number:02d}.jpg")
        content = base()
        content["images"][0]["file_name"] = f"{number:02d}.jpg"
        (tmp_path / f"batch{number:02d}.json").write_text(json.dumps(content))
    samples = open_dataset(open_source(tmp_path), "coco")
    assert samples.names == tuple(f"batch{number:02d}/{number:02d}" for number in range(40))
    assert samples.notes == ()


@pytest.mark.parametrize("home", ["annotations", "."])
def test_a_file_that_repeats_another_is_refused_by_name(tmp_path: Path, home: str) -> None:
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / home).mkdir(exist_ok=True)
    for file in ("all", "train"):
        (tmp_path / home / f"{file}.json").write_text(json.dumps(base()))
    with pytest.raises(
        InputError, match=r"train\.json: images\[0\] .* only .*images/a\.jpg .*all\.json names that too"
    ):
        open_dataset(open_source(tmp_path))


def test_a_flat_polygon_and_ids_as_texts_as_via_writes_them(dataset: Callable[..., Dataset]) -> None:
    samples = dataset(changed(segmentation=SQUARE, image_id="7", category_id="90", id="1"))
    assert (samples.read("a").labels["segmentation"][1:3, 1:4] == 2).all()
    content = base()
    content["images"].append({**content["images"][0], "id": "7"})
    with pytest.raises(InputError, match=r"images\[1\] has the id 7, which another has too"):
        dataset(content)


def test_points_on_the_last_edge_are_on_the_image(dataset: Callable[..., Dataset]) -> None:
    """Tools that count from the edges of pixels write x = width there."""
    found = dataset(people({"keypoints": [8, 6, 2], "area": 1})).read("a")
    assert found.labels["keypoints"].tolist() == [[7.5, 5.5, 2]]
    with pytest.raises(InputError, match=r"point 0 at 8\.1, 5\.5 lies outside"):
        dataset(people({"keypoints": [8.1, 6, 2], "area": 1})).read("a")


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
    samples = open_dataset(open_source(tmp_path))
    assert samples.names == ("a",)
    assert samples.tasks["keypoints"].schema["mirror"] == [[0, 1]]
    labels = samples.read("a").labels
    assert labels["keypoints"].tolist() == [[2, 3, 2], [5.5, 4, 1]]
    assert labels["segmentation"].max() == 2


def people(*annotations: dict[str, Any]) -> dict[str, Any]:
    """A file of keypoints with these annotations."""
    category = {"id": 1, "name": "person", "keypoints": ["nose"]}
    return {
        **base(),
        "categories": [category],
        "annotations": [{"image_id": 7, "category_id": 1, **said} for said in annotations],
    }


def test_outlines_of_people_do_not_replace_the_instances(tmp_path: Path) -> None:
    """As in the published COCO: both files outline people, and only one of them everything else."""
    picture(tmp_path / "a.jpg")
    (tmp_path / "instances_train.json").write_text(json.dumps(base()))
    (tmp_path / "person_keypoints_train.json").write_text(
        json.dumps(people({"segmentation": [SQUARE], "keypoints": [2, 3, 2], "area": 6}))
    )
    samples = open_dataset(open_source(tmp_path))
    mask = samples.read("a").labels["segmentation"]
    assert samples.tasks["segmentation"].schema["classes"][mask.max()] == "dog"
    (tmp_path / "instances_train.json").unlink()
    assert open_dataset(open_source(tmp_path)).read("a").labels["segmentation"].sum() == 6


def test_a_crowd_without_points_does_not_hide_those_of_a_person(dataset: Callable[..., Dataset]) -> None:
    found = dataset(
        people({"keypoints": [2, 3, 2], "area": 1}, {"keypoints": [0, 0, 0], "area": 40, "iscrowd": 1})
    ).read("a")
    assert found.labels["keypoints"].tolist() == [[2, 3, 2]]


@pytest.mark.parametrize(
    "asked", ["../images/a.jpg", "/data/images/a.jpg", "C:\\images\\a.jpg", "./images/a.jpg", "images\\a.jpg"]
)
def test_no_file_name_leads_out_of_what_is_written(tmp_path: Path, asked: str) -> None:
    picture(tmp_path / "in" / "images" / "a.jpg")
    content = base()
    content["images"][0]["file_name"] = asked
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path / "in")).names == ("a",)
    run_to_end(convert(tmp_path / "in", tmp_path / "out", ConvertSettings(format="coco")))
    assert (tmp_path / "out" / "images" / "a.jpg").is_file()


def test_a_file_without_a_split_beside_one_with(tmp_path: Path) -> None:
    for file, image in (("annotations.json", "a.jpg"), ("instances_val.json", "val/a.jpg")):
        picture(tmp_path / image)
        content = base()
        content["images"][0]["file_name"] = image
        (tmp_path / file).write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path)).names == ("a", "val/a")


@pytest.mark.parametrize("name", ["coco", "coco-panoptic"])
def test_a_dataset_without_such_a_file_is_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="has no JSON file of images, annotations, categories"):
        open_dataset(open_source(tmp_path), name)


def test_a_byte_order_mark_and_the_licences(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    licences = [{"id": 1, "name": "CC BY 4.0"}, {"id": 2, "name": ""}, 3, {"id": 4, "name": "CC0"}]
    (tmp_path / "a.json").write_text(json.dumps({**base(), "licenses": licences}), encoding="utf-8-sig")
    assert format_of(open_source(tmp_path)) == "coco"
    assert open_dataset(open_source(tmp_path)).licence == "CC BY 4.0, CC0"


def without(key: str) -> dict[str, Any]:
    content = base()
    del content["images"][0][key]
    return content


WRONG: dict[str, tuple[Any, str]] = {
    "images twice": (
        {**base(), "images": base()["images"] * 2},
        r"images\[1\] has the id 7, which another has too: correct it",
    ),
    "no id": (without("id"), r"images\[0\] has the id None, neither a whole number nor a text"),
    "no file": (without("file_name"), r"images\[0\] has no file_name"),
    "not there": (
        {**base(), "images": [{"id": 7, "file_name": "b.jpg"}]},
        r"images\[0\] refers to the image '.*b.jpg', which is not in",
    ),
    "size": (
        {**base(), "images": [{"id": 7, "file_name": "a.jpg", "height": 8, "width": 6}]},
        r"images\[0\] states height 8 and width 6, its image has 6 and 8",
    ),
    "image": (changed(image_id=8), r"annotations\[0\] belongs to the image 8, which is not among the images"),
    "category": (
        changed(category_id=[1]),
        r"annotations\[0\] has the category \[1\], which is not among the categories",
    ),
    "boxes": (changed(segmentation=[]), r"annotations.json draws boxes only"),
    "polygon": (
        changed(segmentation=[[1, 2, 3, 4]]),
        r"annotations\[0\]: polygon 0 is not a list of at least three corners",
    ),
    "nan": (changed(segmentation=[[1, 2, 3, float("nan"), 1, 1]]), r"annotations\[0\]: polygon 0 is not"),
    "text": (changed(segmentation="x"), r"annotations\[0\] has run lengths for the size None"),
    "runs": (
        changed(segmentation={"size": [6, 8], "counts": [2, 3]}),
        r"annotations\[0\] has run lengths that do not fill an image of 6x8",
    ),
    "damaged": (changed(segmentation={"size": [6, 8], "counts": "oooo"}), r"annotations\[0\] has damaged run lengths"),
    "box": (changed(bbox=[1, 2]), r"annotations\[0\]: bbox is not \[left, top, width, height\]"),
    "list": ({**base(), "annotations": {}}, r"annotations is not a list"),
    "name": ({**base(), "categories": [{"id": 90}]}, r"categories\[0\] has no name"),
    "blank name": ({**base(), "categories": [{"id": 90, "name": " "}]}, r"categories\[0\] has no name"),
    "float id": (
        {**base(), "images": [{"id": 7.5, "file_name": "a.jpg"}]},
        r"images\[0\] has the id 7.5, neither a whole number nor a text",
    ),
    "no points": (changed(keypoints=[1, 2, 2]), r"no category says which"),
    "broken": ('{"images": [], "annotations": [], "categories": [', r"annotations.json is not valid JSON"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(dataset: Callable[..., Dataset], case: str) -> None:
    content, sentence = WRONG[case]
    with pytest.raises(InputError, match=sentence) as caught:
        dataset(content).read("a")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_run_lengths_are_a_mask_or_refused(text: bytes) -> None:
    try:
        mask = rle_mask({"size": [5, 7], "counts": text.decode("latin-1")}, (5, 7), "it")
    except InputError:
        return
    np.testing.assert_array_equal(rle_mask(rle_of(mask), (5, 7), "it"), mask)


def written(tmp_path: Path, *, instances: bool) -> tuple[Dataset, Path]:
    content = changed(segmentation=[SQUARE, [5, 0, 8, 0, 8, 2, 5, 2]])
    picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(content))
    run_to_end(convert(tmp_path / "in", tmp_path / "out", ConvertSettings(format="coco", instances=instances)))
    return open_dataset(open_source(tmp_path / "in")), tmp_path / "out"


@DECODES
@pytest.mark.parametrize(("instances", "count"), [(False, 1), (True, 2)])
def test_cocos_own_library_reads_what_we_write(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    instances: bool,  # noqa: FBT001  # a parameter of the test
    count: int,
) -> None:
    samples, out = written(tmp_path, instances=instances)
    coco = COCO(str(out / "annotations" / "instances_default.json"))
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
    Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(
        tmp_path / "panoptic_val" / "a.png"
    )
    content = base()
    segments = [{"id": 70_000, "category_id": 90}, {"id": 258, "category_id": 3, "iscrowd": 0}]
    content["annotations"] = [{"image_id": 7, "file_name": "a.png", "segments_info": segments}]
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    samples = open_dataset(open_source(tmp_path))
    assert format_of(open_source(tmp_path)) == "coco-panoptic"
    assert samples.tasks["segmentation"].schema["classes"] == ["cat", "dog"]
    expected = np.full((6, 8), IGNORE, np.uint8)
    expected[:3], expected[3:, :4] = 1, 0
    np.testing.assert_array_equal(samples.read("a").labels["segmentation"], expected)
    content["annotations"][0]["segments_info"] = segments[:1]
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"annotations\[0\]: its PNG has the segment 258, which segments_info lacks"):
        open_dataset(open_source(tmp_path)).read("a")


JUNK = [None, True, -1, 1e308, float("nan"), 10**30, "", "x", "../..", [], [[]], {}, {"a": 1}, [None], ["1"]]


def entry_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every entry in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from entry_paths(value[key], (*path, key))


def spoilt(content: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy with one entry replaced by junk, or removed."""
    content = copy.deepcopy(content)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if junk is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = junk
    return content


def rich() -> dict[str, Any]:
    content = changed(keypoints=[1, 2, 2])
    content["categories"][0]["keypoints"] = ["nose"]
    content["licenses"] = [{"id": 1, "name": "CC0"}]
    content["annotations"].append(
        {"image_id": 7, "category_id": 3, "segmentation": {"size": [6, 8], "counts": [2, 3, 43]}, "iscrowd": 1}
    )
    return content


def segments() -> dict[str, Any]:
    segment = {"id": 1, "category_id": 3, "iscrowd": 0}
    return {**base(), "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": [segment]}]}


@pytest.mark.parametrize(("name", "content"), [("coco", rich()), ("coco-panoptic", segments())])
def test_junk_anywhere_is_read_or_refused(tmp_path: Path, name: str, content: dict[str, Any]) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "segments").mkdir()
    Image.fromarray(np.full((6, 8, 3), [1, 0, 0], np.uint8)).save(tmp_path / "segments" / "a.png")
    (tmp_path / "segments.json").write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path), name).names == ("a",)
    refused = 0
    for path in entry_paths(content):
        for junk in (*JUNK, ...):
            (tmp_path / "segments.json").write_text(json.dumps(spoilt(content, path, junk)))
            refused += refuses(tmp_path, name)
    assert refused > 100


def refuses(path: Path, name: str) -> bool:
    """Whether a dataset is refused rather than read."""
    try:
        samples = open_dataset(open_source(path), name)
        for one in samples.names:
            samples.read(one)
    except InputError:
        return True
    return False


def flooded(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """The parts of a mask, found one neighbour after the other."""
    left, parts = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        part, waiting = set(), [left.pop()]
        while waiting:
            y, x = waiting.pop()
            part.add((y, x))
            near = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left
            left -= near
            waiting += near
        parts.append(part)
    return parts


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
@settings(max_examples=200, deadline=None)
def test_objects_are_the_parts_of_a_class(height: int, width: int, seed: int, share: float, ringed: bool) -> None:  # noqa: FBT001  # drawn
    """Noise, or rings in rings with noise: what lies in the hole of an object is an object of its own."""
    y, x = np.mgrid[:height, :width]
    rings = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) % 2 == 0
    mask = (np.random.default_rng(seed).random((height, width)) < share) ^ (rings & ringed)
    found = [{(int(y), int(x)) for y, x in np.argwhere(part)} for part in objects(mask, instances=True)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, flooded(mask)))


def labelled(masks: dict[str, Any], classes: list[str], points: dict[str, Any] | None = None) -> Dataset:
    """Samples with these masks and points."""
    tasks = {"segmentation": make_task("segmentation", {"classes": classes})}
    if points is not None:
        tasks["keypoints"] = make_task("keypoints", {"names": ["nose"]})

    def read(name: str) -> LabelledImage:
        labels = {"segmentation": np.array(masks[name], np.uint8)}
        if points is not None:
            labels["keypoints"] = np.array(points[name], np.float32)
        return LabelledImage(name, np.zeros((*labels["segmentation"].shape, 3), np.uint8), labels)

    return Dataset(tuple(sorted(masks)), tasks, read, "CC0")


def written_by(out: Path, name: str, samples: Dataset, *, instances: bool = False) -> Dataset:
    """Written without a manifest and read again: the files of the format must suffice."""
    writing = Writing(samples.tasks, samples.names, instances, samples.licence)
    WRITERS[name].finish(out, WRITERS[name].write(out, 0, map(samples.read, samples.names), writing), writing)
    return open_dataset(open_source(out))


@pytest.mark.parametrize("splits", [("train", "val"), ("coco_train", "train"), ("instances", "val"), ("instances",)])
@pytest.mark.parametrize("name", ["coco", "coco-panoptic"])
def test_splits_of_any_name_and_the_licence_come_back_without_a_manifest(
    tmp_path: Path, name: str, splits: tuple[str, ...]
) -> None:
    samples = labelled(
        {f"{split}/a": [[0, index % 2 + 1, IGNORE]] for index, split in enumerate(splits)}, ["background", "cat", "dog"]
    )
    again = written_by(tmp_path, name, samples)
    assert (again.names, again.licence) == (samples.names, "CC0")
    assert again.tasks["segmentation"].schema["classes"] == ["background", "cat", "dog"]
    for one in samples.names:
        np.testing.assert_array_equal(again.read(one).labels["segmentation"], samples.read(one).labels["segmentation"])


def test_a_split_of_nothing_but_background_is_not_lost(tmp_path: Path) -> None:
    points = {"train/a": [[1, 0, 2]], "val/a": [[1, 0, 0]]}
    samples = labelled({"train/a": [[0, 1]], "val/a": [[0, 0]]}, ["background", "cat"], points)
    again = written_by(tmp_path, "coco", samples)
    assert again.names == samples.names
    for one in samples.names:
        for task, label in samples.read(one).labels.items():
            np.testing.assert_array_equal(again.read(one).labels[task], label)


@pytest.mark.parametrize("name", ["coco", "coco-panoptic"])
@pytest.mark.parametrize(
    "names",
    [
        ("a", "x/a"),
        ("train/a", "train/x/train/a"),
        ("a/a", "b/a/a"),
        ("a/a", "a/a/a"),
        ("a", "default/a"),
        ("default/a", "default/default/a"),
        ("default/a", "train/a"),
        ("train/images/a", "train/a"),
    ],
)
def test_images_of_the_same_name_are_told_apart(tmp_path: Path, name: str, names: tuple[str, str]) -> None:
    samples = labelled({names[0]: [[0, 1, 1]], names[1]: [[2, 2]]}, ["background", "cat", "dog"])
    again = written_by(tmp_path, name, samples)
    assert again.names == tuple(sorted(names))
    for one in names:
        np.testing.assert_array_equal(again.read(one).labels["segmentation"], samples.read(one).labels["segmentation"])


def test_nothing_but_background_and_ignored(tmp_path: Path) -> None:
    again = written_by(tmp_path, "coco", labelled({"a": [[0, IGNORE]]}, ["background"]))
    assert again.read("a").labels["segmentation"].tolist() == [[0, IGNORE]]


@DECODES
def test_cocos_own_library_sees_splits_crowds_and_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = [[1, 0, 1, IGNORE], [1, 2, 0, IGNORE]]
    written_by(
        tmp_path,
        "coco",
        labelled({"val/a": mask}, ["background", "cat", "dog"], {"val/a": [[1.25, 0.5, 2]]}),
        instances=True,
    )
    coco = COCO(str(tmp_path / "annotations" / "instances_val.json"))
    capsys.readouterr()
    drawn = np.zeros((2, 4), np.uint8)
    for annotation in coco.loadAnns(coco.getAnnIds(iscrowd=False)):
        drawn[coco.annToMask(annotation) > 0] = annotation["category_id"]
    (crowd,) = coco.loadAnns(coco.getAnnIds(iscrowd=True))
    drawn[coco.annToMask(crowd) > 0] = IGNORE
    np.testing.assert_array_equal(drawn, mask)
    assert sorted(annotation["area"] for annotation in coco.dataset["annotations"]) == [1, 1, 2, 2]
    keypoints = COCO(str(tmp_path / "annotations" / "person_keypoints_val.json"))
    capsys.readouterr()
    assert [image["file_name"] for image in keypoints.loadImgs(keypoints.getImgIds())] == ["a.png"]
    (person,) = keypoints.loadAnns(keypoints.getAnnIds())
    assert (person["keypoints"], person["num_keypoints"]) == ([1.25, 0.5, 2], 1)
    assert coco.dataset["licenses"][0]["name"] == "CC0"


def test_panoptic_objects_do_not_overlap(tmp_path: Path) -> None:
    mask = np.ones((5, 5), np.uint8)
    mask[1:4, 1:4], mask[2, 2] = 0, 1
    again = written_by(tmp_path, "coco-panoptic", labelled({"a": mask}, ["background", "ring"]), instances=True)
    np.testing.assert_array_equal(again.read("a").labels["segmentation"], mask)
    content = json.loads((tmp_path / "annotations" / "panoptic_default.json").read_text())
    assert sorted(segment["area"] for segment in content["annotations"][0]["segments_info"]) == [1, 8, 16]
    assert [category["isthing"] for category in content["categories"]] == [0, 1]


@pytest.mark.parametrize(
    ("home", "folder"),
    [
        ("", "segments"),
        ("annotations/", "segments"),
        ("annotations/", "annotations/segments"),
        ("panoptic_toy/", "panoptic_toy"),
    ],
)
def test_panoptic_pngs_in_a_folder_called_like_the_json_or_beside_it(tmp_path: Path, home: str, folder: str) -> None:
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / home).mkdir(exist_ok=True)
    Image.fromarray(np.full((6, 8, 3), [1, 0, 0], np.uint8)).save(tmp_path / folder / "a.png")
    (tmp_path / home / "segments.json").write_text(json.dumps(segments()))
    samples = open_dataset(open_source(tmp_path))
    assert (samples.names, samples.read("a").labels["segmentation"].max()) == (("a",), 0)
    shutil.rmtree(tmp_path / folder) if folder not in home else (tmp_path / folder / "a.png").unlink()
    (tmp_path / home).mkdir(parents=True, exist_ok=True)
    (tmp_path / home / "segments.json").write_text(json.dumps(segments()))
    with pytest.raises(
        InputError, match=r"refers to the PNG 'a.png', which is neither in a folder segments nor beside segments.json"
    ):
        open_dataset(open_source(tmp_path))


@pytest.mark.parametrize("home", ["segments", "."])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_panoptic_pngs_are_found_whatever_the_unicode_form(
    tmp_path: Path, home: str, stored: Literal["NFC", "NFD"]
) -> None:
    asked = {"NFC": "NFD", "NFD": "NFC"}[stored]
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / home).mkdir(exist_ok=True)
    mask = Image.fromarray(np.full((6, 8, 3), [1, 0, 0], np.uint8))
    mask.save(tmp_path / home / f"{unicodedata.normalize(stored, 'é')}.png")
    content = segments()
    content["annotations"][0]["file_name"] = f"{unicodedata.normalize(asked, 'é')}.png"
    (tmp_path / "segments.json").write_text(json.dumps(content))
    assert open_dataset(open_source(tmp_path)).read("a").labels["segmentation"].max() == 0


def test_panoptic_a_png_of_another_split_is_not_taken(tmp_path: Path) -> None:
    for split, png in (("train", "b.png"), ("val", "a.png")):
        picture(tmp_path / split / "a.jpg")
        (tmp_path / split / "segments").mkdir()
        Image.fromarray(np.full((6, 8, 3), [1, 0, 0], np.uint8)).save(tmp_path / split / "segments" / png)
    (tmp_path / "train" / "segments.json").write_text(json.dumps(segments()))
    with pytest.raises(
        InputError, match=r"refers to the PNG 'a.png', which is neither in a folder segments nor beside"
    ):
        open_dataset(open_source(tmp_path))


def test_panoptic_segments_without_a_category_and_twice(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    Image.fromarray(np.full((6, 8, 3), [1, 0, 0], np.uint8)).save(tmp_path / "s.png")
    content = segments()
    content["annotations"][0]["file_name"] = "s.png"
    content["annotations"][0]["segments_info"] = [{"id": 1}]
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert (open_dataset(open_source(tmp_path)).read("a").labels["segmentation"] == IGNORE).all()
    content["annotations"][0]["segments_info"] *= 2
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"segments_info\[1\] has the id 1, which is no number from 1 on, or another segment's"
    ):
        open_dataset(open_source(tmp_path)).read("a")
    content["annotations"] *= 2
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"annotations\[1\] belongs to the same image as .*annotations\[0\]: keep one"):
        open_dataset(open_source(tmp_path))


@DECODES
@pytest.mark.skipif(not CARS.is_file(), reason="needs the published Car-Parts set")
def test_the_published_car_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = open_source(CARS)
    samples = open_dataset(source)
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
