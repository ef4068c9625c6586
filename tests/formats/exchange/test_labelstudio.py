"""Label Studio's exports of every kind of region, address and annotation; and its import, of generated labels too.

The structures are those that its frontend and `label-studio-sdk` 2.1 write.
"""

import base64
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import format_of, labelstudio, open_dataset
from handsoff.formats.exchange.brush import brush_runs
from handsoff.formats.samples import Dataset
from handsoff.formats.settings import ConvertSettings

SIZE = (8, 10)
BOX = {"x": 20, "y": 25, "width": 30, "height": 50}  # rows 2 to 5, columns 2 to 4
CORNERS = [[20, 25], [50, 25], [50, 75], [20, 75]]  # the same
SKIN = np.zeros(SIZE, np.uint8)
SKIN[2:6, 2:5] = 1


def picture(mask: np.ndarray, mode: str = "RGBA") -> str:
    """A bitmask as the frontend exports it: black on transparent, as a data URL."""
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[..., 3] = mask * 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def vertices(corners: list[list[float]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, (x, y) in enumerate(corners):
        found.append(
            {"id": f"p{index}", "prevPointId": f"p{index - 1}" if index else None, "x": x, "y": y, "isBezier": False}
        )
    return found


GEOMETRIES: dict[str, dict[str, Any]] = {
    "polygon": {"points": CORNERS, "closed": True},
    "rectangle": {**BOX, "rotation": 0},
    "brush": {"format": "rle", "rle": brush_runs(SKIN > 0)},
    "bitmask": {"imageDataURL": picture(SKIN)},
    "vector": {"vertices": vertices(CORNERS), "closed": True},
}


def result(kind: str, value: dict[str, Any], name: str = "r1", **more: Any) -> dict[str, Any]:
    stated = {"original_width": 10, "original_height": 8, "image_rotation": 0}
    return {"id": name, "type": kind, "to_name": "image", "value": value, **stated, **more}


def labelled(kind: str, label: str = "skin", name: str = "r1") -> dict[str, Any]:
    return result(f"{kind}labels", {**GEOMETRIES[kind], f"{kind}labels": [label]}, name)


def task(*results: dict[str, Any], image: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"data": {"image": image}, "annotations": [{"result": list(results), "was_cancelled": False, **more}]}


def folder(where: Path, tasks: Any, *images: str, config: str | None = None) -> Path:
    for name in images or ("a.png",):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(240, dtype=np.uint8).reshape(*SIZE, 3)).save(where / name, "PNG")
    (where / "project-1.json").write_text(json.dumps(tasks))
    if config is not None:
        (where / "label_config.xml").write_text(config)
    return where


def opened(where: Path) -> Dataset:
    source = open_source(where)
    assert format_of(source) == "labelstudio"
    return open_dataset(source)


def mask_of(samples: Dataset, name: str = "a") -> np.ndarray:
    return samples.read(name).labels["segmentation"]


def refused(where: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        mask_of(opened(where))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_a_geometry_with_its_label(tmp_path: Path, kind: str) -> None:
    samples = opened(folder(tmp_path, [task(labelled(kind))]))
    assert samples.tasks["segmentation"].parts == ("background", "skin")
    np.testing.assert_array_equal(mask_of(samples), SKIN)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("kind", [*GEOMETRIES, "magicwand"])
def test_geometry_and_label_in_two_results_of_one_id(tmp_path: Path, kind: str, *, repeats: bool) -> None:
    geometry = GEOMETRIES["brush" if kind == "magicwand" else kind]
    labels = result("labels", {**(geometry if repeats else {}), "labels": ["skin"]})
    remark = result("choices", {**geometry, "choices": ["good"]})
    other = result("labels", {**BOX, "x": 60, "labels": ["hair"]}, "r2")  # a tool of the tag Labels alone
    for number, results in enumerate(
        ([result(kind, geometry), labels, remark, other], [labels, result(kind, geometry)])
    ):
        samples = opened(folder(tmp_path / str(number), [task(*results)]))
        classes = samples.tasks["segmentation"].parts
        np.testing.assert_array_equal(mask_of(samples) == classes.index("skin"), SKIN > 0)
    assert opened(tmp_path / "0").read("a").labels["segmentation"][2, 6] == 1  # hair


def test_points_with_their_names_in_results_of_their_own(tmp_path: Path) -> None:
    place = {"x": 50, "y": 50, "width": 1}
    results = [
        result("keypoint", place),
        result("labels", {**place, "labels": ["nose"]}, meta={"text": ["hidden"]}),
        result("keypointlabels", {"x": 0, "y": 0, "keypointlabels": ["ear"]}, "r2"),
    ]
    results[0]["meta"] = {"text": ["hidden"]}
    config = '<View><Image name="image" value="$image"/><KeyPoint name="k" toName="image"/><Labels name="l" '
    config += 'toName="image"><Label value="nose"/></Labels></View>'
    samples = opened(folder(tmp_path, [task(*results)], config=config))
    assert samples.tasks["keypoints"].parts == ("nose", "ear")
    np.testing.assert_array_equal(samples.read("a").labels["keypoints"], [[4.5, 3.5, 1], [-0.5, -0.5, 2]])


def test_labels_of_separate_tools_and_aliases_in_the_configuration(tmp_path: Path) -> None:
    config = '<View><Image name="image" value="$image"/><Polygon name="p" toName="image"/><Labels name="l" toName='
    config += (
        '"image"><Label value="Hair of the head" alias="hair"/><Label value="skin"/><Label value="$more"/></Labels>'
    )
    samples = opened(folder(tmp_path, [task(labelled("polygon"))], config=f"{config}</View>"))
    assert samples.tasks["segmentation"].parts == ("background", "hair", "skin")


def test_the_run_lengths_of_its_own_sdk(tmp_path: Path) -> None:
    """What `label_studio_sdk.converter.brush.mask2rle` of release 2.1.2 gives for this mask."""
    runs = "0 0 1 64 57 27 252 127 249 76 2 223 254 27 0 183 255 134 192 45 255 225 176 11 127 248 236 3 19 255 128"
    value = {"format": "rle", "rle": [int(byte) for byte in runs.split()], "brushlabels": ["skin"]}
    wanted = SKIN.copy()
    wanted[0, 0], wanted[7] = 1, 1
    np.testing.assert_array_equal(mask_of(opened(folder(tmp_path, [task(result("brushlabels", value))]))), wanted)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_bitmasks_cover_what_is_not_transparent(tmp_path: Path, mode: str) -> None:
    url = picture(SKIN, mode if mode != "PA" else "RGBA")
    if mode == "PA":  # as a lossless optimiser writes it
        buffer = io.BytesIO()
        Image.fromarray(SKIN).save(buffer, "PNG", transparency=0)
        url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    value = {"imageDataURL": url, "bitmasklabels": ["skin"]}
    np.testing.assert_array_equal(mask_of(opened(folder(tmp_path, [task(result("bitmasklabels", value))]))), SKIN)


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([result("polygon", GEOMETRIES["polygon"])], r"result\[0\] is a polygon without a label \(region r1\)"),
        ([result("ocrlabels", {**BOX, "ocrlabels": ["a"]})], r"result\[0\] \(region r1\) is of the type 'ocrlabels'"),
        ([result("cuboidlabels", {"c": 1, "cuboidlabels": ["a"]})], r"\(region r1\) is of the type 'cuboidlabels'"),
        ([result("videorectangle", {"sequence": [], "labels": ["a"]})], r"of the type 'videorectangle'"),
        ([result("new", {"vertices": []})], r"of the type 'new', which HandsOff cannot read"),
        (
            [result("polygonlabels", {**GEOMETRIES["polygon"], "closed": False, "polygonlabels": ["a"]})],
            r"result\[0\] is a polygon that is not closed",
        ),
        (
            [result("vectorlabels", {"vertices": vertices(CORNERS), "vectorlabels": ["a"]})],
            "a vector that is not closed",
        ),
        (
            [result("vectorlabels", {"vertices": [{"x": 1, "y": 1, "isBezier": True}], "vectorlabels": ["a"]})],
            "a vector with curves or branches",
        ),
        (
            [result("vectorlabels", {"vertices": vertices(CORNERS)[::-1], "closed": True, "vectorlabels": ["a"]})],
            "whose points do not follow each other",
        ),
        (
            [labelled("polygon"), labelled("rectangle")],
            r"result\[0\] and .*result\[1\] are different regions of the id 'r1'",
        ),
        (
            [labelled("polygon"), labelled("polygon") | {"value": {"points": CORNERS[:3], "polygonlabels": ["skin"]}}],
            "are different regions of the id",
        ),
        (
            [labelled("polygon"), result("labels", {"labels": ["hair"]})],
            r"result\[0\] has the labels skin and hair \(region r1\)",
        ),
        ([result("bitmasklabels", {"imageDataURL": 3, "bitmasklabels": ["a"]})], "imageDataURL is no picture"),
        (
            [result("bitmasklabels", {"imageDataURL": "data:image/png;base64,AAAA", "bitmasklabels": ["a"]})],
            "imageDataURL is not a readable picture",
        ),
        (
            [result("bitmasklabels", {"imageDataURL": picture(SKIN[:4]), "bitmasklabels": ["a"]})],
            "is a picture of 10x4 pixels, its image has 10x8",
        ),
        (
            [result("bitmasklabels", {"imageDataURL": picture(SKIN, "L"), "bitmasklabels": ["a"]})],
            "is a picture without transparency",
        ),
        ([labelled("polygon"), labelled("polygon", name="r2") | {"to_name": "b"}], "labels several images .b, image."),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, results: list[dict[str, Any]], sentence: str) -> None:
    refused(folder(tmp_path, [task(*results)]), sentence)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    relation = {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right"}
    words = result("hypertextlabels", {"start": "/p", "end": "/p", "text": "a", "hypertextlabels": ["X"]}, "r8")
    results = [labelled("rectangle"), result("rating", {"rating": 3}, "r9"), relation, words]
    tasks = [
        task(*results),
        {"data": {"image": "b.png"}, "annotations": [], "predictions": [], "drafts": [{"result": results}]},
        {"data": {"image": "c.png"}, "annotations": [{"result": [], "was_cancelled": True}]},
    ]
    tasks[0]["annotations"] *= 2
    notes = opened(folder(tmp_path, tasks, "a.png", "b.png")).notes
    assert [re.sub(r":.*| \(.*", "", note.removeprefix(f"{tmp_path}: ")) for note in notes] == [
        "2 tasks are left out",
        "1 task has several annotations",
        "1 rectangle is painted as a filled region",
        "3 results have no region, and are left alone",
        "1 image is not in the annotations, and left out",
    ]


def test_the_annotation_that_was_updated_last_counts(tmp_path: Path) -> None:
    times = ["2025-01-03T00:00:00Z", "2025-01-02T00:00:00Z"]
    made = [
        task(labelled("polygon", label), created_at="2025-01-01T00:00:00Z", updated_at=time)["annotations"][0]
        for label, time in zip(("late", "early"), times, strict=True)
    ]
    samples = opened(folder(tmp_path, [{"data": {"image": "a.png"}, "annotations": made}]))
    assert samples.tasks["segmentation"].parts == ("background", "late")


# --- images


ODD = st.text(st.characters(exclude_categories=("C",), exclude_characters='/\\:*"<>|'), min_size=1, max_size=12)
ODD = ODD.filter(lambda name: not name.startswith((".", "__MACOSX")) and len(name.encode()) < 100)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=ODD, prefix=st.sampled_from(["/data/local-files/?d=", "http://host:8080/data/local-files/?d=set/", "s3://b/"])
)
def test_any_name_is_found_as_it_is_and_quoted(
    tmp_path_factory: pytest.TempPathFactory, name: str, prefix: str
) -> None:
    for address in (name, quote(name)):
        where = folder(tmp_path_factory.mktemp("any"), [task(labelled("polygon"), image=f"{prefix}{address}.png")])
        (where / "a.png").rename(where / f"{name}.png")
        samples = opened(where)
        (found,) = samples.names
        assert samples.read(found).file == f"{name}.png"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=ODD, form=st.sampled_from(["NFC", "NFD"]))
