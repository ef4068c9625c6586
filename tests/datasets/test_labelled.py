"""The folder format of labelled data: what is written is read back, and what is wrong is named."""

import json
import math
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.images import crop_box
from handsoff.datasets.labelled import list_labelled, open_labelled, open_like
from handsoff.datasets.layout import GapError
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.sources import image_names, open_source
from toy import SHARED, write_classes, write_mask

FACES = SHARED / "data" / "faces" / "labelled.zip"
FACE_CLASSES = {
    "background,neck,cloth,hat,earring,necklace": "background",
    "skin": "skin",
    "nose": "nose",
    "glasses,left_eye,right_eye": "eye",
    "left_brow,right_brow": "brow",
    "left_ear,right_ear": "ear",
    "mouth,upper_lip,lower_lip": "mouth",
    "hair": "hair",
}

Sample = tuple[np.ndarray, np.ndarray]


def sample(seed: int, size: tuple[int, int] = (6, 5), classes: int = 3) -> Sample:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.integers(0, classes, size, dtype=np.uint8)


def classes_of(labelled: LabelledDataset) -> list[str]:
    classes: list[str] = labelled.tasks["segmentation"].schema["classes"]
    return classes


def open_merged(path: Path, merge: Any) -> LabelledDataset:
    return open_labelled(path, {"segmentation": {"merge": merge}})


def make(folder: Path, samples: dict[str, Sample], classes: list[str]) -> Path:
    for name, (image, mask) in samples.items():
        write_mask(folder, name, image, mask)
    write_classes(folder, classes)
    return folder


def zipped(folder: Path, archive: Path, prefix: str) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, f"{prefix}{path.relative_to(folder).as_posix()}")
    return archive


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return make(
        tmp_path / "three",
        {name: sample(seed) for seed, name in enumerate(["a", "b", "c"])},
        ["ground", "left", "right"],
    )


# --- round trip -------------------------------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(categories=("L", "N", "Zs"), include_characters="-_.,'()+&%#"), min_size=1, max_size=20
).filter(lambda name: not name.startswith((".", "__MACOSX")))


@st.composite
def labelled_sets(draw: st.DrawFn) -> tuple[dict[str, Sample], list[str]]:
    classes = draw(st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=255, unique=True))
    ids = st.one_of(st.integers(0, len(classes) - 1), st.just(255))
    samples = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.casefold)):
        height, width = draw(st.integers(1, 17)), draw(st.integers(1, 17))
        samples[name] = (
            draw(hnp.arrays(np.uint8, (height, width, 3))),
            draw(hnp.arrays(np.uint8, (height, width), elements=ids)),
        )
    return samples, classes


def check_same(labelled: LabelledDataset, samples: dict[str, Sample], classes: list[str]) -> None:
    assert labelled.names == tuple(sorted(samples))
    assert classes_of(labelled) == classes
    for name, (image, mask) in samples.items():
        assert np.array_equal(labelled.image(name), image)
        assert np.array_equal(labelled.label("segmentation", name), mask)


@settings(max_examples=40, deadline=None)
@given(labelled_sets(), st.sampled_from(["", "faces/", "a b ü/"]))
def test_what_is_written_is_read_back_from_wherever_it_was_moved(
    data: tuple[dict[str, Sample], list[str]], prefix: str
) -> None:
    with tempfile.TemporaryDirectory() as made:
        before = make(Path(made, "first"), *data)
        fingerprint = list_labelled(open_source(before)).describe()["fingerprint"]
        Path(made, "elsewhere").mkdir()
        after = Path(shutil.move(before, Path(made, "elsewhere", "second")))
        for path in (after, zipped(after, Path(made, "set.zip"), prefix)):
            labelled = list_labelled(open_source(path))
            check_same(labelled, *data)
            assert labelled.describe() == {"path": str(path), "fingerprint": fingerprint}


