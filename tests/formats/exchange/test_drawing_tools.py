"""Datasets of YOLO, LabelMe and Label Studio: as the tools write them, and with errors."""

import base64
import copy
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import format_of, labelme, labelstudio, labelstudio_write, open_dataset, yolo
from handsoff.formats.exchange.brush import brush_mask, brush_runs, unpack
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.tasks import make_task

SIZE = (8, 10)  # of every image here, height and width
JUNK = [
    None,
    True,
    -1,
    0,
    3,
    1e400,
    float("nan"),
    10**400,
    "",
    "x",
    "255",
    [],
    [[]],
    [1, 2],
    [["a", "b"]],
    {},
    {"a": 1},
    [None],
    [{}],
    "\x00",
    "/",
    "../..",
]


def png_of(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


PHOTO = png_of(np.arange(240, dtype=np.uint8).reshape(*SIZE, 3))


def put(folder: Path, files: dict[str, Any]) -> Path:
    """Files by path: bytes, text, and everything else as JSON."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(
            content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else json.dumps(content)).encode()
        )
    return folder


def opened(folder: Path, name: str) -> Dataset:
    source = open_source(folder)
    assert format_of(source) == name
    return open_dataset(source)


def mask_of(samples: Dataset, name: str) -> np.ndarray:
    return samples.read(name).labels["segmentation"]


def classes_of(samples: Dataset) -> list[str]:
    return list(samples.tasks["segmentation"].parts)


def block(top: int, left: int, bottom: int, right: int, value: int = 1) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def refused(folder: Path, name: str, sentence: str) -> None:
    reader = {"yolo": yolo, "labelme": labelme, "labelstudio": labelstudio}[name]
    with pytest.raises(InputError, match=sentence) as caught:
        read_all(reader.read(open_source(folder)))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def read_all(samples: Dataset) -> None:
    for name in samples.names:
        samples.read(name)


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from nodes(value[key], (*path, key))


def broken(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """The value with junk at a path, or without that entry where junk is `KeyError`."""
    if not path:
        return None if junk is KeyError else junk
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if junk is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = junk
    return changed


def survives(reader: Any, folder: Path) -> None:
    """A damaged dataset is read, or refused with one sentence."""
    source = open_source(folder)
    assert reader.recognises(source) in (True, False)
    try:
        read_all(reader.read(source))
    except InputError as error:
        assert str(error).endswith(".")  # noqa: PT017  # both are fine


# --- YOLO

CARD = "path: /home/someone/data\ntrain: ../train/images\nval: wrong\nnc: 2\nnames: {0: skin, 1: hair}\n"


def test_yolo_polygons(tmp_path: Path) -> None:
    rows = "1 0 0 1 0 1 1 0 1\n\n0 0.2 0.25 0.5 0.25 0.5 0.75 0.2 0.75 \n"
    put(
        tmp_path,
        {
            "data.yaml": CARD,
            "images/a.png": PHOTO,
            "labels/a.txt": rows,
            "images/b.png": PHOTO,
            "images/c.png": PHOTO,
            "labels/c.txt": "",
        },
    )
    samples = opened(tmp_path, "yolo")
    assert samples.names == ("a", "b", "c")
    assert classes_of(samples) == ["background", "skin", "hair"]
    wanted = np.full(SIZE, 2, np.uint8)
    wanted[2:6, 2:5] = 1
    np.testing.assert_array_equal(mask_of(samples, "a"), wanted)
    np.testing.assert_array_equal(mask_of(samples, "b"), 0)
    np.testing.assert_array_equal(mask_of(samples, "c"), 0)
    assert samples.read("a").box == (0, 0, 10, 8)
    assert samples.read("b").box is None
    assert samples.read("a").data == PHOTO


def test_yolo_the_smaller_one_lies_on_top(tmp_path: Path) -> None:
    rows = "0 0.2 0.25 0.5 0.25 0.5 0.75 0.2 0.75\n1 0 0 1 0 1 1 0 1\n"
    samples = opened(put(tmp_path, {"data.yaml": CARD, "images/a.png": PHOTO, "labels/a.txt": rows}), "yolo")
    assert (mask_of(samples, "a") == 1).sum() == 12


def test_yolo_of_roboflow_in_a_zip(tmp_path: Path) -> None:
    files = {
        "data.yaml": CARD.replace("{0: skin, 1: hair}", "[background, hair]") + "license: CC BY 4.0\n",
        "train/images/a.b.png": PHOTO,
        "train/labels/a.b.txt": "1 0 0 0.5 0 0.5 1 0 1",
        "valid/images/c.png": PHOTO,
        "README.txt": "",
    }
    put(tmp_path / "there", files)
    with zipfile.ZipFile(tmp_path / "dataset.zip", "w") as archive:
        for name in files:
            archive.write(tmp_path / "there" / name, f"dataset/{name}")
    samples = opened(tmp_path / "dataset.zip", "yolo")
    assert samples.names == ("train/a.b", "valid/c")
    assert samples.licence == "CC BY 4.0"
    assert classes_of(samples) == ["background", "hair"]
    np.testing.assert_array_equal(mask_of(samples, "train/a.b"), block(0, 0, 8, 5))


def test_yolo_poses(tmp_path: Path) -> None:
    card = CARD + "kpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\nkpt_names: {0: [nose, eye a, eye b], 1: [1, 2, 3]}\n"
    rows = "0 0.5 0.5 0.1 0.1  0.1 0.1 2 0.2 0.2 2 0.3 0.3 2\n1 0.5 0.5 0.8 0.5  0.55 0.5 2 0 0 0 1.0 1.002 1\n"
    put(tmp_path, {"data.yaml": card, "images/a.png": PHOTO, "labels/a.txt": rows, "images/b.png": PHOTO})
    samples = opened(tmp_path, "yolo")
    assert samples.tasks["keypoints"].schema == {
        "names": ["nose", "eye a", "eye b"],
        "mirror": [[1, 2]],
        "scale": None,
        "sigma": None,
    }
    np.testing.assert_allclose(
        samples.read("a").labels["keypoints"], [[5, 3.5, 2], [-0.5, -0.5, 0], [9.5, 7.5, 1]], atol=1e-5
    )
    np.testing.assert_allclose(samples.read("a").box, (1, 2, 9, 6))
    np.testing.assert_array_equal(samples.read("b").labels["keypoints"], np.zeros((3, 3)))


def test_yolo_poses_without_visibility(tmp_path: Path) -> None:
    files = {
        "data.yaml": CARD + "kpt_shape: [2, 2]\n",
        "images/a.png": PHOTO,
        "labels/a.txt": "0 0.5 0.5 1 1 0.5 0.5 0 0",
    }
    samples = opened(put(tmp_path, files), "yolo")
    assert samples.tasks["keypoints"].schema == {"names": ["0", "1"], "mirror": None, "scale": None, "sigma": None}
    np.testing.assert_allclose(samples.read("a").labels["keypoints"], [[4.5, 3.5, 2], [-0.5, -0.5, 0]])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("\n0 0.5 0.5 1 1", r"a\.txt, line 2, is only a box: .*polygons"),
        ("0 0 0 1 0 1 1\n2 0 0 1 0 1 1", r"line 2, has the class 2, but data.yaml names only 0 to 1"),
        ("0.5 0 0 1 0 1 1", r"line 1, has the class 0.5"),
        ("-1 0 0 1 0 1 1", r"line 1, has the class -1"),
        ("0 0 0 1 0 640 480", r"line 1, holds 640: .*from 0 to 1"),
        ("0 0 0 1 0 1 -0.1", r"line 1, holds -0.1"),
        ("0 0 0 1 0 1 nan", r"line 1, is not a class followed by"),
        ("0 0 0 1 0 one 1", r"line 1, is not a class followed by"),
        ("0 0 0", r"line 1, is not a class followed by"),
        ("0 0 0 1 0 1", r"line 1, has 5 numbers after the class, not pairs"),
    ],
)
def test_yolo_rows_that_are_wrong(tmp_path: Path, rows: str, sentence: str) -> None:
    refused(put(tmp_path, {"data.yaml": CARD, "images/a.png": PHOTO, "labels/a.txt": rows}), "yolo", sentence)


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("names: [a, a]", "names the class 'a' twice"),
        ("names: a", "names must list the classes"),
        ("names: [yes, no]", "names must list the classes, .* in quotes"),
        ("names: {1: a, 2: b}", "names must list the classes"),
        ("names: [a]\nnc: 3", "names lists 1 classes, nc says 3"),
        ("names: [a", "is not valid YAML"),
        ("[a]", "is not a table"),
        ("names: [a]\nkpt_shape: 3", r"kpt_shape must be \[number of points, 2 or 3\], not 3"),
        ("names: [a]\nkpt_shape: [2, 3]\nflip_idx: [1, 1]", "flip_idx must say"),
        ("names: [a]\nkpt_shape: [3, 3]\nflip_idx: [1, 2, 0]", "flip_idx must say"),
        ("names: [a]\nkpt_shape: [2, 3]\nkpt_names: [x]", "kpt_names must name 2 points"),
        ("names: [a]\nkpt_shape: [2, 3]\nkpt_names: [x, x]", "names the point .x. twice"),
        ("names: [a]\nkpt_shape: [2, 3]", r"line 1, has 6 numbers after the class, kpt_shape asks for 10"),
        ("names: [a]\nkpt_shape: [1, 2]", r"a\.txt"),
    ],
)
def test_yolo_cards_that_are_wrong(tmp_path: Path, card: str, sentence: str) -> None:
    rows = "0 0.5 0.5 1 1 0 0" if "2, 3" in card else "0 0.5 0.5 1 1"
    refused(put(tmp_path, {"data.yaml": card, "images/a.png": PHOTO, "labels/a.txt": rows}), "yolo", sentence)


def test_yolo_datasets_that_are_not_whole(tmp_path: Path) -> None:
    refused(put(tmp_path / "a", {"images/a.png": PHOTO}), "yolo", "has no data.yaml")
    refused(
        put(tmp_path / "b", {"data.yaml": CARD, "labels/a.txt": ""}), "yolo", "has no images in a folder called images"
    )
    refused(
        put(tmp_path / "c", {"data.yaml": CARD, "images/a.png": PHOTO, "labels/b.txt": ""}),
        "yolo",
        "has no label for any of its 1 images",
    )
    both = {"data.yaml": CARD, "images/a.png": PHOTO, "images/a.jpg": PHOTO, "labels/a.txt": ""}
    refused(put(tmp_path / "d", both), "yolo", "would be the same sample a")


def sample(name: str, labels: dict[str, np.ndarray]) -> LabelledImage:
    size = labels["segmentation"].shape if "segmentation" in labels else SIZE
    return LabelledImage(name, np.zeros((*size, 3), np.uint8), labels)


def write(
    out: Path, writer: Any, tasks: dict[str, dict[str, Any]], labels: dict[str, dict[str, np.ndarray]]
) -> Dataset:
    """Write samples and read them again, with a manifest as `convert` leaves one."""
    writing = Writing({name: make_task(name, schema) for name, schema in tasks.items()}, tuple(labels))
    writer.finish(out, writer.write(out, 0, [sample(name, label) for name, label in labels.items()], writing), writing)
    put(out, {"manifest.json": {"tasks": tasks, "licence": "CC0"}})
    return open_dataset(open_source(out))


def test_yolo_as_it_is_written(tmp_path: Path) -> None:
    mask = block(2, 2, 6, 5) + block(3, 3, 5, 4)  # a hole with another class in it
    schema = {"classes": ["hair", "background", "eye"]}
    mask = np.array([1, 0, 2], np.uint8)[mask]
    names = ["train/b", "train/images/a", "val/c"]
    samples = write(tmp_path, yolo, {"segmentation": schema}, {name: {"segmentation": mask} for name in names})
    assert yaml.safe_load((tmp_path / "data.yaml").read_bytes()) == {
        "train": "images/train",
        "val": "images/val",
        "names": ["hair", "eye"],
    }
    assert (tmp_path / "images/train/labels/a.txt").is_file()  # where Ultralytics looks for it
    assert (tmp_path / "labels/val/c.txt").read_text().splitlines()[1] == (
        "1 0.301 0.37625 0.399 0.37625 0.399 0.62375 0.301 0.62375"
    )
    assert samples.names == tuple(names)
    assert classes_of(samples) == schema["classes"]
    assert samples.licence == "CC0"
    for name in names:
        np.testing.assert_array_equal(mask_of(samples, name), mask)
    (tmp_path / "manifest.json").unlink()
    assert classes_of(open_dataset(open_source(tmp_path))) == ["background", "hair", "eye"]


@pytest.mark.parametrize("names", [["a", "train/b"], ["berlin/a", "train/b"], ["val/a"], ["train/a"], ["a"]])
def test_yolo_without_splits_holds_every_tenth_image_out(tmp_path: Path, names: list[str]) -> None:
    whole = sorted([*names, *(f"{names[0]}{number:02d}" for number in range(20))])
    for count, held in ((len(whole), whole[9::10]), (len(names), names[1:] or names)):
        chosen = sorted(names) if count == len(names) else whole
        out = tmp_path / str(count)
        labels = {name: {"segmentation": block(0, 0, 2, 2)} for name in chosen}
        samples = write(out, yolo, {"segmentation": {"classes": ["a", "b"]}}, labels)
        assert samples.names == tuple(chosen)
        card = yaml.safe_load((out / "data.yaml").read_bytes())
        assert card == {"train": "train.txt", "val": "val.txt", "names": ["a", "b"]}
        lists = {split: (out / f"{split}.txt").read_text().splitlines() for split in ("train", "val")}
        assert lists["val"] == [f"./images/{name}.png" for name in held]
        assert lists["train"] == [f"./images/{name}.png" for name in chosen if name not in held or len(chosen) == 1]
        assert all((out / file).is_file() for listed in lists.values() for file in listed)


def test_yolo_lists_cannot_hold_every_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'images/a\\u2028b.png' has a line break in its name"):
        write(tmp_path, yolo, {"segmentation": {"classes": ["a"]}}, {"a\u2028b": {"segmentation": block(0, 0, 2, 2)}})


def test_yolo_large_masks_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = {
        name: {"segmentation": rng.integers(0, 2, size, dtype=np.uint8)}
        for name, size in (("tall", (8191, 3)), ("wide", (2, 8192)))
    }
    samples = write(tmp_path, yolo, {"segmentation": {"classes": ["a", "b"]}}, labels)
    for name, label in labels.items():
        np.testing.assert_array_equal(mask_of(samples, name), label["segmentation"])


def test_yolo_points_as_they_are_written(tmp_path: Path) -> None:
    label = np.array([[1.25, 2.5, 2], [-0.5, 7.5, 1], [3, 3, 0]], np.float32)
    for number, mirror in enumerate(([[0, 2]], [], None)):
        schema = {"names": ["x", "y", "z"], "mirror": mirror, "scale": [[0], [1]], "sigma": 2.0}
        unseen = label * [1, 1, 0]
        samples = write(
            tmp_path / str(number),
            yolo,
            {"keypoints": schema},
            {"a": {"keypoints": label}, "b": {"keypoints": unseen.astype(np.float32)}},
        )
        np.testing.assert_allclose(samples.read("a").labels["keypoints"], label, atol=1e-6)
        np.testing.assert_allclose(samples.read("b").labels["keypoints"], unseen, atol=1e-6)
        assert samples.tasks["keypoints"].schema == schema
        np.testing.assert_allclose(samples.read("a").box, (0, 2.5, 2.25, 8), atol=1e-6)
        assert samples.read("b").box == (0, 0, 10, 8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_yolo_never_breaks(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    card = {"names": {0: "a", 1: "b"}, "nc": 2, "kpt_shape": [1, 3], "flip_idx": [0], "kpt_names": {0: ["x"]}}
    if data.draw(st.booleans()):
        card = broken(card, data.draw(st.sampled_from([*nodes(card)])), data.draw(st.sampled_from([KeyError, *JUNK])))
    text = data.draw(
        st.one_of(
            st.just(yaml.safe_dump(card).encode()),
            st.binary(max_size=30),
            st.text("!!int:[]{}&*- \na0", max_size=20).map(str.encode),
        )
    )
    rows = data.draw(st.one_of(st.binary(max_size=30), st.text("012. -e\nn", max_size=60).map(str.encode)))
    out = tmp_path_factory.mktemp("any")
    survives(yolo, put(out, {"data.yaml": text, "images/a.png": PHOTO, "labels/a.txt": rows}))


# --- LabelMe


def shape(label: str, points: Any, kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


def saved(*shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": 8,
        "imageWidth": 10,
        **more,
    }


BOX = png_of(np.array([[0, 255, 0], [255, 255, 255]], np.uint8))


def test_labelme_shapes(tmp_path: Path) -> None:
    shapes = [
        shape("skin", [[0, 0], [10, 0], [10, 8], [0, 8]], None),
        shape("hair", [[5, 6], [2, 2]], "rectangle"),
        shape("__ignore__", [[8, 4], [8, 5]], "circle"),
        shape("_background_", [[0, 0], [1, 0], [1, 1], [0, 1]]),
        shape("mole", [[6, 0], [8, 1]], "mask", mask=base64.b64encode(BOX).decode()),
    ]
    samples = opened(put(tmp_path, {"a.json": saved(*shapes), "a.png": PHOTO}), "labelme")
    assert samples.names == ("a",)
    assert classes_of(samples) == ["_background_", "hair", "mole", "skin"]
    wanted = np.full(SIZE, 3, np.uint8)
    wanted[2:6, 2:5] = 1
    wanted[3:5, 7:9] = IGNORE
    wanted[0, 0] = 0
    wanted[0, 7] = wanted[1, 6:9] = 2
    np.testing.assert_array_equal(mask_of(samples, "a"), wanted)


def test_labelme_a_circle_without_a_radius_covers_nothing(tmp_path: Path) -> None:
    shapes = [shape("skin", [[2, 2], [5, 6]], "rectangle"), shape("hair", [[4.5, 4.5], [4.5, 4.5]], "circle")]
    samples = opened(put(tmp_path, {"a.json": saved(*shapes), "a.png": PHOTO}), "labelme")
    assert classes_of(samples) == ["background", "hair", "skin"]
    np.testing.assert_array_equal(mask_of(samples, "a"), block(2, 2, 6, 5, 2))


def test_labelme_an_image_that_is_missing_is_not_replaced_by_that_of_another_file(tmp_path: Path) -> None:
    entry = saved(shape("b", [[0, 0], [1, 1]], "rectangle"), imagePath="0001.png")
    files = {"train/0001.json": entry, "val/0001.json": entry, "val/0001.png": PHOTO}
    sentence = r"train/0001.json: imagePath refers to the image 'train/0001.png', which is not in .*: put it beside"
    with pytest.raises(InputError, match=sentence):
        opened(put(tmp_path, files), "labelme")
    put(tmp_path, {"photos/train/0001.png": PHOTO})
    samples = opened(tmp_path, "labelme")
    assert [samples.read(name).file for name in samples.names] == ["photos/train/0001.png", "val/0001.png"]


@pytest.mark.parametrize("others", [{}, {"one/b.png": PHOTO}])
def test_labelme_an_image_of_another_folder_is_not_taken(tmp_path: Path, others: dict[str, bytes]) -> None:
    one = shape("b", [[0, 0], [1, 1]], "rectangle")
    home, other = ("one", "two") if others else ("train", "val")
    put(tmp_path, {f"{home}/a.json": saved(one), f"{other}/a.png": PHOTO, **others})
    refused(tmp_path, "labelme", rf"'{home}/a\.png', and .* only has {other}/a\.png")


def test_labelme_an_image_elsewhere_is_not_taken_for_two(tmp_path: Path) -> None:
    entry = saved(shape("b", [[0, 0], [1, 1]], "rectangle"))
    put(tmp_path, {"one/a.json": entry, "two/a.json": entry, "images/a.png": PHOTO})
    refused(tmp_path, "labelme", r"two/a\.json: imagePath .* only images/a\.png is there, and that is one/a\.json's")


def test_labelme_images_lie_anywhere(tmp_path: Path) -> None:
    one = shape("b", [[0, 0], [1, 0], [1, 1], [0, 1]])
    files = {
        "ann/train/a.json": saved(one, imagePath="..\\..\\img\\a.png"),
        "ann/val/b.json": saved(one, imagePath="C:\\photos\\b.png"),
        "ann/val/c.json": saved(
            one, imagePath="gone.png", imageData=base64.encodebytes(PHOTO).decode(), imageHeight=None
        ),
        "ann/val/other.json": {"shapes": 3},
        "img/a.png": PHOTO,
        "img/b.png": PHOTO,
    }
    samples = opened(put(tmp_path, files), "labelme")
    assert samples.names == ("train/a", "val/b", "val/c")
    assert classes_of(samples) == ["background", "b"]
    for name in samples.names:
        assert mask_of(samples, name).sum() == 1
        np.testing.assert_array_equal(samples.read(name).image, samples.read("train/a").image)
    assert [samples.read(name).file for name in samples.names] == ["img/a.png", "img/b.png", ""]
    assert [note for note in samples.notes if "image" in note.removeprefix(str(tmp_path))] == []


def test_labelme_two_files_with_their_images_inside_may_name_one_path(tmp_path: Path) -> None:
    one, inside = shape("b", [[0, 0], [1, 1]], "rectangle"), base64.b64encode(PHOTO).decode()
    files = {f"{name}.json": saved(one, imagePath="gone.png", imageData=inside) for name in "ab"}
    assert opened(put(tmp_path, files), "labelme").notes == ()


@pytest.mark.parametrize("text", ["{,}", '// of an editor\n{"a": 1}', '{"a": 1}\n{"a": 2}\n'])
def test_labelme_a_file_that_is_no_json_is_left_alone_unless_it_is_labelmes(tmp_path: Path, text: str) -> None:
    put(tmp_path, {"a.JSON": saved(shape("b", [[0, 0], [1, 1]], "rectangle")), "a.png": PHOTO, "x.json": text.encode()})
    (note,) = opened(tmp_path, "labelme").notes
    assert "1 file is not LabelMe's, and left alone (x.json)" in note
    for damaged in (b'{"shapes": [], "imagePath": "a.p', b""):
        put(tmp_path, {"x.json": damaged})
        refused(tmp_path, "labelme", r"x\.json is not")
    put(tmp_path, {"x.json": b"{}", "y.json": b'{"version": "5.', "y.jpg": PHOTO})
    refused(tmp_path, "labelme", r"y\.json is not")


def test_labelme_points(tmp_path: Path) -> None:
    first = [shape("right_eye", [[5, 4]], "point"), shape("left_eye", [[10, 8]], "point")]
    files = {"a.json": saved(*first), "b.json": saved(shape("left_eye", [[0, 0.5]], "point")), "a.png": PHOTO}
    samples = opened(put(tmp_path, files), "labelme")
    assert [*samples.tasks] == ["keypoints"]
    assert samples.tasks["keypoints"].schema["names"] == ["left_eye", "right_eye"]
    assert samples.tasks["keypoints"].schema["mirror"] == [[0, 1]]
    np.testing.assert_array_equal(samples.read("a").labels["keypoints"], [[9.5, 7.5, 2], [4.5, 3.5, 2]])
    np.testing.assert_array_equal(samples.read("b").labels["keypoints"], [[-0.5, 0, 2], [0, 0, 0]])


def test_labelme_points_that_come_twice_are_no_keypoints(tmp_path: Path) -> None:
    points = [shape("x", [[5, 4]], "point"), shape("x", [[1, 1]], "point")]
    put(tmp_path, {"a.json": saved(*points), "a.png": PHOTO})
    refused(tmp_path, "labelme", "a.json has the point 'x' twice")
    put(tmp_path, {"a.json": saved(*points, shape("b", [[0, 0], [1, 1]], "rectangle"))})
    assert [*open_dataset(open_source(tmp_path)).tasks] == ["segmentation"]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (saved(shape("a", [[0, 0], [1, 1]])), r"shapes\[0\].points is not a list of at least 3"),
        (saved(shape("a", [[0, 0], [1, float("nan")]], "rectangle")), r"shapes\[0\].points is not a list"),
        (saved(shape("a", [[0, 0], [9e9, 1]], "rectangle")), r"shapes\[0\].points is not a list"),
        (saved(shape("a", [[0, 0], [9e7, 1]], "rectangle")), r"shapes\[0\]: polygon 0 is not"),
        (saved(shape("a", [[0, 0], [1, 1]], "linestrip")), r"shapes\[0\] is of the type 'linestrip'"),
        (saved(shape("", [[0, 0], [1, 1]], "rectangle")), r"shapes\[0\] has no label"),
        (saved({"points": []}), r"shapes\[0\] has no label"),
        (saved(shape("a", [[0, 0], [1, 1]], "mask")), r"shapes\[0\] is of the type 'mask' and has none"),
        (saved(shape("a", [[0, 0], [1, 1]], "mask", mask="!")), r"shapes\[0\].mask is not base64"),
        (saved(shape("a", [[0, 0], [1, 1]], "mask", mask="AAAA")), r"shapes\[0\].mask is not a readable mask"),
        (
            saved(shape("a", [[8, 7], [10, 8]], "mask", mask=base64.b64encode(BOX).decode())),
            r"shapes\[0\] has a mask of 3x2 pixels at 8, 7, beyond",
        ),
        (
            saved(shape("a", [[0, 0], [9, 7]], "mask", mask=base64.b64encode(BOX).decode())),
            r"shapes\[0\] has a mask of 3x2 pixels that does not fit",
        ),
        (saved(shape("a", [[11, 4]], "point")), r"a.json: point 0 at 10.5, 3.5 lies outside"),
        (
            saved(shape("a", [[0, 0], [1, 1]], "rectangle"), imageWidth=9),
            r"a.json states height 8 and width 9, its image has 8 and 10",
        ),
        (saved(shape("a", [[0, 0], [1, 1]], "rectangle"), imagePath="b.png"), r"imagePath refers to the image 'b.png'"),
        (saved(shape("a", [[0, 0], [1, 1]], "rectangle"), imagePath=3), r"imagePath does not name an image"),
        (
            saved(shape("a", [[0, 0], [1, 1]], "rectangle"), imagePath="b.png", imageData="AAAA"),
            r"imageData is not a readable image",
        ),
        ({"imagePath": "a.png", "shapes": {}}, r"a.json: shapes is not a list"),
        ({"imagePath": "a.png", "shapes": [3]}, r"shapes\[0\] is not a JSON object"),
        ({"shapes": []}, "has no JSON file of LabelMe"),
    ],
)
def test_labelme_files_that_are_wrong(tmp_path: Path, entry: dict[str, Any], sentence: str) -> None:
    refused(put(tmp_path, {"a.json": entry, "a.png": PHOTO}), "labelme", sentence)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_labelme_never_breaks(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text = base64.b64encode(BOX).decode()
    entry = saved(
        shape("a", [[0, 0], [1, 1]], "circle"),
        shape("b", [[6, 0], [8, 1]], "mask", mask=text),
        shape("c", [[1, 1]], "point"),
        imageData=text,
    )
    changed = broken(entry, data.draw(st.sampled_from([*nodes(entry)])), data.draw(st.sampled_from([KeyError, *JUNK])))
    survives(labelme, put(tmp_path_factory.mktemp("any"), {"a.json": json.dumps(changed, default=str), "a.png": PHOTO}))


# --- Label Studio


def test_brush_runs_as_others_read_them() -> None:
    """The example in the tests of Label Studio's own converter is read, and our header is the same."""
    packed = bytes([0, 0, 0, 18, 57, 27, 252, 96, 32, 1, 0, 6, 0, 40, 0, 192, 3, 128, 17, 56, 32])
    assert unpack(packed, 18, "here").tolist() == [1, 1, 1, 1, 2, 3, 5, 6, 7, 8, 4, 4, 4, 4, 4, 4, 4, 4]
    assert bytes(brush_runs(np.ones((1, 1), bool)))[:7] == bytes([0, 0, 0, 4, 57, 27, 252])


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.booleans()))
def test_brush_runs_come_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(brush_mask(bytes(brush_runs(mask)), mask.shape, "here"), mask)