def test_an_upload_of_any_name_is_found(
    tmp_path_factory: pytest.TempPathFactory, name: str, form: Literal["NFC", "NFD"]
) -> None:
    stored = re.sub(r"[^-\w.]", "", unicodedata.normalize(form, f"{name}.png").strip().replace(" ", "_"))  # by Django
    made = task(labelled("polygon"), image=f"/data/upload/1/0a1b2c3d-{stored}")
    where = folder(tmp_path_factory.mktemp("any"), [made])
    (where / "a.png").rename(where / f"{name}.png")
    samples = opened(where)
    assert samples.read(samples.names[0]).file == f"{name}.png"


@pytest.mark.parametrize(
    ("asked", "images", "found"),
    [
        (
            "/data/local-files/?d=set/cats&dogs.jpg",
            ["set/cats&dogs.jpg", "set/cats.jpg", "cats.png"],
            "set/cats&dogs.jpg",
        ),
        ("/data/local-files/?d=a+b.png", ["a+b.png", "a b.png"], "a+b.png"),
        ("/data/local-files/?d=a%20b.png", ["a%20b.png", "a b.png"], "a%20b.png"),
        ("/data/local-files/?d=a%2520b.png", ["a%20b.png", "a b.png"], "a%20b.png"),
        ("/data/local-files/?d=x/a%231.png", ["x/a#1.png", "x/a.png", "y/a#1.png"], "x/a#1.png"),
        ("/data/local-files/?d=a#1.png", ["a#1.png", "a.png"], "a#1.png"),
        ("/data/local-files/?d=C:\\set\\a.png", ["set/a.png", "other/a.png"], "set/a.png"),
        ("C:\\set\\a b.png", ["set/a b.png"], "set/a b.png"),
        ("https://host/x/a.png?X-Amz-Date=1&b=c.png#top", ["x/a.png", "c.png"], "x/a.png"),
        ("s3://bucket/x/a#1.png", ["x/a#1.png", "x/a.png"], "x/a#1.png"),
        ("gs://bucket/x/%C3%BC.png", ["x/ü.png"], "x/ü.png"),
        ("/data/local-files/?d=cam.0001", ["cam.0001.png"], "cam.0001.png"),
        ("/data/upload/1/0a1b2c3d-My_Photo_1.JPG", ["My Photo (1).JPG"], "My Photo (1).JPG"),
        (
            "/data/upload/1/0a1b2c3d-My_Photo_1.JPG",
            ["0a1b2c3d-My_Photo_1.JPG", "My Photo 1.JPG"],
            "0a1b2c3d-My_Photo_1.JPG",
        ),
        ("/storage-data/uploaded/?filepath=upload/1/0a1b2c3d-a_b.png", ["set/a b.png"], "set/a b.png"),
    ],
)
def test_the_image_of_an_address(tmp_path: Path, asked: str, images: list[str], found: str) -> None:
    samples = opened(folder(tmp_path, [task(labelled("polygon"), image=asked)], *images))
    (name,) = samples.names
    assert samples.read(name).file == found