def test_images_may_be_jpg_or_webp_and_lie_in_subfolders(three: Path) -> None:
    image, mask = sample(7)
    for name, kind in (("d.JPG", "JPEG"), ("e.webp", "WEBP"), ("more/f.jpeg", "JPEG")):
        (three / "images" / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(three / "images" / name, kind)
    for name in ("d", "e", "more/f"):
        (three / "masks" / f"{name}.png").parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(three / "masks" / f"{name}.png")
    labelled = open_labelled(three)
    assert labelled.names == ("a", "b", "c", "d", "e", "more/f")
    assert labelled.image("more/f").shape == image.shape
    assert np.array_equal(labelled.label("segmentation", "e"), mask)


def test_other_files_of_the_layout_are_left_alone(three: Path) -> None:
    before = open_labelled(three).describe()
    (three / "keypoints.json").write_text("{}")
    (three / "images" / ".DS_Store").write_bytes(b"")
    (three / "images" / "Thumbs.db").write_bytes(b"")
    assert open_labelled(three).names == ("a", "b", "c")
    assert open_labelled(three).describe() == before


def test_a_kind_of_label_with_gaps_is_refused_unless_another_is_asked_for(three: Path) -> None:
    """Silently measuring keypoints because one mask is missing would be the worst answer."""
    before = open_labelled(three).describe()
    (three / "depth").mkdir()
    (three / "depth" / "a.npz").write_bytes(b"")
    with pytest.raises(GapError, match=r"has no label in depth .*, or set the task to segmentation"):
        open_labelled(three)
    assert open_labelled(three, tasks=["segmentation"]).describe() == before


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palette_and_one_bit_masks_hold_ids(three: Path, mode: str) -> None:
    ids = (sample(0)[1] > 0).astype(np.uint8)
    mask = Image.fromarray(ids.astype(bool)) if mode == "1" else Image.fromarray(ids)
    if mode == "P":
        mask.putpalette([255, 0, 0, 0, 0, 255])
    assert mask.mode == mode
    mask.save(three / "masks" / "a.png", bits=1)
    assert np.array_equal(open_labelled(three).label("segmentation", "a"), ids)


def test_a_failed_write_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(HandsOffError, match=r"Could not write .*a.png"):
        write_mask(tmp_path, "a", *sample(0))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.png", "masks"]


# --- fingerprint and parts --------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_chosen_content(three: Path, tmp_path: Path) -> None:
    whole = open_labelled(three)
    merge = {"ground": "ground", "left,right": "side"}
    other_merge = {"ground,left": "ground", "right": "side"}
    variants = [
        whole,
        whole.part(0, 2),
        whole.part(1, None),
        open_merged(three, merge),
        open_merged(three, other_merge),
    ]
    renamed = make(
        tmp_path / "renamed",
        {name: sample(seed) for seed, name in enumerate(["a", "b", "d"])},
        ["ground", "left", "right"],
    )
    reclassed = make(
        tmp_path / "reclassed",
        {name: sample(seed) for seed, name in enumerate(["a", "b", "c"])},
        ["ground", "left", "up"],
    )
    repainted = make(
        tmp_path / "repainted",
        {"a": sample(0), "b": sample(1), "c": (sample(2)[0], sample(3)[1])},
        ["ground", "left", "right"],
    )
    variants += [open_labelled(path) for path in (renamed, reclassed, repainted)]
    assert len({variant.describe()["fingerprint"] for variant in variants}) == len(variants)
    alone = make(
        tmp_path / "alone", {name: sample(seed) for seed, name in enumerate(["a", "b"])}, ["ground", "left", "right"]
    )
    assert open_labelled(alone).describe()["fingerprint"] == whole.part(0, 2).describe()["fingerprint"]
    assert open_labelled(repainted).part(0, 2).describe()["fingerprint"] == whole.part(0, 2).describe()["fingerprint"]


def test_a_part_is_a_slice_and_never_empty(three: Path) -> None:
    labelled = open_labelled(three)
    assert labelled.part(0, 2).names == ("a", "b")
    assert labelled.part(1, None).names == ("b", "c")
    assert labelled.part(0, 50).names == labelled.names
    assert labelled.part(1, None).load((4, 4))[1]["segmentation"].shape == (2, 4, 4)
    with pytest.raises(
        InputError, match=r"three has 3 labelled samples and none from number 3 on: choose others or add samples"
    ):
        labelled.part(3, None)
    with pytest.raises(InputError, match=r"three has 3 labelled samples and none from number 0 to before 0"):
        labelled.part(0, 0)


# --- fitting to a frame -----------------------------------------------------------------------------------------------


def blocks(size: tuple[int, int]) -> Sample:
    """An image whose grey value says the class of the mask: four quarters, 60 apart."""
    rows, columns = np.arange(size[0]) * 2 >= size[0], np.arange(size[1]) * 2 >= size[1]
    mask = (rows[:, None] * 2 + columns[None]).astype(np.uint8)
    return np.repeat((mask * 60)[..., None], 3, -1), mask


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(8, 70), st.integers(8, 70)), st.sampled_from([(16, 16), (24, 16), (8, 32)]))
def test_image_and_mask_stay_on_each_other(size: tuple[int, int], frame: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as made:
        labelled = open_labelled(make(Path(made), {"a": blocks(size)}, ["0", "1", "2", "3"]))
        images, labels = labelled.load(frame, enlarge=True)
        masks = labels["segmentation"]
        assert images.shape == (1, *frame, 3)
        assert masks.shape == (1, *frame)
        agree = np.abs(images[0, ..., 0].astype(int) - 60 * masks[0].astype(int)) < 31
        cut = crop_box(size, frame)
        far = np.ones(frame, bool)
        for axis, (start, stop) in enumerate([(cut[1], cut[3]), (cut[0], cut[2])]):
            scale = frame[axis] / (stop - start)
            edge = (
                math.ceil(size[axis] / 2) - start
            ) * scale  # of the quarters; it may lie outside of the frame and still be seen, blurred
            far &= np.expand_dims(
                np.abs(np.arange(frame[axis]) + 0.5 - edge) > 1 + scale, 1 - axis
            )  # Lanczos blurs about a pixel of the smaller grid
        assert agree[far].all()
        if size[0] < frame[0] or size[1] < frame[1]:
            with pytest.raises(InputError, match=r"a.png is .* pixels, smaller than the resolution"):
                labelled.load(frame)
        else:
            smaller = labelled.load(frame)
            assert np.array_equal(smaller[0], images)
            assert np.array_equal(smaller[1]["segmentation"], masks)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (5, 1)])
