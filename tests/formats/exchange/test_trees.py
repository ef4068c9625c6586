"""Datasets in published folder structures: Pascal VOC (CVAT's), Cityscapes, CelebAMask-HQ, DeepFashion-MultiModal."""

import io
import json
import shutil
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import READERS, cityscapes, deepfashion, format_of, open_dataset, voc
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task

SIZE = (4, 6)
Form = Literal["NFC", "NFD"]


def put(file: Path, content: bytes | str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def photo(size: tuple[int, int] = SIZE, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def opened(path: Path, name: str) -> Dataset:
    source = open_source(path)
    assert format_of(source) == name
    return open_dataset(source)


def mask_of(samples: Dataset, name: str) -> np.ndarray:
    return samples.read(name).labels["segmentation"]


def refused(path: Path, *parts: str, name: str | None = None) -> str:
    """The error message of reading all samples, which must be one sentence."""

    def read() -> None:
        samples = open_dataset(open_source(path), name)
        for one in samples.names:
            samples.read(one)

    with pytest.raises(InputError) as caught:
        read()
    sentence = str(caught.value)
    assert all(part in sentence for part in parts), sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


# --- CVAT and Pascal VOC

LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:10,20,30::\nbig dog:200,0,7:head,tail:run\n"
PAINTED = np.array([[[0, 0, 0], [10, 20, 30]], [[200, 0, 7], [224, 224, 192]]], np.uint8)
IDS = np.array([[0, 1], [2, IGNORE]], np.uint8)


def voc_tree(root: Path, *names: str, labelmap: str | None = LABELMAP) -> Path:
    for name in names or ("a",):
        put(root / f"JPEGImages/{name}.jpg", photo((2, 2), "JPEG"))
        put(root / f"SegmentationClass/{name}.png", png(PAINTED))
    if labelmap is not None:
        put(root / "labelmap.txt", labelmap)
    return root


def lists(root: Path, **names: str) -> Path:
    for name, content in names.items():
        put(root / f"ImageSets/Segmentation/{name}.txt", content)
    return root


def paletted(painted: np.ndarray) -> bytes:
    """As a palette PNG whose indices mean nothing."""
    colours, indices = np.unique(painted.reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(indices.reshape(painted.shape[:2]).astype(np.uint8), "L")
    image.putpalette(colours.astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_cvat_masks_are_matched_by_colour(tmp_path: Path) -> None:
    voc_tree(tmp_path, "a", "b")
    put(tmp_path / "SegmentationClass/b.png", paletted(PAINTED))
    samples = opened(tmp_path, "cvat")
    assert samples.names == ("a", "b")
    assert samples.tasks["segmentation"].schema["classes"] == ["background", "cat", "big dog"]
    for name in samples.names:
        np.testing.assert_array_equal(mask_of(samples, name), IDS)
    sample = samples.read("a")
    assert sample.data == (tmp_path / "JPEGImages/a.jpg").read_bytes()


@pytest.mark.parametrize(
    ("labelmap", "classes", "ids"),
    [
        (
            "cat:10,20,30::\nbig dog:200,0,7::",
            ["background", "cat", "big dog"],
            [[0, 1], [2, IGNORE]],
        ),  # no background: put first
        (
            "cat:10,20,30::\r\nbig dog:200,0,7::\r\nbackground:0,0,0::\r\n",
            ["background", "cat", "big dog"],
            [[0, 1], [2, IGNORE]],
        ),
        ("\ufeffcat : 10, 20, 30\n\n#x\nbig dog:200,0,7:", ["background", "cat", "big dog"], [[0, 1], [2, IGNORE]]),
        ("a:b:10,20,30::\nbig dog:200,0,7::", ["background", "a:b", "big dog"], [[0, 1], [2, IGNORE]]),
        ("cat:10,20,30::\nIgnored:200,0,7::", ["background", "cat"], [[0, 1], [IGNORE, IGNORE]]),
        ("cat:10,20,30::\ndog:200,0,7::\nedge:224,224,192::", ["background", "cat", "dog"], [[0, 1], [2, IGNORE]]),
        ("_background_:0,0,0::\ncat:10,20,30::\ndog:200,0,7::", ["_background_", "cat", "dog"], [[0, 1], [2, IGNORE]]),
        ("road:0,0,0::\ncat:10,20,30::\ndog:200,0,7::", ["background", "road", "cat", "dog"], [[1, 2], [3, IGNORE]]),
    ],
)
def test_labelmaps(tmp_path: Path, labelmap: str, classes: list[str], ids: list[list[int]]) -> None:
    samples = opened(voc_tree(tmp_path, labelmap=labelmap), "cvat")
    assert samples.tasks["segmentation"].schema["classes"] == classes
    assert mask_of(samples, "a").tolist() == ids


def test_plain_voc_has_its_own_classes(tmp_path: Path) -> None:
    root = voc_tree(tmp_path / "VOCdevkit/VOC2012", "2007_000032", "2007_000033", "2007_000039", labelmap=None)
    put(root / "JPEGImages/2007_000027.jpg", b"an image without a mask is left alone")
    colours = [
        (0, 0, 0),
        (128, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]  # as the development kit shows them
    for name in ("2007_000032", "2007_000033", "2007_000039"):
        put(root / f"JPEGImages/{name}.jpg", photo((1, 5), "JPEG"))
        put(root / f"SegmentationClass/{name}.png", png(np.array([colours], np.uint8)))
    lists(
        root,
        train="2007_000032\n",
        val="2007_000033\n2007_000039\n",
        trainval="2007_000032\n2007_000033\n2007_000039\n",
    )
    samples = opened(tmp_path, "cvat")
    assert samples.names == ("train/2007_000032", "val/2007_000033", "val/2007_000039")
    classes = samples.tasks["segmentation"].schema["classes"]
    assert [classes[index] for index in (0, 1, 15, 20)] == ["background", "aeroplane", "person", "tvmonitor"]
    assert mask_of(samples, "val/2007_000039").tolist() == [[0, 1, 15, 20, IGNORE]]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"default": "a\nsub/b c\n"}, ("a", "sub/b c")),
        ({"train": "a\n"}, ("a",)),
        ({"train": " a \r\n#note\n\na\n", "val": "sub/b c"}, ("train/a", "val/sub/b c")),
        ({"train": "a\n", "default": "sub/b c\n"}, ("sub/b c", "train/a")),
        ({"sub": "sub/b c", "val": "a"}, ("sub/b c", "val/a")),
        ({"train": "a\nsub/b c\n", "empty": ""}, ("a", "sub/b c")),
        ({"default": "a\nsub/b c\n", "train": "a\nsub/b c\n"}, ("a", "sub/b c")),
        ({"train": "a\nbare"}, ("a",)),  # an image that nobody annotated
        ({}, ("a", "sub/b c", "é/ü")),
    ],
)
def test_lists_say_what_belongs(tmp_path: Path, content: dict[str, str], names: tuple[str, ...]) -> None:
    voc_tree(tmp_path, "a", "sub/b c", "é/ü")
    put(tmp_path / "JPEGImages/bare.jpg", photo((2, 2), "JPEG"))
    samples = opened(lists(tmp_path, **content), "cvat")
    assert samples.names == names
    assert all((mask_of(samples, name) == IDS).all() for name in names)


@pytest.mark.parametrize("forms", [("NFC", "NFD", "NFD"), ("NFD", "NFC", "NFD"), ("NFD", "NFD", "NFC")])
def test_names_belong_together_whatever_their_unicode_form(tmp_path: Path, forms: tuple[Form, Form, Form]) -> None:
    """Those of the image, of its mask and in the list."""
    voc_tree(tmp_path)
    image, mask, line = (unicodedata.normalize(form, "é/é") for form in forms)
    put(tmp_path / f"JPEGImages/{image}.jpg", photo((2, 2), "JPEG"))
    put(tmp_path / f"SegmentationClass/{mask}.png", png(PAINTED))
    put(tmp_path / "ImageSets/Segmentation/train.TXT", f"{line}\na\n")
    samples = opened(tmp_path, "cvat")
    assert samples.names == ("a", mask)
    assert samples.notes == ()
    np.testing.assert_array_equal(samples.read(mask).labels["segmentation"], IDS)


def test_a_colour_without_a_label_is_not_blamed_on_a_file_that_is_not_there(tmp_path: Path) -> None:
    said = refused(voc_tree(tmp_path, labelmap=None), "has the colour 10,20,30 at x = 1, y = 0")
    assert f"which Pascal VOC, whose colours count without {tmp_path / 'labelmap.txt'}, gives no label" in said


def test_a_zip_with_a_folder_around_it_is_read(tmp_path: Path) -> None:
    voc_tree(tmp_path / "in" / "task 1")
    archive = Path(shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "in"))
    assert opened(archive, "cvat").names == ("a",)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("cat", ("labelmap.txt, line 2", "'cat'")),
        ("cat:1,2::", ("labelmap.txt, line 2",)),
        ("cat:1,2,256::", ("labelmap.txt, line 2",)),
        ("cat:1,2,999999999999::", ("labelmap.txt, line 2",)),
        ("cat:-1,2,3::", ("labelmap.txt, line 2",)),
        ("cat:nan,2,3::", ("labelmap.txt, line 2",)),
        (":1,2,3::", ("labelmap.txt, line 2",)),
        ("dog:1,2,3::", ("labelmap.txt, line 2", "'dog'", "again")),
        ("cat:5,5,5::", ("labelmap.txt, line 2", "'cat'", "'dog'")),
        ("cat:1,2,3::", ("a.png", "10,20,30", "x = 1, y = 0", "labelmap.txt")),
    ],
)
def test_bad_labelmaps_are_refused(tmp_path: Path, line: str, parts: tuple[str, ...]) -> None:
    refused(voc_tree(tmp_path, labelmap=f"dog:5,5,5::\n{line}\n"), *parts)