def test_long_brush_runs_come_back() -> None:
    for mask in (np.ones((300, 500), bool), np.zeros((129, 127), bool), np.arange(16384 * 3).reshape(128, 384) < 16384):
        np.testing.assert_array_equal(brush_mask(bytes(brush_runs(mask)), mask.shape, "here"), mask)


@given(st.binary(max_size=40), st.integers(0, 40))
def test_damaged_brush_runs_are_refused(noise: bytes, place: int) -> None:
    whole = bytes(brush_runs(np.eye(4, dtype=bool)))
    for data in (noise, whole[:place], whole[:place] + noise):
        try:
            brush_mask(data, (4, 4), "here")
        except InputError as error:
            assert "here has" in str(error)  # noqa: PT017  # both are fine


def result(kind: str, label: str, **value: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "original_width": 10,
        "original_height": 8,
        "image_rotation": 0,
        "value": {**value, kind: [label]},
    }


def task(*results: dict[str, Any], image: str = "/data/upload/3/0a1b2c3d-a.png", **more: Any) -> dict[str, Any]:
    return {
        "data": {"image": image},
        "annotations": [{"result": list(results), "was_cancelled": False, **more}],
        "predictions": [],
    }


SKIN = result("polygonlabels", "skin", points=[[0, 0], [100, 0], [100, 100], [0, 100]])