def test_even_a_pixel_can_be_enlarged(tmp_path: Path, size: tuple[int, int]) -> None:
    images, labels = open_labelled(make(tmp_path, {"a": blocks(size)}, ["0", "1", "2", "3"])).load(
        (32, 12), enlarge=True
    )
    assert images.shape == (1, 32, 12, 3)
    assert set(np.unique(labels["segmentation"])) <= set(np.unique(blocks(size)[1]))


# --- errors -----------------------------------------------------------------------------------------------------------


def replace_json(value: object) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / "classes.json").write_text(value if isinstance(value, str) else json.dumps(value)) and None
    )


def second_suffix(folder: Path) -> None:
    Image.fromarray(sample(0)[0]).save(folder / "images" / "a.jpg")


def two_sets(folder: Path) -> None:
    for name in ("train", "val"):
        for kind in ("images", "masks"):
            shutil.copytree(folder / kind, folder / name / kind)
    shutil.rmtree(folder / "images")
    shutil.rmtree(folder / "masks")


def two_cards(folder: Path) -> None:
    two_sets(folder)
    (folder / "train" / "classes.json").write_text('["ground", "sky"]')


def test_splits_side_by_side_are_one_pack(three: Path) -> None:
    folder = three
    whole = open_labelled(folder).load((4, 4))
    two_sets(folder)
    both = open_labelled(folder)
    assert both.names == ("train/a", "train/b", "train/c", "val/a", "val/b", "val/c")
    np.testing.assert_array_equal(both.part(0, 3).load((4, 4))[1]["segmentation"], whole[1]["segmentation"])
    assert image_names(open_source(folder)) == [
        f"{split}/images/{name}.png" for split in ("train", "val") for name in "abc"
    ]
    (folder / "val" / "masks" / "b.png").unlink()
    with pytest.raises(
        InputError, match=r"val/images/b.png has no label in masks: add val/masks/b.png or remove the image"
    ):
        open_labelled(folder)