def test_bad_voc_trees_are_refused(tmp_path: Path) -> None:
    tree = voc_tree(tmp_path / "latin")
    put(tree / "labelmap.txt", "cät:1,2,3::".encode("latin-1"))
    refused(tree, "labelmap.txt", "UTF-8")
    tree = voc_tree(
        tmp_path / "many",
        *(f"{index}" for index in range(3)),
        labelmap="".join(f"c{index}:{index},9,9::\n" for index in range(256)),
    )
    refused(tree, "labelmap.txt", "257 classes")
    tree = voc_tree(tmp_path / "imageless")
    (tree / "JPEGImages/a.jpg").unlink()
    refused(tree, "SegmentationClass/a.png", "JPEGImages/a.jpg", "CVAT")
    tree = voc_tree(tmp_path / "size")
    put(tree / "JPEGImages/a.jpg", photo((2, 3), "JPEG"))
    refused(tree, "a.png", "2x2", "2x3")
    tree = voc_tree(tmp_path / "cut")
    put(tree / "SegmentationClass/a.png", png(PAINTED)[:40])
    refused(tree, "a.png", "not a readable image")
    tree = voc_tree(tmp_path / "grey")
    put(tree / "SegmentationClass/a.png", png(np.array([[0, 1], [2, 2]], np.uint8)))
    refused(tree, "a.png", "1,1,1")
    tree = voc_tree(tmp_path / "twice")
    put(tree / "JPEGImages/a.png", photo((2, 2)))
    refused(tree, "a.jpg", "a.png")
    voc_tree(tmp_path / "two/VOC2007")
    voc_tree(tmp_path / "two/VOC2012")
    refused(tmp_path / "two", "VOC2007/", "VOC2012/")
    refused(put(tmp_path / "none/x.png", photo()).parent, "SegmentationClass", name="cvat")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"train": "a\nmissing\n"}, ("train.txt, line 2", "'missing'")),
        ({"train": "a\nb\n", "val": "b\nc\n"}, ("train.txt", "val.txt", " b")),
        ({"train": "a\n", "trainval": "a\nb\n"}, ("train.txt", "trainval.txt")),
        ({"train": "#nothing"}, ("ImageSets/Segmentation", "no image")),
        ({"train": "a\ntrain/a\n", "val": "b"}, ("ImageSets/Segmentation", "same sample")),
    ],
)
def test_bad_lists_are_refused(tmp_path: Path, content: dict[str, str], parts: tuple[str, ...]) -> None:
    refused(lists(voc_tree(tmp_path, "a", "b", "c", "train/a"), **content), *parts)


