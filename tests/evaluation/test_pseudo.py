"""Pools that a machine labelled: how certain they are, and settings that would do nothing."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from discs import blobs, write_dataset, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.corrections import Correction
from handsoff.datasets.generated import write_uncertainty
from handsoff.evaluation.data import EvaluationData, load_data
from handsoff.evaluation.evaluate import evaluate, plan
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import run_to_end

TINY = EvaluateSettings(first=4, test_part="4:", steps=2, seeds=1, batch=4)
SURE = TINY.model_copy(update={"confidence": 0.5})


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return write_labelled(tmp_path / "real", blobs(8, seed=1))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Sample i is uncertain by i / 5 in its left half, certain in its right half."""
    folder = write_dataset(tmp_path / "synthetic", blobs(6, seed=2))
    for index in range(6):
        doubtful = np.zeros((32, 32), np.float32)
        doubtful[:, :16] = index / 5
        write_uncertainty(folder, ["segmentation"], "segmentation", f"{index:03d}", doubtful)
    return folder


def loaded(labelled: Path, datasets: list[Path], settings: EvaluateSettings) -> EvaluationData:
    return run_to_end(load_data(open_inputs(labelled, datasets, labelled, settings, None), None, settings.confidence))


def test_a_pool_is_weighted_by_its_own_maps_where_that_is_asked_for(labelled: Path, dataset: Path) -> None:
    data = loaded(labelled, [dataset], SURE)
    pool = data.pools["synthetic"]
    assert pool.weights is not None
    assert pool.weights[:, :, 16:].min() == 255
    assert pool.weights[:, 0, 0].tolist() == [255, 204, 153, 0, 0, 0], "below one half nothing counts"
    assert pool.pseudo is not None
    assert (pool.pseudo.all(), data.pools["real"].pseudo) == (True, None)
    assert data.pools["real"].weights is None
    plain = loaded(labelled, [dataset], TINY).pools["synthetic"]
    assert plain.weights is None
    assert plain.pseudo is not None
    assert plain.pseudo.all()


def test_labelled_data_of_no_verb_counts_as_labelled_by_people(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    other = write_labelled(tmp_path / "renders", blobs(5, seed=3))
    pools = loaded(labelled, [dataset, other], SURE).pools
    assert (pools["synthetic"].pseudo is None, pools["renders"].pseudo) == (False, None)
    assert pools["renders"].weights is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"confidence": 0.0}, "confidence"),
        ({"unlabelled": "teacher", "cutmix": 0.5}, "unlabelled and cutmix"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    given: dict[str, object], named: str, labelled: Path, tmp_path: Path
) -> None:
    other = write_labelled(tmp_path / "renders", blobs(5, seed=3))
    settings = TINY.model_copy(update=given)
    with pytest.raises(InputError, match=f"None of the datasets .* so {named} would do nothing: leave it out"):
        plan(labelled, [other], labelled, settings)
    plan(labelled, [other], labelled, TINY)


def test_what_a_generated_dataset_says_of_its_labels_is_not_said_anew(labelled: Path, dataset: Path) -> None:
    merged = TINY.model_copy(update={"labels": {"segmentation": {"merge": {"disc": "disc"}}}})
    with pytest.raises(InputError, match="synthetic says itself what all labels are: leave labels out"):
        plan(labelled, [dataset], labelled, merged)


def test_a_map_that_is_missing_damaged_or_of_another_size_is_one_sentence(
    labelled: Path, dataset: Path, tmp_path: Path
) -> None:
    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match) as caught:
            run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", SURE))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    file = dataset / "uncertainty" / "002.png"
    whole = file.read_bytes()
    file.write_bytes(whole[:40])
    refused("002.png")
    write_uncertainty(dataset, ["segmentation"], "segmentation", "002", np.zeros((16, 32), np.float32))
    refused("map of 002 in .* is 16x32 pixels, its image 32x32: make the dataset again")
    file.unlink()
    refused("has no uncertainty map of 002 for segmentation.*leave confidence out")


@pytest.mark.slow
def test_an_evaluation_with_all_of_it(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    settings = SURE.model_copy(
        update={"unlabelled": "teacher", "teacher_from": 1, "teacher_threshold": 0.4, "cutmix": 1.0, "steps": 4}
    )
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    arms = read_json(tmp_path / "out" / "metrics.json")["arms"]
    assert set(arms) == {"real_only", "synthetic_only", "real_plus_synthetic"}
    assert read_json(tmp_path / "out" / "job.json")["settings"]["unlabelled"] == "teacher"
    plain = tmp_path / "plain"
    run_to_end(
        evaluate(labelled, [dataset], labelled, plain, settings.model_copy(update=TINY.model_dump() | {"steps": 4}))
    )
    others = read_json(plain / "metrics.json")["arms"]
    assert arms["real_only"] == others["real_only"], "no pool of a machine, nothing changes"
    assert arms["synthetic_only"] != others["synthetic_only"]


def test_what_a_person_accepted_counts_in_full(labelled: Path, dataset: Path) -> None:
    """Its uncertainty map is the machine's, from before."""
    inputs = open_inputs(labelled, [dataset], labelled, SURE, None)
    said = {"005": Correction(decision="accept"), "004": Correction(decision="undecided")}
    pools = {**inputs.pools, "synthetic": replace(inputs.pools["synthetic"], reviewed=said)}
    pool = run_to_end(load_data(replace(inputs, pools=pools), None, SURE.confidence)).pools["synthetic"]
    assert pool.weights is not None
    assert pool.weights[:, 0, 0].tolist() == [255, 204, 153, 0, 0, 255]
    assert pool.pseudo is not None
    assert pool.pseudo.tolist() == [True] * 5 + [False]


def test_classes_cannot_be_pasted_where_labels_have_none(tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "faces", blobs(8, seed=1))
    shutil.rmtree(folder / "masks")
    points = {f"{index:03d}": [[2 + index, 3, 2], [9, 10, 2]] for index in range(8)}
    write_json(folder / "keypoints.json", points)
    write_json(folder / "points.json", {"names": ["a", "b"]})
    settings = TINY.model_copy(update={"task": "keypoints"})
    plan(folder, [], folder, settings)
    with pytest.raises(InputError, match="paste is about the classes of masks, not about keypoints: leave it out"):
        plan(folder, [], folder, settings.model_copy(update={"paste": 0.5}))