def jpg_mask(folder: Path) -> None:
    Image.open(folder / "masks" / "b.png").save(folder / "masks" / "b.jpg")
    (folder / "masks" / "b.png").unlink()


OPENING = {
    "no images": (
        lambda folder: shutil.rmtree(folder / "images"),
        r"three has no images/ folder with PNG, JPEG, .* files: .*images/NAME",
    ),
    "no masks": (
        lambda folder: shutil.rmtree(folder / "masks"),
        r"three has images but no labels: add masks/NAME.png, or add keypoints.json, or add depth",
    ),
    "no layout": (
        lambda folder: (folder / "images").rename(folder / "photos") and shutil.rmtree(folder / "masks"),
        r"three has no images/ folder: rename photos/ to images/",
    ),
    "two cards": (
        two_cards,
        r"three/train/classes.json and .*three/classes.json say different things: make them the same, or use one split",
    ),
    "no classes": (
        lambda folder: (folder / "classes.json").unlink(),
        r"three/classes.json is missing: write a JSON list of class names",
    ),
    "broken classes": (replace_json("[1, "), r"three/classes.json is not valid JSON \(.*\): correct it"),
    "no list": (replace_json({"ground": 0}), r"three/classes.json is not a list of names: write a JSON list"),
    "numbers": (replace_json(["ground", 1]), r"three/classes.json is not a list of names"),
    "empty name": (replace_json(["ground", " "]), r"three/classes.json is not a list of names"),
    "none": (replace_json([]), r"three/classes.json has 0 names, and 8-bit masks allow 1 to 255"),
    "too many": (replace_json([str(k) for k in range(256)]), r"three/classes.json has 256 names"),
    "twice": (
        replace_json(["ground", "left", "left"]),
        r"three/classes.json names 'left' twice: give every class a name of its own",
    ),
    "no mask": (
        lambda folder: (folder / "masks" / "b.png").unlink(),
        r"three/images/b.png has no label in masks: add masks/b.png or remove the image",
    ),
    "no image": (
        lambda folder: (folder / "images" / "b.png").unlink(),
        r"three/masks/b.png has no image: add images/b.png .* or remove the label",
    ),
    "two without": (
        lambda folder: [(folder / "masks" / f"{name}.png").unlink() for name in "bc"],
        r"b.png has no label in masks \(like 1 more\)",
    ),
    "jpg mask": (jpg_mask, r"three/masks/b.jpg: labels are not read from .jpg files, which may change"),
    "same stem": (
        second_suffix,
        (
            r"three/images/a.png and .*three/images/a.jpg have the same name up to the suffix: rename or remove "
            r"one of them"
        ),
    ),
}


@pytest.mark.parametrize("case", OPENING)
def test_what_is_wrong_is_named_at_opening(three: Path, tmp_path: Path, case: str) -> None:
    spoil, sentence = OPENING[case]
    spoil(three)
    with pytest.raises(InputError, match=sentence):
        open_labelled(three)
    if case not in ("no layout", "two sets"):
        with pytest.raises(InputError) as caught:
            open_labelled(zipped(three, tmp_path / "three.zip", "deep/"))
        said = str(caught.value).replace(".zip", "").replace("deep/", "")
        assert re.search(sentence, said), said


