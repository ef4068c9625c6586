"""The samples of an evaluation: framed as the dataset's, and no test sample trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discs import blobs, write_dataset, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.evaluation.data import EvaluationData, load_data, without
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.learning.data import LabelledArrays


def write_photos(folder: Path, count: int, files: list[str]) -> Path:
    """A dataset as `handsoff label` makes it, of photos from these files."""
    write_dataset(folder, blobs(count, seed=2))
    write_json(folder / "job.json", {"verb": "label", "inputs": {}, "settings": {}})
    lines = [{"name": f"{index:03d}", "draw": {"photo": file}, "kept": True} for index, file in enumerate(files)]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def loaded(labelled: Path, dataset: Path, settings: EvaluateSettings) -> EvaluationData:
    return run_to_end(load_data(open_inputs(labelled, [dataset], labelled, settings, None), settings.group))


def test_exclusion_goes_by_the_pixels_not_by_the_name() -> None:
    samples = blobs(5, seed=0)
    left, count = without(
        samples,
        LabelledArrays(samples.images[3:], samples.labels[3:]),
        LabelledArrays(samples.images[:1], samples.labels[:1]),
    )
    assert count == 3
    assert np.array_equal(left.images, samples.images[1:3])


def test_photos_of_a_tested_person_are_left_out_of_the_pool(tmp_path: Path) -> None:
    """The photos 000 to 007 came from files called after persons; person 2 is in the test, person 1 in validation."""
    labelled = write_labelled(tmp_path / "labelled", blobs(4, seed=1))
    photos = write_photos(tmp_path / "photos", 8, [f"faces/{index % 4:03d}_{index}.jpg" for index in range(8)])
    settings = EvaluateSettings(first=1, validation_part="1:2", test_part="2:3", group=r"^(\d+)(?:_\d)?$")
    data = loaded(labelled, photos, settings)
    assert data.pools["photos"].names == ("000", "003", "004", "007")
    assert data.excluded == {"validation": 0, "test": 0, "photos": 4}
    assert len(loaded(labelled, photos, settings.model_copy(update={"group": None})).pools["photos"]) == 8
    tested = write_photos(tmp_path / "tested", 2, ["faces/002_0.jpg", "faces/002_1.jpg"])
    with pytest.raises(InputError, match=r"No photos samples are left \(all are of groups of validation or test\)"):
        loaded(labelled, tested, settings)


def test_a_converted_dataset_leaves_out_photos_of_a_tested_person_too(tmp_path: Path) -> None:
    """Files are called after persons in the folder's name, which is not in the sample's."""
    labelled = write_labelled(tmp_path / "labelled", blobs(4, seed=1))
    photos = write_photos(tmp_path / "photos", 8, [f"{index % 4:03d}/{index}.jpg" for index in range(8)])
    converted = tmp_path / "converted"
    run_to_end(convert(photos, converted, ConvertSettings()))
    settings = EvaluateSettings(first=1, validation_part="1:2", test_part="2:3", group=r"^(\d{3})(?:/\d)?$")
    data = loaded(labelled, converted, settings)
    assert data.pools["photos"].names == loaded(labelled, photos, settings).pools["photos"].names
    assert data.excluded["photos"] == 4
    (photos / "samples.jsonl").write_text("")
    with pytest.raises(InputError, match=r"Which photo 000 of .*converted was is not told by .*photos"):
        loaded(labelled, converted, settings)


def test_photos_of_a_labelled_person_stay_whose_test_photos_are_left_out(tmp_path: Path) -> None:
    labelled = write_labelled(tmp_path / "labelled", blobs(1, seed=1))
    test = write_labelled(tmp_path / "test", blobs(4, seed=3))
    photos = write_photos(tmp_path / "photos", 8, [f"faces/{index % 4:03d}_{index}.jpg" for index in range(8)])
    settings = EvaluateSettings(group=r"^(\d+)(?:_\d)?$")
    data = run_to_end(load_data(open_inputs(labelled, [photos], test, settings, None), settings.group))
    assert data.pools["photos"].names == ("000", "004")
    assert data.test.names == ("001", "002", "003")
    assert data.excluded == {"validation": 0, "test": 1, "photos": 6}


def test_a_test_photo_that_was_labelled_as_another_file_is_found_by_what_it_shows(tmp_path: Path) -> None:
    """The first two of the dataset's photos are the last two of the labelled ones, as JPEG and back."""
    real = blobs(8, seed=1)
    labelled = write_labelled(tmp_path / "labelled", real)
    photos = write_photos(tmp_path / "photos", 4, [f"{index}.jpg" for index in range(4)])
    for index in range(2):
        Image.fromarray(real.images[6 + index]).save(tmp_path / "copy.jpg", quality=90)
        Image.open(tmp_path / "copy.jpg").save(photos / "images" / f"{index:03d}.png")
    data = loaded(labelled, photos, EvaluateSettings(first=2, validation_part="2:4", test_part="4:"))
    assert data.test.names == ("004", "005")
    assert data.excluded == {"validation": 0, "test": 2, "photos": 0}