def test_labelstudio_regions(tmp_path: Path) -> None:
    results = [
        SKIN,
        result("rectanglelabels", "hair", x=20, y=25, width=30, height=50, rotation=0),
        result("brushlabels", "mole", format="rle", rle=brush_runs(block(0, 7, 2, 9) > 0)),
        result("ellipselabels", "Ignore", x=80, y=50, radiusX=10, radiusY=12.5),
        result("rectanglelabels", "hair", x=20, y=87.5, width=10, height=25, rotation=-90),
        {"type": "choices", "value": {"choices": ["good"]}},
    ]
    samples = opened(put(tmp_path, {"project-1.json": [task(*results)], "files/a.png": PHOTO}), "labelstudio")
    assert samples.names == ("files/a",)
    assert classes_of(samples) == ["background", "hair", "mole", "skin"]
    wanted = np.full(SIZE, 3, np.uint8)
    wanted[2:6, 2:5] = 1
    wanted[0:2, 7:9] = 2
    wanted[3:5, 7:9] = IGNORE
    wanted[6, 2:4] = 1  # one across, two down, turned to the left around its upper left corner
    np.testing.assert_array_equal(mask_of(samples, "files/a"), wanted)


@pytest.mark.parametrize("radii", [(0, 12.5), (12.5, 0), (0, 0), (1e-200, 12.5)])
def test_labelstudio_an_ellipse_without_an_area_covers_nothing(tmp_path: Path, radii: tuple[float, float]) -> None:
    flat = result("ellipselabels", "hair", x=45, y=56.25, radiusX=radii[0], radiusY=radii[1])
    samples = opened(put(tmp_path, {"tasks.json": [task(SKIN, flat)], "a.png": PHOTO}), "labelstudio")
    np.testing.assert_array_equal(mask_of(samples, "a"), np.full(SIZE, classes_of(samples).index("skin")))