@pytest.mark.parametrize(
    ("asked", "images", "sentence"),
    [
        ("/data/local-files/?d=cats&dogs.jpg", ["cats.jpg"], r"'/data/local-files/\?d=cats&dogs.jpg', which is not in"),
        ("/data/local-files/?d=a.jpg", ["a.png"], "which is not in"),
        ("/data/local-files/?d=a+b.png", ["a b.png"], "which is not in"),
        (
            "/data/upload/1/0a1b2c3d-a_b.png",
            ["a b.png", "a_b.png"],
            "may be a b.png or a_b.png: rename the right one to 0a1",
        ),
        ("/data/upload/1/0a1b2c3d-a.png", ["x/a.png", "y/a.png"], "has several"),
        ("/data/local-files/?d=set/train/a.png", ["set/train/b.png", "set/val/a.png"], "that of another folder"),
    ],
)
def test_labels_are_attached_to_no_other_image(tmp_path: Path, asked: str, images: list[str], sentence: str) -> None:
    refused(folder(tmp_path, [task(labelled("polygon"), image=asked)], *images), sentence)


@pytest.mark.parametrize(
    "image", ["images/a.png", "/data/local-files/?d=images/a.png", "/data/upload/1/0a1b2c3d-a.png"]
)
@pytest.mark.parametrize("top", ["", "top/"])
def test_exports_in_two_folders_find_images_and_labels_of_their_own(tmp_path: Path, top: str, image: str) -> None:
    for name in ("one", "two"):
        config = (
            f'<View><Image name="image" value="$image"/><PolygonLabels><Label value="{name}"/></PolygonLabels></View>'
        )
        made = [task(labelled("polygon", name), image=image)]
        folder(tmp_path / top / name, made, "images/a.png", config=config)
    samples = opened(tmp_path)
    assert samples.names == ("one/a", "two/a")
    assert samples.tasks["segmentation"].parts == ("background", "one", "two")
    assert [mask_of(samples, name).max() for name in samples.names] == [1, 2]
    assert [samples.read(name).file for name in samples.names] == [
        f"{top}{name}/images/a.png" for name in ("one", "two")
    ]
    (tmp_path / top / "two" / "images" / "a.png").rename(tmp_path / top / "two" / "images" / "b.png")
    refused(tmp_path, r"of two, and .* only has .*one/images/a\.png, which is that of another folder")