def test_photos_are_framed_as_the_dataset_is(tmp_path: Path) -> None:
    """Photos half as high as wide: cropped they fill the frame, in a letterbox a quarter of it is black at each end."""
    square = blobs(6, seed=1)
    wide = LabelledArrays(square.images[:, 8:24], square.labels[:, 8:24])
    labelled = write_labelled(tmp_path / "labelled", wide)
    dataset = write_dataset(tmp_path / "dataset", blobs(4, seed=2))
    settings = EvaluateSettings(first=2, test_part="2:")
    manifest = read_json(dataset / "manifest.json")
    cropped = loaded(labelled, dataset, settings)
    write_json(dataset / "manifest.json", manifest | {"framing": "letterbox"})
    boxed = loaded(labelled, dataset, settings)
    for data in (cropped, boxed):
        assert data.pools["real"].images.shape == (2, 32, 32, 3)
        assert data.test.images.shape == (4, 32, 32, 3)
    assert (boxed.test.images[:, :7] == 0).all()
    assert np.array_equal(boxed.test.images[:, 8:24], wide.images[2:])
    assert np.array_equal(boxed.test.labels[:, 8:24], wide.labels[2:])
    assert cropped.test.images.min() > 0
    assert np.array_equal(cropped.pools["synthetic"].images, boxed.pools["synthetic"].images), "already in the frame"


def test_validation_that_no_run_could_be_chosen_by_is_refused(tmp_path: Path) -> None:
    """Every distance is counted in one between two points, and no validation sample shows both."""
    entries = {}
    for index in range(8):
        (tmp_path / "images").mkdir(exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
        entries[str(index)] = [[2, 2, 2], [12, 12, 2 if index < 4 else 0]]
    write_json(tmp_path / "keypoints.json", entries)
    scale = {"keypoints": {"scale": [[0], [1]]}}

    def load(part: str, test: str = "2:4") -> EvaluationData:
        settings = EvaluateSettings(task="keypoints", labels=scale, first=2, validation_part=part, test_part=test)
        return run_to_end(load_data(open_inputs(tmp_path, [], tmp_path, settings, None), None))

    with pytest.raises(InputError, match=r"Nothing in the labels of the validation samples can be scored by pck"):
        load("4:")
    with pytest.raises(InputError, match=r"Nothing in the labels of the test samples can be scored by pck"):
        load("3:4", "4:")
    assert load("3:4").validation is not None


def test_copies_in_other_pixels_are_no_test_samples(tmp_path: Path) -> None:
    """Of real labels, and of labelled data that no generator drew; a group that is tested is not trained on either."""
    images = blobs(8, seed=1)
    changed = np.clip(images.images.astype(int) + np.random.default_rng(0).integers(-2, 3, images.images.shape), 0, 255)
    copies = replace(images, images=changed.astype(np.uint8))
    real = write_labelled(tmp_path / "real", images.take(np.arange(3)))
    other = write_labelled(tmp_path / "other", images.take(np.arange(3, 5)))
    test = write_labelled(tmp_path / "test", copies)
    found = run_to_end(load_data(open_inputs(real, [other], test, EvaluateSettings(), None), None))
    assert (len(found.test), found.excluded["test"]) == (3, 5)
    for folder, names in ((other, ("bob_2", "cid_2")), (test, tuple(f"bob_{index}" for index in range(3, 11)))):
        for kind in ("images", "masks"):
            for file, name in zip(sorted((folder / kind).iterdir()), names, strict=True):
                file.rename(file.with_stem(name))
    grouped = EvaluateSettings(group=r"^(.*)_")
    found = run_to_end(load_data(open_inputs(real, [other], test, grouped, None), grouped.group))
    assert found.pools["synthetic"].names == ("cid_2",)
    assert found.excluded["photos"] == 1
