"""Generated datasets: what is written is read back from wherever it was moved, and what is wrong is named."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handsoff.core.errors import InputError
from handsoff.datasets.generated import (
    open_generated,
    read_manifest,
    read_records,
    remove_uncertainty,
    uncertainty_folder,
    write_manifest,
    write_records,
    write_uncertainty,
)
from handsoff.jobs.folder import Plan, open_job
from toy import CLASSES, write_classes, write_mask

MANIFEST: dict[str, Any] = {
    "tasks": {"segmentation": {"classes": CLASSES}},
    "image_size": [6, 5],
    "framing": "crop",
    "licence": "CC0",
    "generator": "0" * 64,
    "drawn": 3,
    "kept": 2,
    "psi": 1.0,
    "seed": 0,
    "uncertainty": "disagreement",
}
NAMES = ["00000000", "00000001", "00000002"]


def record(number: int) -> dict[str, Any]:
    return {
        "name": NAMES[number],
        "draw": {"seed": number, "psi": 1.0, "condition": None},
        "uncertainties": {"segmentation": number / 10},
        "uncertainty": number / 10,
        "kept": number < 2,
        "reason": None if number < 2 else "uncertain",
    }


def pictures(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    image, mask = rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 3, (6, 5), np.uint8)
    return image, mask, rng.random((6, 5), np.float32)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three samples, the last of which was dropped; written in one place and moved to another."""
    with open_job(tmp_path / "first", Plan("generate", {}, {})) as job:
        for number in range(2):
            image, mask, uncertainty = pictures(number)
            write_mask(job.out, NAMES[number], image, mask)
            write_uncertainty(job.out, ["segmentation"], "segmentation", NAMES[number], uncertainty)
        write_classes(job.out, CLASSES)
        write_records(job.out, [record(number) for number in range(3)])
        write_manifest(job.out, MANIFEST)
        job.finish()
    return Path(shutil.move(job.out, tmp_path / "moved"))


# --- round trips ---


def test_a_moved_dataset_is_read_as_it_was_written(dataset: Path) -> None:
    data = open_generated(dataset)
    assert (data.folder, data.manifest) == (dataset, MANIFEST)
    assert data.records() == [record(number) for number in range(3)]
    assert {name: task.schema["classes"] for name, task in data.tasks().items()} == {"segmentation": CLASSES}
    labelled = data.labelled("segmentation")
    assert list(labelled.names) == NAMES[:2]
    for number, name in enumerate(labelled.names):
        image, mask, uncertainty = pictures(number)
        found, labels = labelled.sample(name)
        assert np.array_equal(found, image)
        assert np.array_equal(labels["segmentation"], mask)
        stored = data.uncertainty_map(name, "segmentation")
        assert stored is not None
        assert np.abs(stored - uncertainty).max() <= 0.5 / 255 + 1e-6
    assert data.uncertainty_map(NAMES[2], "segmentation") is None, "it was dropped"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.fixed_dictionaries({"name": st.text(), "draw": JSON, "reason": JSON}), max_size=4))
def test_any_records_are_read_back(records: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "first").mkdir()
        write_records(Path(made) / "first", records)
        moved = Path(shutil.move(Path(made) / "first", Path(made) / "second"))
        assert read_records(moved) == records


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(0, 1, width=32)))
def test_any_uncertainty_is_read_back_within_half_a_grey_value(values: np.ndarray) -> None:
    schemas = {"depth": {}, "segmentation": {"classes": CLASSES}}
    with tempfile.TemporaryDirectory() as made:
        with open_job(Path(made) / "first", Plan("generate", {}, {})) as job:
            write_manifest(job.out, {**MANIFEST, "tasks": schemas})
            write_uncertainty(job.out, schemas, "depth", "a", values)
            job.finish()
        data = open_generated(Path(shutil.move(job.out, Path(made) / "second")))
        stored = data.uncertainty_map("a", "depth")
        assert stored is not None
        assert np.abs(stored - values).max() <= 0.5 / 255 + 1e-6
        assert data.uncertainty_map("a", "segmentation") is None