@pytest.mark.parametrize(
    "asked",
    [
        "/data/upload/3/0a1b2c3d-a b.png",
        "/data/upload/3/0a1b2c3d-a%20b.png",
        "/data/local-files/?d=photos/a%20b.png",
        "/data/local-files/?d=photos%5Ca%20b.png",
        "https://example.com/photos/a%20b.png?size=3",
        "s3://bucket/photos/a b.png",
        "C:\\photos\\a b.png",
        "a b.png",
    ],
)
def test_labelstudio_finds_images(tmp_path: Path, asked: str) -> None:
    samples = opened(put(tmp_path, {"tasks.json": [task(SKIN, image=asked)], "images/a b.png": PHOTO}), "labelstudio")
    assert samples.names == ("a b",)
    assert samples.read("a b").file == "images/a b.png"


def test_labelstudio_chooses_an_annotation(tmp_path: Path) -> None:
    def made(label: str, **more: bool) -> dict[str, Any]:
        return task(result("rectanglelabels", label, x=0, y=0, width=100, height=100), **more)["annotations"][0]

    answers = [made("first"), made("last"), made("cancelled", was_cancelled=True)]
    truths = [made("first", ground_truth=True), made("last")]
    tasks = [
        {"data": {"image": "a.png"}, "annotations": answers},
        {"data": {"image": "b.png"}, "annotations": truths},
        {"data": {"image": "c.png"}, "annotations": [], "predictions": answers},
    ]
    samples = opened(put(tmp_path, {"tasks.json": tasks, "a.png": PHOTO, "b.png": PHOTO}), "labelstudio")
    assert samples.names == ("a", "b")
    assert [classes_of(samples)[mask_of(samples, name)[0, 0]] for name in samples.names] == ["last", "first"]


