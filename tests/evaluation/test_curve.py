"""The learning curve of an evaluation: whose labels it uses, what it trains and shares, resume, and what it refuses."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alike import timeless
from discs import blobs, write_dataset, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.evaluation import runs
from handsoff.evaluation.curve import Curve, load_curve, read_off, summary
from handsoff.evaluation.data import EvaluationData, load_data
from handsoff.evaluation.evaluate import evaluate, plan
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import run_to_end
from handsoff.learning.supervised import train_predictor
from handsoff.review.session import open_session

TINY = EvaluateSettings(
    first=4, steps=2, seeds=2, batch=2, validation_part="4:6", test_part="10:", curve=(2, 4, 6, "all")
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "synthetic", blobs(6, seed=2))


def loaded(real: Path, dataset: Path, test: Path, settings: EvaluateSettings) -> tuple[EvaluationData, Curve]:
    inputs = open_inputs(real, [dataset], test, settings, None)
    data = run_to_end(load_data(inputs, settings.group))
    return data, run_to_end(load_curve(inputs, data, settings))


# --- whose labels


def test_the_labels_of_the_budget_come_first_and_no_held_out_sample_is_among_them(
    labelled: Path, dataset: Path
) -> None:
    data, curve = loaded(labelled, dataset, labelled, TINY)
    assert curve.labels.names == ("000", "001", "002", "003", "006", "007", "008", "009")
    assert curve.points == (2, 4, 6, 8)
    assert np.array_equal(curve.labels.images[:4], data.pools["real"].images)
    assert curve.first(6).names == curve.labels.names[:6]
    held_out = {image.tobytes() for part in (data.test, data.validation) if part for image in part.images}
    assert not held_out & {image.tobytes() for image in curve.labels.images}


def test_a_part_says_which_further_samples_there_are(labelled: Path, dataset: Path) -> None:
    _, curve = loaded(labelled, dataset, labelled, TINY.model_copy(update={"curve": ("all",), "curve_part": ":8"}))
    assert curve.labels.names == ("000", "001", "002", "003", "006", "007")
    assert curve.points == (4, 6)


def test_what_a_person_rejected_is_no_label_of_the_curve(dataset: Path, labelled: Path, tmp_path: Path) -> None:
    """Parts are cut of the samples that are left, as for labels, validation and test."""
    copied = Path(shutil.copytree(labelled, tmp_path / "labelled"))
    session = open_session(copied)
    for name in ("007", "008"):
        session.decide(name, "reject", 0)
    _, curve = loaded(copied, dataset, copied, TINY.model_copy(update={"curve": ("all",)}))
    assert curve.labels.names == ("000", "001", "002", "003", "006", "009", "010", "011")
    assert loaded(copied, dataset, copied, TINY.model_copy(update={"curve": ("all",), "curve_part": ":8"}))[
        1
    ].labels.names == ("000", "001", "002", "003", "006", "009")


def test_names_of_another_folder_say_nothing_and_its_pixels_do(dataset: Path, labelled: Path, tmp_path: Path) -> None:
    """The test folder also calls its samples 000, 001, …; its 003 is a copy of the real 012."""
    test, real = blobs(6, seed=5), blobs(16, seed=1)
    test.images[3], test.labels[3] = real.images[12], real.labels[12]
    settings = TINY.model_copy(update={"test_part": None, "curve": ("all",)})
    _, curve = loaded(labelled, dataset, write_labelled(tmp_path / "test", test), settings)
    assert curve.labels.names == tuple(f"{index:03d}" for index in range(16) if index not in {4, 5, 12})


def test_no_group_is_on_both_sides(dataset: Path, tmp_path: Path) -> None:
    """Groups are the tens of the numbers; another folder has the test, whose samples 010 and 011 are called alike."""
    real = write_labelled(tmp_path / "real", blobs(12, seed=1))
    test = write_labelled(tmp_path / "test", blobs(12, seed=5))
    parts = {"test_part": "10:", "validation_part": None, "curve": ("all",), "group": r"^(\d\d)"}
    data, curve = loaded(real, dataset, test, TINY.model_copy(update=parts))
    assert data.test.names == ("010", "011")
    assert curve.labels.names == tuple(f"{index:03d}" for index in range(10))


def test_without_a_curve_nothing_is_read(labelled: Path, dataset: Path) -> None:
    assert loaded(labelled, dataset, labelled, TINY.model_copy(update={"curve": None}))[1] is None


# --- what it refuses


@pytest.mark.parametrize(
    ("curve", "points"),
    [
        ("100, 16,50,all,16", (16, 50, 100, "all")),
        ([50, 16], (16, 50)),
        (["all", "16"], (16, "all")),
        (50, (50,)),
        ("all", ("all",)),
    ],
)
def test_points_are_sorted_and_distinct(curve: Any, points: tuple[Any, ...]) -> None:
    assert EvaluateSettings(curve=curve).curve == points


@pytest.mark.parametrize(
    ("curve", "sentence"),
    [
        ("1,50", "1 is too few labels to learn from: begin with 2 or more"),
        ("16,many", "'many' is no number of labels: write numbers and all, such as 16,50,100,all"),
        ("16,-5", "'-5' is no number of labels"),
        ("", "'' is no number of labels"),
        ([16, 2.5], "'2.5' is no number of labels"),
        ([16, True], "'True' is no number of labels"),
        ([], "names no point"),
    ],
)
def test_what_is_no_curve(curve: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        EvaluateSettings(curve=curve)


def test_a_point_beyond_the_labels_is_refused_before_any_work(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    settings = TINY.model_copy(update={"curve": (4, 9)})
    with pytest.raises(InputError, match="real has 8 labels for the curve and none for its point 9: lower the point"):
        plan(labelled, [dataset], labelled, settings)
    with pytest.raises(InputError, match="has 8 labels"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    assert not (tmp_path / "out").exists()


def test_a_point_that_copies_of_test_images_leave_without_labels_is_refused(
    labelled: Path, dataset: Path, tmp_path: Path
) -> None:
    """By their names there are 14 labels; two of them are copies of test images, as reading them shows."""
    real = blobs(16, seed=1)
    test = write_labelled(tmp_path / "test", replace(real, images=real.images[8:10], labels=real.labels[8:10]))
    settings = TINY.model_copy(update={"test_part": None, "curve": (14,)})
    plan(labelled, [dataset], test, settings)
    with pytest.raises(InputError, match="has 12 labels for the curve"):
        run_to_end(evaluate(labelled, [dataset], test, tmp_path / "out", settings))
    assert not (tmp_path / "out").exists()


# --- a whole one


@pytest.mark.slow
def test_a_curve_goes_on_where_it_was_killed_and_shares_the_budgets_runs(
    labelled: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []

    def counted(task: Any, mixture: Any, seed: int, settings: EvaluateSettings, stage: str, *others: Any) -> Any:
        trained.append((stage, len(mixture(0.0)[0][0])))
        return train_predictor(task, mixture, seed, settings, stage, *others)

    monkeypatch.setattr(runs, "train_predictor", counted)
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "whole", TINY))
    whole = trained.copy()
    assert whole[6:] == [
        (f"real only {number} labels, run {run} of 2", number) for number in (2, 6, 8) for run in (1, 2)
    ]
    work = evaluate(labelled, [dataset], labelled, tmp_path / "out", TINY)
    while not next(work).stage.startswith("real only 6 labels, run 2"):
        pass
    with pytest.raises(RuntimeError, match="power"):
        work.throw(RuntimeError("power cut"))  # type: ignore[attr-defined]  # a generator
    trained.clear()
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", TINY))
    assert trained == whole[9:]
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert timeless(metrics) == timeless(read_json(tmp_path / "whole" / "metrics.json"))

    curve = metrics["curve"]
    assert curve["metric"] == "miou"
    assert list(curve["points"]) == ["2", "4", "6", "8"]
    assert curve["points"]["4"]["runs"] == metrics["arms"]["real_only"]["miou"]["runs"]
    assert set(curve["worth"]) == {"synthetic_only", "real_plus_synthetic"}
    assert all(2 <= entry["low"] <= entry["labels"] <= entry["high"] <= 8 for entry in curve["worth"].values())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "4 labels with HandsOff (" in page
    assert "Worth as many labels as" in page


def test_arms_without_real_only_have_a_curve_of_its_own(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    settings = TINY.model_copy(
        update={"arms": {"half": {"real": 0.5, "synthetic": 0.5}}, "seeds": 1, "steps": 1, "curve": (2,)}
    )
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    curve = read_json(tmp_path / "out" / "metrics.json")["curve"]
    assert list(curve["points"]) == ["2", "4"]
    assert list(curve["worth"]) == ["half"]
    assert curve["worth"]["half"]["low"] is None


def test_what_has_no_score_is_left_out() -> None:
    nan = float("nan")
    found = summary({2: [nan, 0.1], 4: [0.2, 0.3], 8: [0.4, 0.5]}, {"a": [0.3, 0.3], "b": [nan, nan]}, lower=False)
    assert list(found["points"]) == ["4", "8"]
    assert list(found["worth"]) == ["a"]
    assert summary({2: [nan]}, {"a": [0.3]}, lower=False) == {"points": {}, "worth": {}}


def test_arms_of_another_evaluation_are_read_off_as_its_own_would_be() -> None:
    points = {16: [0.6, 0.62], 64: [0.7, 0.7], 256: [0.78, 0.8]}
    for metric, lower in (("miou", False), ("nmse", True)):
        measured = {"metric": metric, **summary(points, {}, lower=lower)}
        arms = {"real_plus_photos": {metric: {"mean": 0.74, "std": 0.01, "runs": [0.73, 0.75]}}}
        found = read_off(measured, arms)
        assert found == {"metric": metric, **summary(points, {"real_plus_photos": [0.73, 0.75]}, lower=lower)}
    assert read_off({"metric": "miou", **summary(points, {}, lower=False)}, arms={})["worth"] == {}
