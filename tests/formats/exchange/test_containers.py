"""Parquet files and tar shards: loaded by their own libraries, written by other people, and damaged."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import HandsOffError, InputError
from handsoff.datasets.sources import open_source
from handsoff.formats.containers import full_name, split_in, split_of
from handsoff.formats.convert import convert
from handsoff.formats.exchange import READERS, WRITERS
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.formats.settings import ConvertSettings
from handsoff.tasks import make_task

CLASSES = ["background", "skin", "hair"]
TASKS = {
    "segmentation": make_task("segmentation", {"classes": CLASSES}),
    "keypoints": make_task("keypoints", {"names": ["nose", "chin"], "mirror": None}),
    "depth": make_task("depth", {"unit": "metres"}),
    "normals": make_task("normals", {}),
}
NAMES = ("train/a b", "train/c.d%2E", "val/e", "val/日本")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 3, 3), dtype=np.uint8)
MASK = np.array([[0, 1, 2], [1, 1, 1], [0, 255, 2], [0, 0, 0]], np.uint8)
LABELS = {
    "segmentation": MASK,
    "keypoints": np.array([[0.5, 1.25, 2], [2, 3, 1]], np.float32),
    "depth": np.where(MASK == 0, 0, RNG.uniform(0.1, 99, (4, 3))).astype(np.float32),
    "normals": RNG.integers(1, 256, (4, 3, 3), dtype=np.uint8),
}


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


PHOTO = encoded(PIXELS, "JPEG")


def written(out: Path, kind: str, names: tuple[str, ...] = NAMES, *, data: bytes = PHOTO, parts: int = 2) -> Path:
    samples = [LabelledImage(name, PIXELS, LABELS, f"images/{name}.jpg", data) for name in names]
    writing = Writing(TASKS, names, licence="CC0")
    entries = [
        entry for part in range(parts) for entry in WRITERS[kind].write(out, part, iter(samples[part::parts]), writing)
    ]
    WRITERS[kind].finish(out, entries, writing)
    return out


def opened(path: Path, kind: str) -> Dataset:
    source = open_source(path)
    assert READERS[kind].recognises(source)
    return READERS[kind].read(source)


def refused(path: Path, kind: str, sentence: str, name: str | None = None) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        opened(path, kind).read(name or "")
    assert "\n" not in str(caught.value)


def output_of(program: str, folder: Path, *arguments: str, **env: str) -> Any:
    """The output of a program about a folder, in a process of its own: libraries may leave files open and caches."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


BOTH = pytest.mark.parametrize("kind", ["huggingface", "webdataset"])


# --- both