def test_labelstudio_points_and_configuration(tmp_path: Path) -> None:
    labels = '<KeyPointLabels name="k" toName="i"><Label value="nose"/><Label value="ear"/></KeyPointLabels>'
    config = f'<View><!-- faces --><Image name="i" value="$image"/>{labels}</View>'
    point = result("keypointlabels", "ear", x=50, y=100, width=1)
    hidden = {**result("keypointlabels", "nose", x=0, y=50), "meta": {"text": ["hidden"]}}
    tasks = [task(point, hidden, image="a.png"), task(point, image="b.png")]
    samples = opened(
        put(tmp_path, {"tasks.json": tasks, "label_config.xml": config, "a.png": PHOTO, "b.png": PHOTO}), "labelstudio"
    )
    assert [*samples.tasks] == ["keypoints"]
    assert samples.tasks["keypoints"].parts == ("nose", "ear")
    np.testing.assert_array_equal(samples.read("a").labels["keypoints"], [[-0.5, 3.5, 1], [4.5, 7.5, 2]])
    np.testing.assert_array_equal(samples.read("b").labels["keypoints"], [[0, 0, 0], [4.5, 7.5, 2]])


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ([{"data": {"image": "a.png"}, "predictions": [{"result": [SKIN]}]}], "has no annotations .predictions alone"),
        ([task(image="a.png")], "has neither labelled regions nor points"),
        ([task(SKIN, image="b.png")], r"tasks.json\[0\].data refers to the image 'b.png'"),
        ([task(SKIN, image="http://[b.png")], r"tasks.json\[0\].data refers to .* no address"),
        ([task(SKIN), task(SKIN)], r"tasks.json\[1\] and .*tasks.json\[0\] would be the same sample a"),
        ([task({**SKIN, "original_width": 9})], r"result\[0\] states height 8 and width 9"),
        ([task({**SKIN, "image_rotation": 90})], r"result\[0\] was made on a turned image"),
        ([task({**SKIN, "value": {"points": []}})], r"result\[0\] has None instead of one label"),
        (
            [task({**SKIN, "value": {"polygonlabels": ["a", "b"]}})],
            r"result\[0\] has \['a', 'b'\] instead of one label",
        ),
        ([task(result("polygonlabels", "a", points=[[0, 0], [1, 1]]))], r"result\[0\].value.points is not a list"),
        (
            [task(result("rectanglelabels", "a", x=0, y=0, width="3", height=3))],
            r"result\[0\]: width is 3 instead of a number",
        ),
        ([task(result("brushlabels", "a", rle=[256]))], r"result\[0\] has no run lengths"),
        ([task(result("brushlabels", "a", rle=[0, 0]))], r"result\[0\] has damaged run lengths"),
        (
            [task(result("brushlabels", "a", rle=brush_runs(np.ones((3, 3), bool))))],
            r"result\[0\] has run lengths for 9 pixels, its image has 80",
        ),
        ([task(result("keypointlabels", "a", x=120, y=0))], r"point 0 at 11.5, -0.5 lies outside"),
        ([task(*[result("keypointlabels", "a", x=0, y=0)] * 2)], "has the point 'a' twice"),
        ([{"data": [], "annotations": [{"result": []}]}], r"tasks.json\[0\].data is not a JSON object"),
        ([{"data": {}, "annotations": {"predictions": 3}}], r"tasks.json\[0\].annotations is not a list"),
    ],
)
def test_labelstudio_tasks_that_are_wrong(tmp_path: Path, tasks: list[Any], sentence: str) -> None:
    refused(put(tmp_path, {"tasks.json": tasks, "a.png": PHOTO}), "labelstudio", sentence)