def test_one_task_needs_no_folder_of_its_own() -> None:
    assert uncertainty_folder(["depth"], "depth") == "uncertainty"
    assert uncertainty_folder(["segmentation", "depth"], "depth") == "uncertainty-depth"


def test_the_maps_of_a_sample_can_be_removed(tmp_path: Path) -> None:
    tasks = ["segmentation", "keypoints", "depth"]
    for name in ("a", "b"):
        for task in ("segmentation", "depth"):
            write_uncertainty(tmp_path, tasks, task, name, np.zeros((2, 2), np.float32))
    remove_uncertainty(tmp_path, tasks, "a")
    assert sorted(file.name for file in tmp_path.rglob("*.png")) == ["b.png", "b.png"]


# --- what is missing or damaged ---


def test_what_is_no_finished_dataset_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not made by handsoff generate"):
        open_generated(tmp_path)
    (dataset / "DONE").unlink()
    with pytest.raises(InputError, match="is not finished: run handsoff generate again"):
        open_generated(dataset)
    with open_job(tmp_path / "other", Plan("convert", {}, {})) as job:
        job.finish()
    with pytest.raises(
        InputError, match=r"was made by handsoff convert; a folder of handsoff generate or .* is needed"
    ):
        open_generated(tmp_path / "other")


@pytest.mark.parametrize(
    "damage",
    [
        {"tasks": None},
        {"tasks": {}},
        {"tasks": ["segmentation"]},
        {"tasks": {"segmentation": 3}},
        {"image_size": None},
        {"image_size": [6]},
        {"image_size": [6, 0]},
        {"image_size": [6, "5"]},
        {"licence": None},
    ],
)
def test_a_damaged_manifest_is_named(dataset: Path, damage: dict[str, Any]) -> None:
    write_manifest(dataset, {**MANIFEST, **damage})
    with pytest.raises(InputError, match=r"manifest.json does not describe a dataset"):
        open_generated(dataset)


@pytest.mark.parametrize(("data", "sentence"), [(b"[]", "does not describe a dataset"), (b"{", "is not valid JSON")])
def test_a_manifest_must_be_a_json_object(dataset: Path, data: bytes, sentence: str) -> None:
    (dataset / "manifest.json").write_bytes(data)
    with pytest.raises(InputError, match=f"manifest.json {sentence}"):
        read_manifest(dataset)
    (dataset / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest.json is missing"):
        read_manifest(dataset)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"seed": 3}', b'{"name": 3}', b"\xff\xfe"])
def test_a_damaged_line_of_the_records_is_named(dataset: Path, line: bytes) -> None:
    lines = (dataset / "samples.jsonl").read_bytes().splitlines()
    (dataset / "samples.jsonl").write_bytes(b"\n".join([lines[0], line, lines[2], b""]))
    with pytest.raises(InputError, match=r"samples.jsonl, line 2 is not the record of a sample"):
        open_generated(dataset).records()


def test_missing_files_are_named(dataset: Path) -> None:
    data = open_generated(dataset)
    (dataset / "samples.jsonl").unlink()
    with pytest.raises(InputError, match=r"samples.jsonl is missing"):
        data.records()
    (dataset / "uncertainty" / f"{NAMES[0]}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=rf"{NAMES[0]}.png is not a readable mask"):
        data.uncertainty_map(NAMES[0], "segmentation")
    with pytest.raises(InputError, match="has labels for segmentation, not for depth: choose one of them"):
        data.labelled("depth")


def test_records_that_are_cut_off_are_named(dataset: Path) -> None:
    """At the end of a line nothing else would tell."""
    lines = (dataset / "samples.jsonl").read_bytes().splitlines()
    (dataset / "samples.jsonl").write_bytes(b"\n".join([*lines[:2], b""]))
    with pytest.raises(InputError, match=r"samples.jsonl tells of 2 samples, and 3 were drawn: restore it"):
        open_generated(dataset).records()
