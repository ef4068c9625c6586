"""What a dataset is compared with: the photos of several labelers, and sets that are to be matched."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import EXAMPLE_WS, EXAMPLES, load_labeler
from handsoff.sampling.edits import ANCHORS
from handsoff.synthesis.compose import Composition, write_materials
from handsoff.synthesis.generate import generate
from handsoff.synthesis.references import examples_of, reference_records
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import DrawShards

MATCH = GenerateSettings(n=4, aim={"match": "labelled"})


@pytest.fixture
def two(labelers: list[Path], tmp_path: Path) -> list[Path]:
    """Labelers of masks and of points; the latter was fitted to three other photos, whose names are the same."""
    own = {labeler.name: labeler for labeler in labelers}
    points = Path(shutil.copytree(own["keypoints"], tmp_path / "keypoints"))
    examples = read_json(points / EXAMPLES)
    few = {name: examples[name] for name in list(examples)[:3]}
    write_json(points / EXAMPLES, few)
    write_tensors(points / EXAMPLE_WS, {name: ws + 1 for name, ws in read_tensors(points / EXAMPLE_WS).items()})
    return [own["segmentation"], points]


def test_photos_of_two_labelers_that_are_called_alike_stay_apart(two: list[Path], tmp_path: Path) -> None:
    masks, points = (read_json(labeler / EXAMPLES) for labeler in two)
    found = examples_of(two, {"photo00": {"age": 31}})
    assert list(found) == [*masks, *(f"keypoints/{name}" for name in points)]
    assert found["photo00"]["shows"] == masks["photo00"]["shows"]
    assert found["keypoints/photo00"]["shows"] == points["photo00"]["shows"]
    assert found["photo00"]["attributes"] == {**masks["photo00"]["attributes"], "age": 31}
    tasks = {(found := load_labeler(labeler)).task.name: found.task for labeler in two}
    composition = Composition(two, tasks, MATCH, [], {}, DrawShards(0, ([],)))
    write_materials(tmp_path, composition, {})
    anchors = read_tensors(tmp_path / ANCHORS)
    assert set(anchors) >= set(examples_of(two, {}))
    assert anchors["keypoints/photo00"].equal(read_tensors(two[1] / EXAMPLE_WS)["photo00"])
    assert anchors["photo00"].equal(read_tensors(two[0] / EXAMPLE_WS)["photo00"])


def test_sizes_and_places_are_those_of_the_labeler_that_measures_them_in_samples(two: list[Path]) -> None:
    measured = {"size", "x", "y"}
    for labelers in (two, two[::-1]):
        found = list(examples_of(labelers, {}).items())
        own = read_json(labelers[0] / EXAMPLES)
        assert all(numbers["attributes"] == own[name]["attributes"] for name, numbers in found[: len(own)])
        assert not [name for name, numbers in found[len(own) :] if measured & numbers["attributes"].keys()]


def test_every_labeler_is_matched_by_its_own_photos(two: list[Path]) -> None:
    found: Any = run_to_end(reference_records("labelled", two, {}))
    assert [list(record["shows"]) for record in found] == [["segmentation"]] * 8 + [["keypoints"]] * 3


def test_a_set_that_asks_for_nothing_is_refused(labelers: list[Path], tmp_path: Path) -> None:
    """Any samples would pass for being like it."""
    normals = next(labeler for labeler in labelers if labeler.name == "normals")
    with pytest.raises(
        InputError, match=r"match = labelled asks for nothing: .* its 8 photos have no such labels\. Ask"
    ):
        run_to_end(generate([normals], tmp_path / "out", MATCH))
    assert not (tmp_path / "out").exists()
