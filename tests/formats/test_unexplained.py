"""Annotations that no reader knows are named, and with the export to choose where the tool is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import format_of, open_dataset
from handsoff.formats.unexplained import unexplained
from handsoff.inspection.inspect import describe


def put(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "a.png")
    return folder


VIA = {"_via_img_metadata": {"a.png1": {"regions": [{"shape_attributes": {}, "region_attributes": {}}]}}}


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("via.json", json.dumps(VIA), "via.json is a project of VGG Image Annotator: export COCO instead"),
        ("export.ndjson", '{"data_row": {"id": 1}}', "of Labelbox: convert it to COCO"),
        ("a.png.json", '{"objects": [{"classTitle": "leaf"}]}', "of Supervisely: export COCO"),
        ("a.json", '{"asset": {}, "regions": []}', "of VoTT: convert it to COCO"),
        ("a.json", '{"version": "2.0", "item": {"slots": []}, "annotations": []}', "of V7 Darwin: export COCO"),
        ("default.json", '{"categories": {}, "items": [{"annotations": [{"label_id": 0}]}]}', "of Datumaro: export it"),
        ("det.json", '[{"name": "a", "labels": [{"poly2d": []}]}]', "of Scalabel or BDD100K"),
        ("results.json", '[{"image_id": 1, "score": 0.5}]', "a list of COCO results: give the file with images"),
        ("Annotations/a.xml", "<annotation><object><bndbox/></object></annotation>", "boxes of Pascal VOC: masks"),
        ("a.txt", "0 0.5 0.5 0.1 0.1\n", "of YOLO: put it in labels/ beside images/"),
        ("boxes.csv", "file,xmin,xmax\n", "a table of boxes"),
        ("_classes.csv", "Pixel Value, Class\n0, leaf\n", "of Roboflow's semantic masks: export COCO instead"),
        ("odd.json", "[1, 2]", "odd.json is of no known form: no labels are read from there"),
        ("odd.yaml", "x: 1", "odd.yaml is of no known form"),
    ],
)
def test_the_tool_and_the_remedy_are_named(tmp_path: Path, file: str, content: str, sentence: str) -> None:
    source = open_source(put(tmp_path, {file: content}))
    assert format_of(source) is None
    (told,) = unexplained(source)
    assert sentence in told
    kind, *_, problems, _ = describe(tmp_path)
    assert kind == "unlabelled images"
    assert told in problems
    with pytest.raises(InputError, match="in no format that HandsOff knows") as caught:
        open_dataset(source)
    assert told in str(caught.value)


def test_many_files_are_counted_and_texts_about_the_data_are_left_alone(tmp_path: Path) -> None:
    files = {f"{number:02}.json": "{}" for number in range(30)}
    (told,) = unexplained(open_source(put(tmp_path, {**files, "README.txt": "", "LICENSE.txt": ""})))
    assert "00.json, 01.json, 02.json and 27 more are of no known form" in told


LABELME = {"shapes": [], "imagePath": "b.png"}


@pytest.mark.parametrize(
    ("files", "name", "sentence"),
    [
        (
            {"a.json": b'{"shapes": [{"label": "\xd2\xb6\xd7\xd3"}], "imagePath": "a.png"}'},
            "labelme",
            "a.json is not valid JSON .*not a text in UTF-8",
        ),
        ({"a.json": b"", "b.json": json.dumps(LABELME)}, "labelme", "a.json is not valid JSON"),
        (
            {"0.json": '{"shapes": [], "imagePath"', "a.json": json.dumps(LABELME)},
            "labelme",
            "0.json is not valid JSON",
        ),
        ({"x.json": '{"images": [{"id": 1, "file_name": "a.png"}], "annota'}, "coco", "x.json is not valid JSON"),
        ({"x.json": '{"images": [{"id": 1, "file_name": "a.png"}]}'}, "coco", "annotations is not a list"),
        ({"annotations.xml": "<annotations><image"}, "cvat-xml", "annotations.xml is not valid XML"),
        ({"SegmentationClass/a.jpg": b"x"}, "cvat", "no SegmentationClass folder with PNG masks"),
        ({"labels/a.txt": "0 0 0 1 0 1 1"}, "yolo", "has no data.yaml .or classes.txt.: write one"),
        ({"labels/a.txt": "0 0 0 1 0 1 1", "data.yaml": "names: ["}, "yolo", "data.yaml is not valid YAML"),
        ({"labels/a.txt": "0 0 0 1 0 1 1", "data.yaml": "nc: 1"}, "yolo", "names must list the classes"),
        ({"labels/a.txt": "", "classes.txt": "leaf"}, "yolo", "has no images in a folder called images"),
    ],
)
def test_a_readers_own_sentence_comes_through(tmp_path: Path, files: dict[str, Any], name: str, sentence: str) -> None:
    source = open_source(put(tmp_path, files))
    assert format_of(source) == name
    with pytest.raises(InputError, match=sentence):
        open_dataset(source)
    with pytest.raises(InputError, match=sentence):
        describe(tmp_path)


def test_a_coco_file_in_utf16_is_read(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [],
        "categories": [{"id": 1, "name": "leaf"}],
    }
    source = open_source(put(tmp_path, {"annotations.json": json.dumps(content).encode("utf-16")}))
    assert format_of(source) == "coco"
    assert open_dataset(source).names == ("a",)