@pytest.mark.parametrize("classes", [{"a": 1}, [1, 2], 7, "cat", [["cat"]], None])
def test_a_manifest_that_cannot_be_is_refused(tmp_path: Path, classes: object) -> None:
    put(voc_tree(tmp_path) / "manifest.json", json.dumps({"tasks": {"segmentation": {"classes": classes}}}))
    refused(tmp_path, "manifest.json: tasks.segmentation.classes")


def test_a_manifest_about_other_classes_is_not_believed(tmp_path: Path) -> None:
    put(voc_tree(tmp_path) / "manifest.json", json.dumps({"tasks": {"segmentation": {"classes": ["cat"]}}}))
    assert opened(tmp_path, "cvat").tasks["segmentation"].schema["classes"] == ["background", "cat", "big dog"]


def voc_dataset(classes: list[str], masks: dict[str, np.ndarray]) -> Dataset:
    def read(name: str) -> LabelledImage:
        data = photo(masks[name].shape)
        return LabelledImage(
            name, np.asarray(Image.open(io.BytesIO(data))), {"segmentation": masks[name]}, "x.PNG", data
        )

    return Dataset(tuple(sorted(masks)), {"segmentation": make_task("segmentation", {"classes": classes})}, read)


def voc_written(out: Path, samples: Dataset) -> Path:
    writing = Writing(samples.tasks, samples.names)
    voc.check(samples.names, samples.tasks)
    voc.finish(out, voc.write(out, 0, map(samples.read, samples.names), writing), writing)
    return out


def test_what_cvat_gets(tmp_path: Path) -> None:
    masks = {
        "train/0 a": np.array([[0, 1, 2, 255]], np.uint8),
        "val/b.c": np.array([[2]], np.uint8),
        "d": np.array([[1]], np.uint8),
    }
    out = voc_written(tmp_path, voc_dataset(["Background", "cat", "dog"], masks))
    assert (out / "labelmap.txt").read_text() == (
        "# label:color_rgb:parts:actions\nBackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\nignore:224,224,192::\n"
    )
    assert {file.name: file.read_text() for file in (out / "ImageSets/Segmentation").iterdir()} == {
        "train.txt": "train/0 a\n", "val.txt": "val/b.c\n", "default.txt": "d\n",
    }  # fmt: skip
    painted = np.asarray(Image.open(out / "SegmentationClass/train/0 a.png"))
    assert painted.tolist() == [[[0, 0, 0], [128, 0, 0], [0, 128, 0], [224, 224, 192]]]
    assert (out / "SegmentationObject/train/0 a.png").read_bytes() == (
        out / "SegmentationClass/train/0 a.png"
    ).read_bytes()
    assert (out / "JPEGImages/val/b.c.png").read_bytes() == photo((1, 1))
    samples = opened(out, "cvat")
    assert samples.names == tuple(sorted(masks))
    assert all((mask_of(samples, name) == mask).all() for name, mask in masks.items())