def test_a_path_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_labelled(tmp_path / "nowhere")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_a_file_name_that_is_not_utf8_is_refused(three: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    try:
        write_mask(three, name, *sample(0))
    except HandsOffError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(
        InputError, match=r"three holds the file 'images/caf\\udce9.png', whose name is not valid UTF-8: rename it"
    ):
        open_labelled(three)


def spoilt_mask(array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: Image.fromarray(array).save(folder / "masks" / "b.png")


def truncated(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:50]) and None


READING = {
    "other size": (
        spoilt_mask(np.zeros((5, 6), np.uint8)),
        r"masks/b.png is 5x6 pixels, its image 6x5 \(upright\): make the mask as large",
    ),
    "id without class": (
        spoilt_mask(np.full((6, 5), 3, np.uint8)),
        r"masks/b.png holds the id 3, but classes.json names only 0 to 2 \(and 255 is ignored\)",
    ),
    "colours": (
        spoilt_mask(np.full((6, 5, 3), (0, 1, 0), np.uint8)),
        r"masks/b.png has mode RGB: a mask must be an 8-bit PNG",
    ),
    "16 bit": (
        spoilt_mask(np.full((6, 5), 65535, np.uint16)),
        r"masks/b.png holds the id 65535: write class ids from 0 to 254, and 255 for what is ignored",
    ),
    "broken mask": (truncated("masks/b.png"), r"masks/b.png is not a readable mask"),
    "broken image": (truncated("images/b.png"), r"images/b.png is not a readable image"),
    "gone": (
        lambda folder: (folder / "images" / "b.png").unlink(),
        r"images/b.png can no longer be read \(No such file",
    ),
}


@pytest.mark.parametrize("case", READING)
def test_what_is_wrong_is_named_at_reading(three: Path, case: str) -> None:
    spoil, sentence = READING[case]
    labelled = open_labelled(three)
    spoil(three)
    assert labelled.label("segmentation", "a").shape == (6, 5)
    for read in (lambda: labelled.sample("b"), lambda: labelled.load((4, 4))):
        with pytest.raises(HandsOffError if case == "gone" else InputError, match=sentence):
            read()


# --- merging ----------------------------------------------------------------------------------------------------------

SOURCES = ["ground", "left", "right", "up", "down", "in front"]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> LabelledDataset:
    mask = np.array([[*range(6), 255]], np.uint8)
    return open_labelled(make(tmp_path_factory.mktemp("six"), {"a": (np.zeros((1, 7, 3), np.uint8), mask)}, SOURCES))


@settings(max_examples=100, deadline=None)
@given(
    groups=st.lists(st.sampled_from([None, "x", "y", "z", "ground"]), min_size=6, max_size=6).filter(any),
    order=st.permutations(range(6)),
    joined=st.booleans(),
)
def test_merging_sends_every_class_where_the_table_says(
    six: LabelledDataset,
    groups: list[str | None],
    order: list[int],
    joined: bool,  # noqa: FBT001  # passed by name
) -> None:  # hypothesis passes it by name
    merge: dict[str, str] = {}
    if joined:
        for target in dict.fromkeys(groups[k] for k in order if groups[k]):
            merge[" , ".join(SOURCES[k] for k in order if groups[k] == target)] = str(target)
    else:
        merge = {SOURCES[k]: str(groups[k]) for k in order if groups[k]}
    result = open_merged(six.source.path, merge)
    assert classes_of(result) == list(dict.fromkeys(merge.values()))
    expected = [classes_of(result).index(group) if group else 255 for group in groups]
    assert result.label("segmentation", "a").tolist() == [[*expected, 255]]


def test_a_table_that_merges_nothing_changes_nothing(six: LabelledDataset) -> None:
    same = open_merged(six.source.path, {name: name for name in SOURCES})
    assert classes_of(same) == classes_of(six)
    assert np.array_equal(same.label("segmentation", "a"), six.label("segmentation", "a"))


@pytest.mark.parametrize(
    ("merge", "sentence"),
    [
        (
            {"ground,behind": "x"},
            r"names the class 'behind', which .* does not have: choose among ground, left, right, up, down, in front",
        ),
        (
            {"ground,left": "x", "left,right": "y"},
            r"names the class 'left' twice, in 'ground,left' and in 'left,right': keep it in one place",
        ),
        ({"ground,": "x"}, r"names the class ''"),
        ({"ground": " "}, r"names no target class"),
        ({}, r"names no target class"),
        ({"ground": 1}, r"labels.segmentation: merge = {'ground': 1} must be a table from class names"),
        (["ground"], r"labels.segmentation: merge = \['ground'\] must be a table from class names"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(six: LabelledDataset, merge: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_merged(six.source.path, merge)


def test_a_name_with_a_comma_stands_alone_on_the_left(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 2, 3]], np.uint8)
    path = make(tmp_path, {"a": (np.zeros((1, 4, 3), np.uint8), mask)}, ["wall", "screen door, screen", "door", "sky"])
    merged = open_merged(path, {"wall": "rest", "screen door, screen": "door", "door": "door"})
    assert merged.label("segmentation", "a").tolist() == [[0, 1, 1, 255]]


def test_labelled_data_takes_the_classes_of_a_dataset(six: LabelledDataset) -> None:
    merge = {"ground,up,down,in front": "ground", "left,right": "side"}

    def read_as(classes: list[str], table: dict[str, str] | None) -> list[list[int]]:
        ids: list[list[int]] = (
            open_like(six.source.path, {"segmentation": {"classes": classes, "merge": table}})
            .label("segmentation", "a")
            .tolist()
        )
        return ids

    assert read_as(SOURCES, merge) == read_as(SOURCES, None) == six.label("segmentation", "a").tolist()
    assert read_as(["ground", "side"], merge) == [[0, 1, 1, 0, 0, 0, 255]]
    for classes, table, reason in (
        (["ground", "side"], None, "there is no merge table"),
        (["ground", "side"], {"floor": "ground"}, "merge table does not apply .*'floor'"),
    ):
        with pytest.raises(
            MismatchError,
            match=rf"has the classes ground, left, right, up, down, in front, "
            rf"the dataset has ground, side, and .*{reason}",
        ):
            read_as(classes, table)


# --- real data ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not FACES.is_file(), reason="the labelled faces are not on this machine")
def test_the_face_pack_in_its_eight_classes(tmp_path: Path) -> None:
    full, faces = open_labelled(FACES), open_merged(FACES, FACE_CLASSES)
    assert len(full.names) == 499
    assert len(classes_of(full)) == 19
    assert classes_of(faces) == ["background", "skin", "nose", "eye", "brow", "ear", "mouth", "hair"]
    few = faces.part(0, 50)
    images, labels = few.load((64, 64))
    assert images.shape == (50, 64, 64, 3)
    assert set(np.unique(labels["segmentation"])) == set(range(8))
    before, after = (dataset.load((128, 128))[1]["segmentation"] for dataset in (full.part(0, 50), few))
    eyes = [classes_of(full).index(name) for name in ("glasses", "left_eye", "right_eye")]
    assert np.array_equal(np.isin(before, eyes), after == classes_of(faces).index("eye"))
    assert np.array_equal(before == classes_of(full).index("hair"), after == classes_of(faces).index("hair"))
    alike = open_like(FACES, {"segmentation": faces.tasks["segmentation"].schema})
    assert alike.describe() == faces.describe()

    sixteen = make(
        tmp_path / "sixteen",
        {name: (full.image(name), full.label("segmentation", name)) for name in full.names[:16]},
        classes_of(full),
    )
    again = open_merged(sixteen, FACE_CLASSES)
    (images, labels), (same, others) = again.load((64, 64)), faces.part(0, 16).load((64, 64))
    assert np.array_equal(images, same)
    assert np.array_equal(labels["segmentation"], others["segmentation"])