def test_exports_in_two_folders_may_share_their_images(tmp_path: Path) -> None:
    folder(tmp_path / "one", [task(labelled("polygon"), image="a.png")], "../images/a.png")
    folder(tmp_path / "two", [task(labelled("polygon"), image="b.png")], "../images/b.png")
    samples = opened(tmp_path)
    assert samples.names == ("one/a", "two/b")
    assert samples.notes == ()
    folder(tmp_path / "two", [task(labelled("polygon"), image="a.png")], "../images/b.png")
    refused(tmp_path, r"two/project-1.json\[0\] and .*one/project-1.json\[0\] would be the same sample two/a")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"images": ["a.png", "b.png"], "image": ["a.png", "b.png"]},
            "data.image lists 2 images: make a task of every",
        ),
        (
            {"left": "a.png", "right": "b.png"},
            "data names the images left and right: put the project's label_config.xml",
        ),
        ({"video": "a.mp4"}, "data names no image"),
        ({"image": 3}, "data names no image"),
    ],
)
def test_tasks_about_something_else(tmp_path: Path, data: dict[str, Any], sentence: str) -> None:
    refused(folder(tmp_path, [task(labelled("polygon")) | {"data": data}]), sentence)


def test_the_configuration_says_which_data_is_the_image(tmp_path: Path) -> None:
    config = '<View><Image name="thumb" value="$left"/><Image name="image" value="$right"/></View>'
    made = task(labelled("polygon")) | {"data": {"left": "a.png", "right": "b.png"}}
    assert opened(folder(tmp_path, [made], "a.png", "b.png", config=config)).names == ("b",)