def test_every_colour_and_odd_class_survives(tmp_path: Path) -> None:
    """All ids at once; background in the middle or missing; classes with the names of ignored labels."""
    for number, classes in enumerate(
        (
            [*map(str, range(200)), "background"],
            [f"c{index}" for index in range(255)],
            ["ignore", "ignored", "Ignore "[:6]],
        )
    ):
        ids = np.array([[*range(len(classes)), IGNORE]], np.uint8)
        out = tmp_path / str(number)
        source = tmp_path / f"source {number}"
        for name, content in {
            "images/a.png": photo(ids.shape),
            "masks/a.png": png(ids),
            "classes.json": json.dumps(classes),
        }.items():
            put(source / name, content)
        run_to_end(convert(source, out, ConvertSettings(format="cvat")))
        samples = opened(out, "cvat")
        assert samples.tasks["segmentation"].schema["classes"] == classes
        np.testing.assert_array_equal(mask_of(samples, "a"), ids)


@pytest.mark.parametrize("name", ["a:b", "#a", " a", "a\nb", ""])
def test_classes_that_a_labelmap_cannot_hold_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="labelmap"):
        voc_written(tmp_path, voc_dataset(["background", name], {"a": np.zeros((1, 1), np.uint8)}))


def test_names_that_a_list_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line break"):
        voc_written(tmp_path, voc_dataset(["background"], {"a\nb": np.zeros((1, 1), np.uint8)}))


@settings(deadline=None, max_examples=10)
@given(
    names=st.lists(
        st.sampled_from(
            [
                "a",
                "#b",
                "c ",
                " d",
                "e.f",
                "default",
                "train/a",
                "train/train/a",
                "val/x y/z",
                "default/a",
                "日本/語",
                "a b",
            ]
        ),
        unique=True,
        min_size=1,
    )
)
def test_any_names_survive(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    out = voc_written(
        tmp_path_factory.mktemp("names"),
        voc_dataset(["background", "x"], {name: np.ones((1, 1), np.uint8) for name in names}),
    )
    assert opened(out, "cvat").names == tuple(sorted(names))


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"{", b"a:b:c", b"::::", b"\x00" * 40])
def test_recognising_never_fails(tmp_path: Path, text: bytes) -> None:
    for file in (
        "labelmap.txt",
        "SegmentationClass",
        "leftImg8bit",
        "segm.zip",
        "keypoints/keypoints_loc.txt",
        "CelebA-HQ-img/0.jpg",
        "segm/a_segm.png",
    ):
        put(tmp_path / file, text)
    for name in ("cvat", "cityscapes", "celebamask", "deepfashion"):
        assert not READERS[name].recognises(open_source(tmp_path))


@settings(deadline=None, max_examples=60)
@given(
    file=st.sampled_from(
        ["labelmap.txt", "ImageSets/Segmentation/train.txt", "manifest.json", "SegmentationClass/a.png"]
    ),
    content=st.one_of(st.binary(max_size=60), st.text('ab#:,0123456789\n {}[]"', max_size=60).map(str.encode)),
)
def test_whatever_is_in_a_voc_tree_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, file: str, content: bytes
) -> None:
    tree = voc_tree(tmp_path_factory.mktemp("any"))
    put(tree / file, content)
    with suppress(InputError):
        mask_of(opened(tree, "cvat"), "a")


# --- Cityscapes


def street(
    root: Path,
    name: str,
    *,
    label: str = "gtFine_labelIds",
    ids: np.ndarray | None = None,
    disparity: np.ndarray | None = None,
) -> Path:
    """A sample SPLIT/CITY/ID."""
    put(root / f"leftImg8bit/{name}_leftImg8bit.png", photo())
    if ids is not None:
        put(root / f"{label.partition('_')[0]}/{name}_{label}.png", png(ids))
    if disparity is not None:
        put(root / f"disparity/{name}_disparity.png", png16(disparity))
    return root