@BOTH
def test_a_photo_is_kept_as_it_is_and_read_from_a_zip_too(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path / "dataset", kind)
    with zipfile.ZipFile(tmp_path / "dataset.zip", "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"faces/{file.relative_to(folder)}")
    for path in (folder, tmp_path / "dataset.zip"):
        samples = opened(path, kind)
        assert samples.names == NAMES
        assert {name: task.schema for name, task in samples.tasks.items()} == {
            name: task.schema for name, task in TASKS.items()
        }
        for name in NAMES:
            sample = samples.read(name)
            assert sample.data == PHOTO
            assert sample.file == f"{name}.jpg"
            for task, label in LABELS.items():
                np.testing.assert_array_equal(sample.labels[task], label)


@BOTH
def test_each_split_has_shards_of_its_own(tmp_path: Path, kind: str) -> None:
    suffix = {"huggingface": "parquet", "webdataset": "tar"}[kind]
    files = {file.name for file in written(tmp_path / "splits", kind).rglob(f"*.{suffix}")}
    assert files == {f"{split}-0000{part}.{suffix}" for split in ("train", "val") for part in (0, 1)}
    none = {file.name for file in written(tmp_path / "none", kind, ("a", "b")).rglob(f"*.{suffix}")}
    assert none == {f"{'train' if kind == 'huggingface' else 'shard'}-0000{part}.{suffix}" for part in (0, 1)}


@BOTH
def test_folders_that_share_a_word_share_a_shard_and_keep_their_names(tmp_path: Path, kind: str) -> None:
    names = ("a b/1", "a-b/2", "a-b/3", "a_b/4", "·/5", "6")
    assert opened(written(tmp_path, kind, tuple(sorted(names)), parts=1), kind).names == tuple(sorted(names))


@BOTH
def test_a_part_without_samples_and_one_written_again_leave_nothing_behind(tmp_path: Path, kind: str) -> None:
    written(tmp_path, kind)
    before = sorted(tmp_path.rglob("*"))
    assert WRITERS[kind].write(tmp_path, 7, iter(()), Writing(TASKS, NAMES)) == []
    written(tmp_path, kind)
    assert sorted(tmp_path.rglob("*")) == before
    assert opened(tmp_path, kind).names == NAMES


@BOTH
def test_more_samples_than_a_row_group(tmp_path: Path, kind: str) -> None:
    names = tuple(f"{number:03d}" for number in range(40))
    samples = opened(written(tmp_path, kind, names), kind)
    assert samples.names == names
    assert all(samples.read(name).name == name for name in reversed(names))


@BOTH
def test_classes_without_names_are_asked_for(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path, kind)
    (folder / "classes.json").unlink()
    refused(folder, kind, "classes.json is missing: write a JSON list of class names")
    for table, sentence in {
        "[]": "id2label.json is not a table of the ids 0 to 255 and their names",
        "{}": "is not a table",
        '{"a": "b"}': "is not a table",
        '{"256": "b"}': "is not a table",
        '{"-1": "b"}': "is not a table",
        '{"0": 7}': "id2label.json is not a list of names",
        '{"0": "a", "1": "a"}': "names 'a' twice",
        "{": "id2label.json is not valid JSON",
    }.items():
        (folder / "id2label.json").write_text(table)
        refused(folder, kind, sentence)
    (folder / "id2label.json").write_text('{"2": "hair", "0": "background", "255": "void"}')
    assert opened(folder, kind).tasks["segmentation"].schema["classes"] == ["background", "class 1", "hair"]


@BOTH
def test_cards_of_several_folders_must_say_the_same(tmp_path: Path, kind: str) -> None:
    written(tmp_path / "one", kind, ("train/a",))
    two = written(tmp_path / "two", kind, ("val/b",))
    assert opened(tmp_path, kind).names == ("train/a", "val/b")
    for card, content in {
        "classes.json": ["background", "hair", "skin"],
        "points.json": {"names": ["chin", "nose"], "mirror": None},
        "depth.json": {"unit": "feet"},
    }.items():
        before = (two / card).read_text()
        (two / card).write_text(json.dumps(content))
        refused(tmp_path, kind, rf"one/{card} and .*two/{card} say different things: make them the same, or give one")
        (two / card).write_text(before)
    (two / "classes.json").unlink()
    (two / "id2label.json").write_text(json.dumps(dict(enumerate(CLASSES))))
    assert opened(tmp_path, kind).names == ("train/a", "val/b")
    (two / "id2label.json").write_text('{"0": "background", "1": "hair", "2": "skin"}')
    refused(
        tmp_path, kind, r"(one/classes|two/id2label).json and .*(two/id2label|one/classes).json say different things"
    )
    (two / "classes.json").write_text(json.dumps(CLASSES))
    assert opened(tmp_path, kind).names == ("train/a", "val/b"), "of the two in a folder, HandsOff's own counts"


@BOTH
def test_what_the_labels_cannot_be_is_said_with_the_name_of_shard_and_sample(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path, kind)
    (folder / "classes.json").write_text('["background", "skin"]')
    refused(
        folder,
        kind,
        r"train-00000\.(parquet|tar): train/a b.* holds the id 2, but classes.json names only 0 to 1",
        "train/a b",
    )


@pytest.mark.parametrize(("name", "file", "full"), [
    ("a", "train-00000.tar", "train/a"), ("train/a", "train-00000.tar", "train/a"),
    ("tr ain/a", "tr_ain-0000.tar", "tr ain/a"), ("a", "shard-00000.tar", "a"),
    ("a", "data/val-00000-of-00002.tar", "val/a"), ("x/a", "data/val-00000-of-00002.tar", "val/x/a"),
    ("a", "000012.tar", "a"), ("a", "test/000012.tar", "test/a"),
])  # fmt: skip
def test_the_split_of_a_shard_comes_before_the_name_unless_it_is_there(name: str, file: str, full: str) -> None:
    assert full_name(name, file, "shard") == full


@pytest.mark.parametrize(("stem", "split"), [
    ("train2017-00000", "train2017"), ("20240101-00000", "20240101"), ("2024_05_01-00000", "2024_05_01"),
    ("train-00000-of-00002", "train"), ("train-00000-of-00001-abc1f", "train"), ("train-0001", "train"),
    ("train2017-00000-of-00004", "train2017"), ("00000", "there"), ("part-00000-uuid-c000.snappy", "part"),
    ("train", "train"), ("train2017", "train"), ("voc2012_train", "voc2012_train"), ("2012_val", "2012_val"),
    ("voc2012_train-0001", "voc2012_train"), ("cc3m-train-0000", "cc3m_train"), ("train-000", "train"),
    ("train_1", "train"), ("train000", "train"), ("train.00", "train"), ("train_1_of_2", "train"), ("7", "there"),
    ("fold1", "fold1"), ("2024-05-01_train", "2024_05_01_train"), ("train_000012_x", "train_000012_x"),
])  # fmt: skip
def test_the_split_is_what_stands_before_the_number_of_the_shard(stem: str, split: str) -> None:
    assert split_in(f"there/{stem}.parquet", "shard") == split


def test_shards_of_one_split_are_one_split(tmp_path: Path) -> None:
    made = written(tmp_path / "made", "webdataset", ("shard/a", "shard/b"), parts=2)
    for number, file in enumerate(sorted(made.glob("*.tar"))):
        file.rename(made / f"voc2012_train-{number:03d}.tar")
    assert opened(made, "webdataset").names == ("voc2012_train/shard/a", "voc2012_train/shard/b")


@BOTH
def test_names_with_digits_come_back(tmp_path: Path, kind: str) -> None:
    names = ("2024/b", "20240101/a", "2024_05_01/x/2017", "train2017/000000000001", "val2017/1")
    assert opened(written(tmp_path, kind, names), kind).names == names


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a//b", "a/", ".a", "a/.b", "a\\b", "a\nb", "a\0", "\udcff", "__MACOSX/a"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"x.tar has a sample called .*, which no file can be called"):
        full_name(name, "x.tar", "shard")
    for kind in ("huggingface", "webdataset"):
        with pytest.raises(InputError, match=r"The sample .* cannot be written to .*: rename its image\.$"):
            WRITERS[kind].check(["fine", name], TASKS)


@BOTH
def test_a_name_that_would_not_come_back_is_refused_before_anything_is_written(tmp_path: Path, kind: str) -> None:
    for place in ("images", "masks"):
        (tmp_path / "in" / place).mkdir(parents=True)
        for name in ("a", "b\tc"):
            Image.fromarray(PIXELS if place == "images" else MASK).save(tmp_path / "in" / place / f"{name}.png")
    (tmp_path / "in" / "classes.json").write_text(json.dumps(CLASSES))
    with pytest.raises(InputError, match=r"The sample 'b\\tc' cannot be written"):
        for _ in convert(tmp_path / "in", tmp_path / "out", ConvertSettings(format=kind)):
            pass
    assert not (tmp_path / "out").exists()


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"), min_size=1, max_size=12))
def test_splits_are_words(name: str) -> None:
    split = split_of(name, "shard")
    assert split_in(f"data/{split}-00012.tar", "shard") == split


PATHS = st.text("ab.%2E _é/", min_size=1, max_size=8).filter(
    lambda name: all(part and part[0] != "." for part in name.split("/"))
)


@given(st.lists(PATHS, min_size=1, max_size=4, unique=True), st.sampled_from(["huggingface", "webdataset"]))
@settings(max_examples=30, deadline=None)
def test_any_names_come_back(names: list[str], kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert opened(written(Path(folder), kind, tuple(sorted(names))), kind).names == tuple(sorted(names))


# --- Parquet


def parquet(file: Path, columns: dict[str, Any], classes: list[str] | None = CLASSES, **options: Any) -> Path:
    """Write Parquet files as other people do; returns the folder."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file, **options)
    if classes:
        (file.parents[0] / "classes.json").write_text(json.dumps(classes))
    return file.parent


def cells(data: bytes, count: int = 1) -> list[dict[str, Any]]:
    return [{"bytes": data, "path": None}] * count


LOADING = """
import os, sys, json
import numpy as np
from datasets import load_dataset
sets = load_dataset(sys.argv[1])
row = sets["train"][0]
plain = load_dataset("parquet", data_files=sys.argv[1] + "/data/*.parquet", split="train")
# To its end: pyarrow may abort with a stream half read (arrow issue 45214), and even so its threads may at exit.
stream = list(load_dataset(sys.argv[1], split="val", streaming=True))[0]
print(json.dumps({
    "splits": {name: list(part["name"]) for name, part in sets.items()},
    "features": {name: type(feature).__name__ for name, feature in sets["train"].features.items()},
    "modes": {name: row[name].mode for name in ("image", "mask", "depth", "normals")},
    "values": {name: np.array(row[name]).tolist() for name in ("image", "mask", "depth", "normals", "keypoints")},
    "plain": [len(plain), plain[0]["mask"].mode], "stream": [stream["name"], stream["image"].mode],
}), flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_the_library_datasets_loads_splits_images_and_exact_labels(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = written(tmp_path / "dataset", "huggingface", data=b"")
    found = output_of(
        LOADING, folder, HF_HUB_OFFLINE="1", HF_DATASETS_CACHE=str(tmp_path / "cache"), HF_HOME=str(tmp_path / "home")
    )
    assert found["splits"] == {"train": list(NAMES[:2]), "val": list(NAMES[2:])}
    assert found["features"]["image"] == found["features"]["mask"] == found["features"]["depth"] == "Image"
    assert found["modes"] == {"image": "RGB", "mask": "L", "depth": "F", "normals": "RGB"}
    for column, label in {
        "image": PIXELS,
        "mask": MASK,
        **{task: LABELS[task] for task in ("depth", "normals", "keypoints")},
    }.items():
        np.testing.assert_array_equal(np.array(found["values"][column], label.dtype), label)
    assert found["plain"] == [4, "L"]
    assert found["stream"] == ["val/e", "RGB"]


PROCESSING = """
import sys, json
import numpy as np
from datasets import load_dataset
from transformers import Mask2FormerImageProcessorPil, SegformerImageProcessorPil
row = load_dataset(sys.argv[1], split="train")[0]
given = {"images": [row["image"]], "segmentation_maps": [row["mask"]], "return_tensors": "pt"}
semantic = SegformerImageProcessorPil(do_resize=False)(**given)["labels"][0]
parts = Mask2FormerImageProcessorPil(do_resize=False, ignore_index=255)(**given)
whole = np.full(semantic.shape, 255)
for label, mask in zip(parts["class_labels"][0], parts["mask_labels"][0].numpy()):
    whole[mask[:whole.shape[0], :whole.shape[1]] > 0] = label
print(json.dumps([semantic.tolist(), whole.tolist()]))
"""


@pytest.mark.slow
def test_the_image_processors_of_transformers_keep_the_ids(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("transformers")
    places = {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "home")}
    for found in output_of(PROCESSING, written(tmp_path / "dataset", "huggingface"), HF_HUB_OFFLINE="1", **places):
        np.testing.assert_array_equal(found, MASK)


def test_the_readme_says_splits_and_licence(tmp_path: Path) -> None:
    text = (written(tmp_path, "huggingface") / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "cc0-1.0"
    assert {"split": "val", "path": "data/val-*.parquet"} in head["configs"][0]["data_files"]
    assert "- 2: hair\n" in text


@pytest.mark.parametrize("column", ["mask", "annotation", "label", "segmentation_mask"])
def test_masks_of_other_people_are_found_and_numbered_within_their_split(tmp_path: Path, column: str) -> None:
    for file, count in {"train-00000-of-00002": 2, "train-00001-of-00002": 1, "validation-00000-of-00001": 1}.items():
        columns = {"image": cells(PHOTO, count), column: cells(encoded(MASK), count), "label_text": ["x"] * count}
        parquet(tmp_path / "data" / f"{file}.parquet", columns)
    samples = opened(tmp_path, "huggingface")
    assert samples.names == ("train/000000", "train/000001", "train/000002", "validation/000000")
    assert list(samples.tasks) == ["segmentation"]
    np.testing.assert_array_equal(samples.read("train/000002").labels["segmentation"], MASK)


def test_names_that_do_not_tell_samples_apart_are_not_used(tmp_path: Path) -> None:
    columns = {"image": cells(PHOTO, 2), "mask": cells(encoded(MASK), 2)}
    assert opened(parquet(tmp_path / "one" / "x.parquet", {**columns, "name": ["a", "a"]}), "huggingface").names == (
        "x/000000",
        "x/000001",
    )
    assert opened(
        parquet(tmp_path / "two" / "train-0000.parquet", {**columns, "name": ["b", "a"]}), "huggingface"
    ).names == ("a", "b")
    refused(
        parquet(tmp_path / "three" / "x.parquet", {**columns, "name": ["../../a", "a"]}),
        "huggingface",
        r"sample called '../../a'",
    )


def test_images_as_plain_bytes_and_files_without_images(tmp_path: Path) -> None:
    parquet(tmp_path / "meta.parquet", {"rows": [1, 2]})
    folder = parquet(
        tmp_path / "x.parquet",
        {"image": [encoded(PIXELS)], "mask": [encoded(MASK)], "depth": [encoded(np.ones((4, 3), np.uint16))]},
    )
    sample = opened(folder, "huggingface").read("x/000000")
    assert sample.data == encoded(PIXELS)
    assert sample.file == "x/000000.png"
    assert (sample.labels["depth"] == 1).all()


ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "no bytes": (
        {"image": [{"bytes": None, "path": "/x/a.png"}, *cells(PHOTO)], "mask": cells(encoded(MASK), 2)},
        r"x.parquet: x/000000, column image, holds no bytes, at most the path of a file elsewhere",
    ),
    "no cell": (
        {"image": cells(PHOTO, 2), "mask": [None, *cells(encoded(MASK))]},
        r"x.parquet: x/000000, column mask, holds no bytes",
    ),
    "empty mask": ({"image": cells(PHOTO), "mask": cells(b"")}, r"x.parquet: x/000000, column mask, holds no bytes"),
    "text as image": (
        {"image": cells(b"text"), "mask": cells(encoded(MASK))},
        r"column image, is not a readable image",
    ),
    "coloured mask": (
        {"image": cells(PHOTO), "mask": cells(encoded(PIXELS))},
        r"column mask, has mode RGB: a mask must be",
    ),
    "mask of another size": (
        {"image": cells(PHOTO), "mask": cells(encoded(MASK.T.copy()))},
        r"column mask, is 3x4 pixels, its image 4x3",
    ),
    "class as label": ({"image": cells(PHOTO), "label": [3]}, r"has Parquet files, but no images with labels in them"),
    "no image": ({"mask": cells(encoded(MASK))}, r"has Parquet files, but no images with labels"),
    "no rows": (
        {"image": cells(PHOTO)[:0], "mask": cells(encoded(MASK))[:0]},
        r"has Parquet files, but no images with labels",
    ),
    "no points": ({"image": cells(PHOTO), "keypoints": [[[]]]}, r"keypoints.* is not a list of \[x, y\]"),
    "points of nothing": (
        {"image": cells(PHOTO), "keypoints": [[[None, 1.0]]]},
        r"column keypoints, is not a list of \[x, y\]",
    ),
    "points outside": (
        {"image": cells(PHOTO), "keypoints": [[[99.0, 1.0, 2.0]]]},
        r"column keypoints,: point 0 at 99, 1 lies outside",
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_what_is_wrong_with_a_row_is_said(case: str, tmp_path: Path) -> None:
    columns, sentence = ROWS[case]
    refused(parquet(tmp_path / "x.parquet", columns), "huggingface", sentence, "x/000000")


def test_every_file_with_labels_must_have_those_that_others_have(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", {"image": cells(PHOTO), "mask": cells(encoded(MASK))})
    parquet(tmp_path / "b.parquet", {"image": cells(PHOTO), "my_mask": cells(encoded(MASK))})
    refused(
        tmp_path,
        "huggingface",
        r"b.parquet has no labels for segmentation, as others have: add the column mask or remove it",
    )


def test_files_without_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    labelled = {"image": cells(PHOTO, 2), "mask": cells(encoded(MASK), 2)}
    parquet(tmp_path / "train-00000-of-00001.parquet", labelled)
    test = {"image": cells(PHOTO, 3), "name": ["a", "b", "c"], "id": [1, 2, 3], "label": [0, 0, 0]}
    parquet(tmp_path / "test-00000-of-00001.parquet", test)
    samples = opened(tmp_path, "huggingface")
    assert samples.names == ("train/000000", "train/000001")
    first = "the first is test-00000-of-00001.parquet"
    left_out = f"{tmp_path}: 3 images are in Parquet files without labels, and left out ({first})."
    assert samples.notes == (left_out,)


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path, "huggingface")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert READERS["huggingface"].recognises(open_source(folder)), "it needs no package"
    for attempt in (lambda: opened(folder, "huggingface"), lambda: written(folder, "huggingface")):
        with pytest.raises(HandsOffError, match=r"install it with pip install 'handsoff-labels\[parquet\]'"):
            attempt()


def damaged(whole: bytes, data: st.DataObject) -> bytes:
    spoilt = bytearray(whole)
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)
    ):
        spoilt[position] = value
    return bytes(spoilt[: data.draw(st.none() | st.integers(0, len(whole)))])


@BOTH
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_shards_are_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    made = tmp_path_factory.getbasetemp() / f"whole_{kind}"
    if not made.exists():
        written(made, kind, ("a", "b"), parts=1)
    shard = next(file for file in made.rglob("*") if file.suffix in {".tar", ".parquet"})
    whole = shard.read_bytes()
    try:
        shard.write_bytes(damaged(whole, data))
        with suppress(InputError):
            samples = opened(made, kind)
            for name in samples.names:
                assert samples.read(name).image.shape[2] == 3
    finally:
        shard.write_bytes(whole)


# --- tar


def tar(file: Path, members: dict[str, bytes], **kind: Any) -> Path:
    """Write a tar shard as other people do; returns the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", **kind) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    (file.parent / "classes.json").write_text(json.dumps(CLASSES))
    return file.parent


DECODERS = [  # of pictures, all that the library has; None leaves them as they are
    *("l8", "rgb8", "rgba8", "l", "rgb", "rgba", "torchl8", "torchrgb8", "torchrgba8", "torchl", "torchrgb"),
    *("torchrgba", "pill", "pil", "pilrgb", "pilrgba", None),
]
GROUPING = """
import sys, json
from pathlib import Path
import numpy as np
from webdataset import WebDataset
shards = sorted(map(str, Path(sys.argv[1]).glob("*.tar")))
rows = list(WebDataset(shards, shardshuffle=False))
decoders = json.loads(sys.argv[2])
first = [next(iter(WebDataset(shards[0], shardshuffle=False).decode(*filter(None, [how])))) for how in decoders]
print(json.dumps({
    "keys": [row["__key__"] for row in rows],
    "files": [sorted(name for name in row if not name.startswith("__")) for row in rows],
    "photo": rows[0]["jpg"].hex(),
    "masks": [row["mask.npy"].tolist() for row in first],
    "depths": [row["depth.npz"]["depth"].tolist() for row in first],
    "keypoints": [row["keypoints.json"] for row in first],
    "normals": first[decoders.index("rgb8")]["normals.png"].tolist(),
}))
"""


@pytest.mark.slow
def test_the_library_webdataset_groups_the_samples_and_every_decoder_keeps_the_labels(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    found = output_of(GROUPING, written(tmp_path, "webdataset", parts=1), json.dumps(DECODERS))
    assert found["keys"] == ["train/a b", "train/c%2Ed%252E", "val/e", "val/日本"]
    assert found["files"] == [["depth.npz", "jpg", "keypoints.json", "mask.npy", "normals.png"]] * 4
    assert bytes.fromhex(found["photo"]) == PHOTO
    np.testing.assert_array_equal(found["normals"], LABELS["normals"])
    for task, decoded in (("segmentation", "masks"), ("keypoints", "keypoints"), ("depth", "depths")):
        assert len(found[decoded]) == len(DECODERS)
        for label in found[decoded]:
            np.testing.assert_array_equal(np.array(label, np.float32), LABELS[task])


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mask", ["mask.png", "seg.png", "SEG.PNG", "label.png", "png"])
def test_shards_of_other_people_are_read(tmp_path: Path, form: int, mask: str) -> None:
    members = {
        "./0001.jpg": PHOTO,
        f"./0001.{mask}": encoded(MASK),
        "./0001.json": b"{}",
        "./0001.cls": b"3",
        "README": b"",
        "./0002.txt": b"",
    }
    samples = opened(tar(tmp_path / "train-000000.tar", members, format=form), "webdataset")
    assert samples.names == ("train/0001",)
    np.testing.assert_array_equal(samples.read("train/0001").labels["segmentation"], MASK)


def test_masks_and_depth_may_be_arrays(tmp_path: Path) -> None:
    mask, depth = io.BytesIO(), io.BytesIO()
    np.save(mask, MASK)
    np.save(depth, LABELS["depth"])
    folder = tar(
        tmp_path / "0000.tar",
        {"a.png": encoded(PIXELS), "a.mask.npy": mask.getvalue(), "a.depth.npy": depth.getvalue()},
    )
    name = opened(folder, "webdataset").names[0]
    labels = opened(folder, "webdataset").read(name).labels
    np.testing.assert_array_equal(labels["segmentation"], MASK)
    np.testing.assert_array_equal(labels["depth"], LABELS["depth"])


SHARDS: dict[str, tuple[dict[str, bytes], str]] = {
    "no labels": (
        {"a.jpg": PHOTO},
        r"has tar shards, but no image with a label in them: call them KEY.jpg and KEY.mask.npy",
    ),
    "no images": ({"a.mask.png": encoded(MASK)}, r"no image with a label"),
    "a gap": (
        {"a.jpg": PHOTO, "a.mask.png": encoded(MASK), "b.jpg": PHOTO},
        r"x.tar: x/b has no label for segmentation, as others have: add mask.png",
    ),
    "a key twice": ({"a.jpg": PHOTO, "./a.jpg": PHOTO}, r"a.jpg is in the shards twice"),
    "a name that leads out": (
        {"../a.jpg": PHOTO, "../a.mask.png": encoded(MASK)},
        r"x.tar has a sample called '../a', which no file can be called",
    ),
    "an absolute name": ({"/a.jpg": PHOTO}, r"x.tar has a sample called '/a'"),
    "points that are no JSON": (
        {"a.jpg": PHOTO, "a.keypoints.json": b"[[1,"},
        r"x.tar: x/a is not valid JSON",
    ),
    "points that are none": ({"a.jpg": PHOTO, "a.keypoints.json": b"{}"}, r"x.tar: x/a is not a list of \[x, y\]"),
    "deep points": (
        {"a.jpg": PHOTO, "a.keypoints.json": b"[" * 100000},
        r"x.tar: x/a is not valid JSON",
    ),
    "text as image": ({"a.jpg": b"text", "a.mask.png": encoded(MASK)}, r"x.tar: x/a is not a readable image"),
    "another size": (
        {"a.jpg": PHOTO, "a.mask.png": encoded(MASK.T.copy())},
        r"x.tar: x/a \(segmentation\) is 3x4 pixels, its image 4x3",
    ),
}


@pytest.mark.parametrize("case", SHARDS)
def test_what_is_wrong_with_a_shard_is_said(case: str, tmp_path: Path) -> None:
    members, sentence = SHARDS[case]
    refused(tar(tmp_path / "x.tar", members), "webdataset", sentence, "x/a")


def test_a_shard_that_is_cut_off_is_not_read_as_a_shorter_one(tmp_path: Path) -> None:
    folder = tar(
        tmp_path / "x.tar",
        {f"{name}.{kind}": PHOTO if kind == "jpg" else encoded(MASK) for name in "abc" for kind in ("jpg", "mask.png")},
    )
    whole = (folder / "x.tar").read_bytes()
    with tarfile.open(folder / "x.tar") as archive:
        end = archive.getmembers()[-1].offset
    for stop in (0, 100, 512, end - 700, end, end + 100, end + 512, end + 515):
        (folder / "x.tar").write_bytes(whole[:stop])
        refused(folder, "webdataset", r"x.tar is not a whole tar archive")
    (folder / "x.tar").write_bytes(whole[:end] + b"\x01" + whole[end + 1 :])
    refused(folder, "webdataset", r"x.tar is not a whole tar archive")


def test_links_and_absurd_sizes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(MASK))
    folder = tmp_path / "dataset"
    tar(folder / "x.tar", {"a.jpg": PHOTO})
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        with tarfile.open(folder / "x.tar", "w") as archive:
            link = tarfile.TarInfo("a.mask.png")
            link.type, link.linkname = kind, str(tmp_path / "secret.png")
            archive.addfile(link)
            photo = tarfile.TarInfo("a.jpg")
            photo.size = len(PHOTO)
            archive.addfile(photo, io.BytesIO(PHOTO))
        refused(folder, "webdataset", "no image with a label")
    huge = tarfile.TarInfo("a.jpg")
    huge.size = 2**60
    (folder / "x.tar").write_bytes(huge.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(
        folder, "webdataset", r"x.tar is not a whole tar archive \('a.jpg' declares 1,152,921,504,606,846,976 bytes\)"
    )