# --- JSON-MIN


def record(number: int, tools: dict[str, Any], image: str = "a.png", **more: Any) -> dict[str, Any]:
    times = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z", "lead_time": 1.5}
    return {"image": image, "id": number, **tools, "annotator": 1, "annotation_id": number, **times, **more}


def minimal(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "original_width": 10, "original_height": 8}


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_json_min(tmp_path: Path, kind: str) -> None:
    geometry = GEOMETRIES[kind]
    one = {"label": [minimal({**geometry, f"{kind}labels": ["skin"]})], "quality": "good", "remark": ["x", "y"]}
    two = {"shape": [minimal(geometry)], "label": [minimal({**geometry, "labels": ["skin"]})]}
    two["notes"] = [minimal({**geometry, "choices": ["good"]})]
    none: dict[str, Any] = {"annotation_id": None, "updated_at": None}
    records = [record(1, one), record(2, two, "b.png"), record(3, {}, "c.png"), record(4, {}, "d.png", **none)]
    samples = opened(folder(tmp_path, records, "a.png", "b.png", "c.png", "d.png"))
    assert samples.names == ("a", "b", "c")
    np.testing.assert_array_equal(mask_of(samples, "a"), SKIN)
    np.testing.assert_array_equal(mask_of(samples, "b"), SKIN)
    assert not mask_of(samples, "c").any()
    assert any("JSON-MIN" in note for note in samples.notes)


def test_json_min_of_several_annotators(tmp_path: Path) -> None:
    tools = [{"label": [minimal({**GEOMETRIES["polygon"], "polygonlabels": [label]})]} for label in ("late", "early")]
    records = [record(1, tools[0], updated_at="2025-01-03T00:00:00Z"), record(1, tools[1])]
    assert opened(folder(tmp_path, records)).tasks["segmentation"].parts == ("background", "late")


def test_json_min_that_cannot_be_read(tmp_path: Path) -> None:
    lone = folder(tmp_path / "a", [record(1, {"shape": [minimal(GEOMETRIES["polygon"])]})])
    refused(lone, r"\[0\].shape\[0\] is a polygon without a label")
    strange = folder(tmp_path / "b", [record(1, {"shape": [minimal({"sequence": []})]})])
    refused(strange, r"\[0\].shape\[0\] .* is of the type 'unknown'")


JUNK = [None, True, -1, 3, 1e400, "", "x", [], [[]], [1, 2], {}, {"a": 1}, [{}], "\x00", "../.."]