def png16(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


LABEL_IDS = np.array(
    [[0, 1, 7, 8, 11, 12], [13, 17, 19, 20, 21, 22], [23, 24, 25, 26, 27, 28], [31, 32, 33, 9, 30, 255]], np.uint8
)
TRAIN_IDS = np.array(
    [[255, 255, 0, 1, 2, 3], [4, 5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15], [16, 17, 18, 255, 255, 255]], np.uint8
)
CITY = "train/aachen/aachen_000000_000019"


def test_cityscapes_keeps_the_evaluation_classes(tmp_path: Path) -> None:
    street(tmp_path, CITY, ids=LABEL_IDS)
    street(tmp_path, "val/ulm/ulm_1_2", label="gtFine_labelTrainIds", ids=TRAIN_IDS)
    street(tmp_path, "train_extra/bonn/bonn_1_2", label="gtCoarse_labelIds", ids=LABEL_IDS)
    street(tmp_path, "test/berlin/berlin_1_2", ids=np.zeros(SIZE, np.uint8))
    street(tmp_path, "train_extra/bonn/bonn_1_3")  # without a label
    samples = opened(tmp_path, "cityscapes")
    assert samples.names == ("test/berlin/berlin_1_2", CITY, "train_extra/bonn/bonn_1_2", "val/ulm/ulm_1_2")
    assert list(samples.tasks) == ["segmentation"]
    assert samples.tasks["segmentation"].schema["classes"][8:10] == ["vegetation", "terrain"]
    for name in samples.names[1:]:
        np.testing.assert_array_equal(mask_of(samples, name), TRAIN_IDS)
    assert (mask_of(samples, "test/berlin/berlin_1_2") == IGNORE).all()


def test_fine_labels_and_label_ids_come_first(tmp_path: Path) -> None:
    for label, value in {
        "gtCoarse_labelIds": 7,
        "gtCoarse_labelTrainIds": 1,
        "gtFine_labelTrainIds": 2,
        "gtFine_labelIds": 12,
    }.items():
        street(tmp_path, CITY, label=label, ids=np.full(SIZE, value, np.uint8))
    assert (mask_of(opened(tmp_path, "cityscapes"), CITY) == 3).all()


def test_cityscapes_depth_in_metres(tmp_path: Path) -> None:
    steps = np.array([[0, 1, 2, 257, 513, 65535]] * 4)
    street(tmp_path, CITY, disparity=steps)
    street(tmp_path, "train/aachen/b", disparity=steps)
    put(
        tmp_path / "camera/train/aachen/b_camera.json",
        json.dumps({"extrinsic": {"baseline": 0.5}, "intrinsic": {"fx": 100}}),
    )
    samples = opened(tmp_path, "cityscapes")
    assert {name: task.schema["unit"] for name, task in samples.tasks.items()} == {"depth": "metres"}
    expected = 0.209313 * 2262.52 / np.array([1 / 256, 1, 2, 65534 / 256])
    depth = samples.read(CITY).labels["depth"]
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[0], [0, 0, *expected], rtol=1e-6)
    np.testing.assert_allclose(
        samples.read("train/aachen/b").labels["depth"][0], [0, 0, 50 * 256, 50, 25, 50 * 256 / 65534], rtol=1e-6
    )


def test_depth_needs_to_be_there_for_every_image_with_classes(tmp_path: Path) -> None:
    street(tmp_path, CITY, ids=LABEL_IDS, disparity=np.full(SIZE, 300))
    assert list(opened(tmp_path, "cityscapes").tasks) == ["segmentation", "depth"]
    street(tmp_path, "train/aachen/b", ids=LABEL_IDS)
    samples = opened(tmp_path, "cityscapes")
    assert list(samples.tasks) == ["segmentation"]
    assert list(samples.read(CITY).labels) == ["segmentation"]


def test_archives_unpacked_beside_each_other_are_one_tree(tmp_path: Path) -> None:
    street(tmp_path / "whole", CITY, ids=LABEL_IDS)
    for folder in ("leftImg8bit", "gtFine"):
        shutil.move(tmp_path / "whole" / folder, tmp_path / "data" / f"{folder}_trainvaltest" / folder)
    assert opened(tmp_path / "data", "cityscapes").names == (CITY,)
    shutil.copytree(tmp_path / "data/gtFine_trainvaltest", tmp_path / "data/again")
    refused(tmp_path / "data", "again/gtFine", "gtFine_trainvaltest")


def test_bad_cityscapes_are_refused(tmp_path: Path) -> None:
    refused(street(tmp_path / "id", CITY, ids=np.full(SIZE, 34, np.uint8)), "gtFine_labelIds.png", "34")
    refused(
        street(tmp_path / "train id", CITY, label="gtFine_labelTrainIds", ids=np.full(SIZE, 19, np.uint8)),
        "TrainIds.png",
        "19",
    )
    refused(street(tmp_path / "size", CITY, ids=np.zeros((2, 2), np.uint8)), "gtFine_labelIds.png", "2x2", "4x6")
    refused(street(tmp_path / "depth size", CITY, disparity=np.full((2, 2), 300)), "disparity.png", "2x2", "4x6")
    refused(street(tmp_path / "nothing", CITY, disparity=np.ones(SIZE)), "disparity.png", "no disparity")
    tree = street(tmp_path / "8 bit", CITY, disparity=np.ones(SIZE))
    put(tree / f"disparity/{CITY}_disparity.png", png(np.full(SIZE, 9, np.uint8)))
    refused(tree, "disparity.png", "16 bits")
    tree = street(tmp_path / "cut", CITY, disparity=np.full(SIZE, 300))
    put(tree / f"disparity/{CITY}_disparity.png", png16(np.full(SIZE, 300))[:50])
    refused(tree, "disparity.png", "not a readable")
    refused(street(tmp_path / "unlabelled", CITY), "no image with a label", "none", name="cityscapes")
    tree = street(tmp_path / "strangers", CITY)
    put(tree / "gtFine/train/ulm/x_gtFine_labelIds.png", png(LABEL_IDS))
    refused(tree, "no image with a label", "train/ulm/x")