def test_labelstudio_configurations_that_are_wrong(tmp_path: Path) -> None:
    put(tmp_path, {"tasks.json": [task(SKIN)], "a.png": PHOTO})
    for config, sentence in (
        ("<View>", "is not readable as XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View/>', "declares types or entities"),
    ):
        refused(put(tmp_path, {"label_config.xml": config}), "labelstudio", sentence)


def test_labelstudio_refuses_ignored_pixels_that_no_label_is_left_for(tmp_path: Path) -> None:
    schema = {"segmentation": {"classes": ["background", "ignore", "__ignore__"]}}
    mask = block(2, 2, 6, 5) + block(0, 0, 3, 3)
    read = write(tmp_path / "whole", labelstudio_write, schema, {"a": {"segmentation": mask}}).read("a")
    np.testing.assert_array_equal(read.labels["segmentation"], mask)
    mask[7] = IGNORE
    with pytest.raises(InputError, match="classes called ignore and __ignore__: rename one of them"):
        write(tmp_path / "holes", labelstudio_write, schema, {"a": {"segmentation": mask}})


def test_labelstudio_as_it_is_written(tmp_path: Path) -> None:
    schemas = {
        "segmentation": {"classes": ["background", "ignore", 'a "b" & <c>']},
        "keypoints": {"names": ["x", "y", "z"], "mirror": [[0, 2]]},
    }
    points = np.array([[1.25, 2.5, 2], [-0.5, 7.5, 1], [3, 3, 0]], np.float32)
    mask = block(2, 2, 6, 5) + block(0, 0, 3, 3)
    mask[7] = IGNORE
    samples = write(tmp_path, labelstudio_write, schemas, {"train/1+1 #ü": {"segmentation": mask, "keypoints": points}})
    (made,) = json.loads((tmp_path / "tasks-00000.json").read_bytes())
    assert made["data"] == {
        "image": "/data/local-files/?d=images/train/1%2B1%20%23%C3%BC.png",
        "absent_points": {"z": [35.0, 43.75]},
    }
    ids = [found["id"] for found in made["annotations"][0]["result"]]
    assert ids == ["mask-1", "mask-2", "mask-255", "point-0", "point-1"]
    labels = [label.get("value") for label in ET.parse(tmp_path / "label_config.xml").iter("Label")]  # noqa: S314  # our own
    assert labels == ["ignore", 'a "b" & <c>', "__ignore__", "x", "y", "z"]
    read = samples.read("train/1+1 #ü")
    np.testing.assert_array_equal(read.labels["segmentation"], mask)
    np.testing.assert_allclose(read.labels["keypoints"], points, atol=1e-6)
    assert samples.licence == "CC0"
    refused(
        put(tmp_path, {"manifest.json": {"tasks": {"segmentation": {"classes": 3}}}}),
        "labelstudio",
        "manifest.json: tasks.segmentation.classes is not a list",
    )
    refused(
        put(tmp_path, {"manifest.json": {"tasks": {"keypoints": {"names": [1]}}}}),
        "labelstudio",
        re.escape("names must be a list of texts"),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_labelstudio_never_breaks(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    brush = result("brushlabels", "b", format="rle", rle=brush_runs(np.ones(SIZE, bool)))
    ellipse, point = (
        result("ellipselabels", "c", x=1, y=1, radiusX=3, radiusY=1),
        {**result("keypointlabels", "d", x=1, y=1), "meta": {"text": []}},
    )
    tasks = [task(SKIN, brush, ellipse, point, image="a.png", ground_truth=True)]
    tasks[0]["data"]["absent_points"] = {"e": [1, 2]}
    changed = broken(tasks, data.draw(st.sampled_from([*nodes(tasks)])), data.draw(st.sampled_from([KeyError, *JUNK])))
    survives(labelstudio, put(tmp_path_factory.mktemp("any"), {"tasks.json": json.dumps(changed), "a.png": PHOTO}))