def damaged(value: Any, data: st.DataObject) -> Any:
    """The value with junk, or nothing, somewhere in it."""
    if isinstance(value, dict | list) and value and data.draw(st.integers(0, 4)):
        keys = sorted(value) if isinstance(value, dict) else range(min(len(value), 4))
        key = data.draw(st.sampled_from([*keys]))
        changed = value.copy()
        if data.draw(st.integers(0, 9)):
            changed[key] = damaged(value[key], data)
        else:
            del changed[key]
        return changed
    return data.draw(st.sampled_from(JUNK))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_export_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    kinds = [result(kind, geometry, kind) for kind, geometry in GEOMETRIES.items()]
    kinds += [result("labels", {"labels": ["skin"]}, kind) for kind in GEOMETRIES]
    tools = {kind: [minimal({**GEOMETRIES[kind], f"{kind}labels": ["skin"]})] for kind in GEOMETRIES}
    tasks = data.draw(st.sampled_from([[task(*kinds)], [record(1, tools)]]))
    source = open_source(folder(tmp_path_factory.mktemp("any"), damaged(tasks, data)))
    assert labelstudio.recognises(source) in (True, False)
    try:
        samples = labelstudio.read(source)
        for name in samples.names:
            samples.read(name)
    except InputError as error:
        assert re.fullmatch(r".*\.", str(error))  # noqa: PT017  # both are fine


# --- written


def generated(where: Path) -> Path:
    """A folder as `generate` leaves it, as far as formats look at it."""
    for index, name in enumerate(("train/a & b", "val/c#1")):
        for kind in ("images", "masks"):
            (where / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), index, np.uint8)).save(where / f"images/{name}.png")
        Image.fromarray(SKIN).save(where / f"masks/{name}.png")
    (where / "classes.json").write_text('["background", "skin"]')
    lines = [{"name": "train/a & b", "uncertainty": 0.25}, {"name": "val/c#1", "uncertainty": float("nan")}]
    (where / "samples.jsonl").write_text("no record\n" + "\n".join(map(json.dumps, lines)))
    return where


def test_generated_labels_are_predictions_with_a_score_as_well(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in convert(generated(tmp_path / "there"), out, ConvertSettings(format="labelstudio", prefix="/sets/ü/")):
        pass
    first, second = json.loads((out / "tasks-00000.json").read_bytes())
    (prediction,) = first["predictions"]
    assert (prediction["score"], prediction["model_version"]) == (0.75, "handsoff")
    assert prediction["result"] == first["annotations"][0]["result"]
    assert "predictions" not in second  # no usable uncertainty
    served = [parse_qs(urlsplit(made["data"]["image"]).query)["d"] for made in (first, second)]  # as its server does
    assert served == [["sets/ü/images/train/a & b.png"], ["sets/ü/images/val/c#1.png"]]
    samples = opened(out)
    assert samples.names == ("train/a & b", "val/c#1")
    np.testing.assert_array_equal(mask_of(samples, "val/c#1"), SKIN)


def test_a_queue_has_predictions_alone_until_somebody_submits_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in convert(generated(tmp_path / "there"), out, ConvertSettings(format="labelstudio", queue=1)):
        pass
    (made,) = json.loads((out / "tasks-00000.json").read_bytes())
    assert made.keys() == {"data", "predictions"}
    refused(out, "has no annotations .predictions alone do not count")
    made["annotations"] = made["predictions"]
    (out / "tasks-00000.json").write_text(json.dumps([made]))
    np.testing.assert_array_equal(mask_of(opened(out), "train/a & b"), SKIN)


@pytest.mark.parametrize("name", ["a\x07b", "\ufffe", "\x00", "$eyes"])
def test_a_class_that_the_configuration_cannot_name_is_refused_first(tmp_path: Path, name: str) -> None:
    where = generated(tmp_path / "there")
    (where / "classes.json").write_text(json.dumps(["background", name]))
    with pytest.raises(
        InputError, match=r"The class or point '.*' cannot be a label in Label Studio, .*: rename it\.$"
    ):
        for _ in convert(where, tmp_path / "out", ConvertSettings(format="labelstudio")):
            pass
    assert not (tmp_path / "out").exists()


def test_other_characters_of_classes_come_back(tmp_path: Path) -> None:
    classes = ["background", '<a href="b">&\'\t\n\r\x85é\U0001f600']
    where = generated(tmp_path / "there")
    (where / "classes.json").write_text(json.dumps(classes))
    for _ in convert(where, tmp_path / "out", ConvertSettings(format="labelstudio")):
        pass
    assert list(opened(tmp_path / "out").tasks["segmentation"].parts) == classes