@pytest.mark.parametrize(
    ("camera", "key"),
    [
        ([], "extrinsic.baseline"),
        ({"extrinsic": [1]}, "extrinsic.baseline"),
        ({"extrinsic": {"baseline": "1"}}, "extrinsic.baseline"),
        ({"extrinsic": {"baseline": True}}, "extrinsic.baseline"),
        ({"extrinsic": {"baseline": float("nan")}}, "extrinsic.baseline"),
        ({"extrinsic": {"baseline": 1}, "intrinsic": {"fx": 0}}, "intrinsic.fx"),
        ({"extrinsic": {"baseline": 1}, "intrinsic": {"fx": 1e-300}}, "intrinsic.fx"),
        ({"extrinsic": {"baseline": 1}, "intrinsic": {"fx": float("inf")}}, "intrinsic.fx"),
        ({"extrinsic": {"baseline": 1}, "intrinsic": {"fx": 10**400}}, "intrinsic.fx"),
        ({"extrinsic": {"baseline": 1}}, "intrinsic.fx"),
        ("{", "valid JSON"),
    ],
)
def test_bad_cameras_are_refused(tmp_path: Path, camera: object, key: str) -> None:
    street(tmp_path, CITY, disparity=np.full(SIZE, 300))
    put(tmp_path / f"camera/{CITY}_camera.json", camera if isinstance(camera, str) else json.dumps(camera))
    refused(tmp_path, "_camera.json", key)


def test_evaluation_classes_are_in_the_order_of_the_train_ids() -> None:
    assert len(cityscapes.CLASSES) == 19
    assert sorted(cityscapes.CLASSES.values()) == list(cityscapes.CLASSES.values())


# --- CelebAMask-HQ


def face(root: Path, number: int, parts: dict[str, list[list[int]]], times: int = 2) -> Path:
    size = np.array(next(iter(parts.values()), [[0]])).shape
    put(root / f"CelebA-HQ-img/{number}.jpg", photo((size[0] * times, size[1] * times), "JPEG"))
    for part, there in parts.items():
        put(
            root / f"CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}_{part}.png",
            png(np.repeat(np.array(there, np.uint8)[..., None] * 255, 3, 2)),
        )
    return root


def test_parts_are_painted_in_the_published_order(tmp_path: Path) -> None:
    face(tmp_path, 2000, {"cloth": [[0, 0, 0, 1]], "hat": [[0, 0, 1, 1]], "skin": [[0, 1, 1, 1]]})
    face(
        tmp_path,
        7,
        {part: [[int(index == place) for place in range(18)]] for index, part in enumerate(sorted_parts())},
        times=1,
    )
    samples = opened(tmp_path, "celebamask")
    assert samples.names == ("00007", "02000")
    classes = samples.tasks["segmentation"].schema["classes"]
    assert len(classes) == 19
    assert [classes[index] for index in mask_of(samples, "02000")[0]] == [
        "background", "background", "skin", "skin", "hat", "hat", "cloth", "cloth",
    ]  # fmt: skip
    assert mask_of(samples, "02000").shape == (2, 8)
    assert mask_of(samples, "00007").tolist() == [list(range(1, 19))]


def sorted_parts() -> list[str]:
    """As the authors' own preprocessing numbers them from 1 on."""
    order = "skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth"
    return order.split()


def test_left_and_right_change_places_in_the_mirror(tmp_path: Path) -> None:
    task = opened(face(tmp_path, 0, {"l_eye": [[1]]}), "celebamask").tasks["segmentation"]
    theta = np.array([[[-1, 0, 0], [0, 1, 0]]], np.float32)
    import torch  # noqa: PLC0415  # only here

    left, right = (task.schema["classes"].index(name) for name in ("left_eye", "right_eye"))
    assert (
        task.geometry.move(
            np.full((1, 2, 2), left, np.uint8), torch.from_numpy(theta), torch.ones(1, dtype=torch.bool), (2, 2)
        )
        .ravel()
        .tolist()
        == [right] * 4
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA"])
def test_masks_of_parts_in_any_mode(tmp_path: Path, mode: str) -> None:
    face(tmp_path, 0, {"skin": [[0, 1], [0, 0]]}, times=1)
    file = tmp_path / "CelebAMask-HQ-mask-anno/0/00000_skin.png"
    Image.open(io.BytesIO(file.read_bytes())).convert(mode).save(file)
    assert mask_of(opened(tmp_path, "celebamask"), "00000").tolist() == [[0, 1], [0, 0]]


def test_images_without_masks_and_masks_without_images_are_left_out(tmp_path: Path) -> None:
    for number in range(3):
        face(tmp_path, number, {"skin": [[1]]})
    (tmp_path / "CelebA-HQ-img/0.jpg").unlink()
    (tmp_path / "CelebAMask-HQ-mask-anno/0/00002_skin.png").unlink()
    assert opened(tmp_path, "celebamask").names == ("00001",)
    (tmp_path / "CelebA-HQ-img/1.jpg").unlink()
    refused(tmp_path, "no image with a label", "00002", "00000")


def test_bad_celebamasks_are_refused(tmp_path: Path) -> None:
    refused(face(tmp_path / "part", 0, {"skin": [[1]], "tail": [[1]]}), "00000_tail.png", "'tail'")
    refused(face(tmp_path / "sizes", 0, {"skin": [[1, 1]], "nose": [[1]]}), "00000_nose.png", "1x1", "1x2")
    tree = face(tmp_path / "odd", 0, {"skin": [[1, 1]]})
    put(tree / "CelebA-HQ-img/0.jpg", photo((3, 5), "JPEG"))
    refused(tree, "00000_skin.png", "3x6", "3x5")
    put(tree / "CelebA-HQ-img/0.jpg", photo((1, 1), "JPEG"))
    refused(tree, "00000_skin.png", "1x2", "1x1")
    put(tree / "CelebA-HQ-img/00000.jpg", photo((1, 2), "JPEG"))
    refused(tree, "00000.jpg", "0.jpg")
    tree = face(tmp_path / "twice", 0, {"skin": [[1]]})
    put(tree / "CelebAMask-HQ-mask-anno/1/00000_skin.png", b"")
    refused(tree, "0/00000_skin.png", "1/00000_skin.png")
    tree = face(tmp_path / "broken", 0, {"skin": [[1]]})
    put(tree / "CelebAMask-HQ-mask-anno/0/00000_skin.png", b"")
    refused(tree, "00000_skin.png", "not a readable")


def test_the_eight_classes_of_the_paper(tmp_path: Path) -> None:
    """The class table in docs/formats.md has the names that the reader gives."""
    face(
        tmp_path / "in",
        0,
        {part: [[1 if place == index else 0 for place in range(18)]] for index, part in enumerate(sorted_parts())},
    )
    merge = {
        "background,hat,earring,necklace,neck,cloth": "background", "skin": "skin", "nose": "nose",
        "left_eye,right_eye,glasses": "eye", "left_brow,right_brow": "brow", "left_ear,right_ear": "ear",
        "mouth,upper_lip,lower_lip": "mouth", "hair": "hair",
    }  # fmt: skip
    run_to_end(convert(tmp_path / "in", tmp_path / "out", ConvertSettings(classes=merge)))
    samples = opened(tmp_path / "out", "folder")
    assert samples.tasks["segmentation"].schema["classes"] == [
        "background",
        "skin",
        "nose",
        "eye",
        "brow",
        "ear",
        "mouth",
        "hair",
    ]
    assert not (mask_of(samples, "00000") == IGNORE).any()


# --- DeepFashion-MultiModal

NAME = "MEN-Denim-id_00000080-01_7_additional"
SPOTS = " ".join(f"{index % 6} {index % 4}" for index in range(21))
SEEN = " ".join("0" for _ in range(21))


def outfit(root: Path, name: str, *, mask: np.ndarray | None = None) -> Path:
    put(root / f"images/{name}.jpg", photo(SIZE, "JPEG"))
    if mask is not None:
        put(root / f"segm/{name}_segm.png", png(mask))
    return root


def points(root: Path, loc: str, vis: str) -> Path:
    put(root / "keypoints/keypoints_loc.txt", loc)
    put(root / "keypoints/keypoints_vis.txt", vis)
    return root


MASK = np.arange(24, dtype=np.uint8).reshape(SIZE)


def test_deepfashion_classes_and_points(tmp_path: Path) -> None:
    outfit(tmp_path, NAME, mask=MASK)
    outfit(tmp_path, "WOMEN-b")  # not annotated
    places = [f"{index % 6} {index % 4}" for index in range(21)]
    places[1:5] = ["-1 -1", "5.5 3", "5.6 3", "0 -1"]
    codes = ["0", "2", "1", "0", "0", *["0"] * 16]
    points(
        tmp_path,
        f"WOMEN-c.jpg {SPOTS}\n{NAME}.jpg {' '.join(places)}\n",
        f"{NAME}.jpg {' '.join(codes)}\nWOMEN-c.jpg {SEEN}\n",
    )
    samples = opened(tmp_path, "deepfashion")
    assert samples.names == (NAME,)
    sample = samples.read(NAME)
    np.testing.assert_array_equal(sample.labels["segmentation"], MASK)
    assert samples.tasks["segmentation"].schema["classes"][15:18] == ["skin", "ring", "wrist wearing"]
    found = sample.labels["keypoints"]
    assert found.shape == (21, 3)
    assert found.dtype == np.float32
    assert found[:7, 2].tolist() == [2, 0, 1, 0, 0, 2, 2]
    assert found[2].tolist() == [5.5, 3, 1]
    task = samples.tasks["keypoints"]
    mirrored = {frozenset((task.schema["names"][a], task.schema["names"][b])) for a, b in task.schema["mirror"]}
    assert mirrored == {
        frozenset((f"left_{part}", f"right_{part}"))
        for part in ("ear", "eye", "shoulder", "waist", "elbow", "wrist", "hip", "knee", "foot")
    }


def test_points_need_to_be_there_for_every_mask(tmp_path: Path) -> None:
    outfit(tmp_path, "a", mask=MASK)
    outfit(tmp_path, "b", mask=MASK)
    points(tmp_path, f"a.jpg {SPOTS}\nb.jpg {SPOTS}\n", f"a.jpg {SEEN}\n")
    samples = opened(tmp_path, "deepfashion")
    assert samples.names == ("a", "b")
    assert list(samples.tasks) == ["segmentation"]
    assert list(samples.read("a").labels) == ["segmentation"]


def test_points_alone_are_a_dataset(tmp_path: Path) -> None:
    outfit(tmp_path, "a")
    outfit(tmp_path, "b")
    points(tmp_path, f"b.jpg {SPOTS}\r\na.jpg {SPOTS}\r\n\r\n", f"b.jpg {SEEN}\n")
    samples = opened(tmp_path, "deepfashion")
    assert samples.names == ("b",)
    assert list(samples.read("b").labels) == ["keypoints"]


@pytest.mark.parametrize(
    ("loc", "vis", "parts"),
    [
        (f"a.jpg {SPOTS} 1", f"a.jpg {SEEN}", ("keypoints_loc.txt, line 1", "44 words")),
        (f"a.jpg {SPOTS}", f"\na.jpg {SEEN} 0", ("keypoints_vis.txt, line 2", "23 words")),
        (f"a.jpg {SPOTS}\na.png {SPOTS}", f"a.jpg {SEEN}", ("keypoints_loc.txt, lines 1 and 2", "a.png")),
        (f"a.jpg x{SPOTS[1:]}", f"a.jpg {SEEN}", ("keypoints_loc.txt, line 1", "'x'")),
        (f"a.jpg nan{SPOTS[1:]}", f"a.jpg {SEEN}", ("keypoints_loc.txt, line 1", "'nan'")),
        (f"a.jpg 1e300{SPOTS[1:]}", f"a.jpg {SEEN}", ("keypoints_loc.txt, line 1", "'1e300'")),
        (f"a.jpg {'1' * 5000}{SPOTS[1:]}", f"a.jpg {SEEN}", ("keypoints_loc.txt, line 1",)),
        (f"a.jpg {SPOTS}", f"a.jpg {SEEN[:-1]}3", ("keypoints_vis.txt, line 1", "'3'")),
    ],
)
def test_bad_points_are_refused(tmp_path: Path, loc: str, vis: str, parts: tuple[str, ...]) -> None:
    refused(points(outfit(tmp_path, "a"), loc, vis), *parts)


def test_bad_deepfashion_is_refused(tmp_path: Path) -> None:
    refused(outfit(tmp_path / "id", "a", mask=np.full(SIZE, 24, np.uint8)), "a_segm.png", "24")
    refused(outfit(tmp_path / "size", "a", mask=np.zeros((6, 4), np.uint8)), "a_segm.png", "6x4", "4x6")
    tree = outfit(tmp_path / "rgb", "a", mask=MASK)
    put(tree / "segm/a_segm.png", photo())
    refused(tree, "a_segm.png", "RGB")
    tree = points(outfit(tmp_path / "latin", "a"), "", "")
    put(tree / "keypoints/keypoints_loc.txt", b"\xff")
    refused(tree, "keypoints_loc.txt", "UTF-8")
    refused(points(outfit(tmp_path / "empty", "a"), "", ""), "no image with a label")
    for name in ("images.zip", "segm.zip", "keypoints.zip"):
        put(tmp_path / "zips" / name, b"")
    refused(tmp_path / "zips", "unpack")


def test_every_point_and_class_has_a_name_of_its_own() -> None:
    assert len(set(deepfashion.POINTS)) == 21
    assert len(set(deepfashion.CLASSES)) == 24


def test_reading_lists_without_opening_images(tmp_path: Path) -> None:
    """Opening a dataset decodes no image: every format lists its samples although the images are damaged."""
    voc_tree(tmp_path / "cvat")
    street(tmp_path / "cityscapes", CITY, ids=LABEL_IDS, disparity=np.full(SIZE, 300))
    face(tmp_path / "celebamask", 0, {"skin": [[1]]})
    outfit(tmp_path / "deepfashion", "a", mask=MASK)
    for name in ("cvat", "cityscapes", "celebamask", "deepfashion"):
        for file in (tmp_path / name).rglob("*.*g"):
            file.write_bytes(b"")
        samples = opened(tmp_path / name, name)
        assert len(samples.names) == 1
        with pytest.raises(InputError):
            samples.read(samples.names[0])


def test_what_is_read_can_be_written(tmp_path: Path) -> None:
    """A published dataset is converted to CVAT and read back."""
    street(tmp_path / "in", CITY, ids=LABEL_IDS)
    run_to_end(convert(tmp_path / "in", tmp_path / "out", ConvertSettings(format="cvat")))
    before, after = opened(tmp_path / "in", "cityscapes"), opened(tmp_path / "out", "cvat")
    assert after.names == before.names
    assert {name: task.schema for name, task in after.tasks.items()} == {
        name: task.schema for name, task in before.tasks.items()
    }
    np.testing.assert_array_equal(mask_of(after, CITY), TRAIN_IDS)


def test_a_dataset_without_a_background_keeps_its_classes(tmp_path: Path) -> None:
    """Without the manifest, black is read as background, which these classes do not have."""
    samples = voc_dataset(["road", "sky"], {"a": np.array([[0, 1, 255]], np.uint8)})
    again = opened(voc_written(tmp_path, replace(samples)), "cvat")
    assert again.tasks["segmentation"].schema["classes"] == ["background", "road", "sky"]
    assert mask_of(again, "a").tolist() == [[1, 2, 255]]
