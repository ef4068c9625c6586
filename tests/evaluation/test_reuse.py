"""Runs of an earlier evaluation: taken over where they would come out the same, and only there."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from alike import contents, differences
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.evaluation import runs
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import run_to_end
from handsoff.learning.supervised import train_predictor

TINY = EvaluateSettings(first=4, steps=2, seeds=2, batch=2, validation_part="4:8", test_part="8:")
ARMS = ("real_only", "real_plus_synthetic")
MADE = ["real plus synthetic, run 1 of 2", "real plus synthetic, run 2 of 2"]
ALL = ["real only, run 1 of 2", MADE[0], "real only, run 2 of 2", MADE[1]]


@pytest.fixture(scope="module")
def teacher(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of the labels alone."""
    out = tmp_path_factory.mktemp("teacher") / "teacher"
    run_to_end(evaluate(labelled, [], labelled, out, TINY))
    return out


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that are trained from now on."""
    names: list[str] = []

    def counted(task: Any, mixture: Any, seed: int, settings: EvaluateSettings, stage: str, *others: Any) -> Any:
        names.append(stage)
        return train_predictor(task, mixture, seed, settings, stage, *others)

    monkeypatch.setattr(runs, "train_predictor", counted)
    return names


@pytest.mark.slow
def test_with_an_earlier_report_everything_comes_out_the_same(
    labelled: Path, dataset: Path, teacher: Path, tmp_path: Path, trained: list[str]
) -> None:
    settings = TINY.model_copy(update={"arms": ARMS})
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "alone", settings))
    assert trained == ALL
    trained.clear()
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "after", settings, before=teacher))
    assert trained == MADE
    names_itself = ["report.html"]
    assert differences(contents(tmp_path / "alone"), contents(tmp_path / "after")) == names_itself


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"steps": 3}, {"mirror": True}, {"first": 3}, {"validation_part": "5:8"}, {"test_part": "9:"}]
)
def test_what_would_come_out_otherwise_is_trained(
    labelled: Path, dataset: Path, teacher: Path, tmp_path: Path, trained: list[str], change: dict[str, Any]
) -> None:
    settings = TINY.model_copy(update={"arms": ARMS, **change})
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings, before=teacher))
    assert trained == ALL


@pytest.mark.slow
def test_a_run_is_taken_over_only_while_its_network_is_there(
    labelled: Path, dataset: Path, tmp_path: Path, trained: list[str]
) -> None:
    """Another arm was handed over: the networks of real only are gone, and it may be the one to hand over now."""
    settings = TINY.model_copy(update={"arms": ("real_plus_synthetic",)})
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "other", settings))
    trained.clear()
    both = TINY.model_copy(update={"arms": ARMS})
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", both, before=tmp_path / "other"))
    assert trained == [ALL[0], ALL[2]]
    assert read_json(tmp_path / "out" / "metrics.json")["arms"].keys() == set(ARMS)


@pytest.mark.slow
def test_the_learning_curve_of_one_budget_is_that_of_all(
    labelled: Path, dataset: Path, tmp_path: Path, trained: list[str]
) -> None:
    """A point of it may have been an arm there; an arm is trained again, for a point keeps no network."""
    curved = TINY.model_copy(update={"curve": (2, 4, "all"), "curve_part": ":4", "seeds": 1, "test_part": "9:"})
    run_to_end(evaluate(labelled, [], labelled, tmp_path / "first", curved))
    assert trained == ["real only, run 1 of 1", "real only 2 labels, run 1 of 1"]
    second = curved.model_copy(update={"first": 2})
    trained.clear()
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "alone", second))
    assert trained[-1] == "real only 4 labels, run 1 of 1"
    made = trained[:-1]
    trained.clear()
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "after", second, before=tmp_path / "first"))
    assert trained == made
    assert differences(contents(tmp_path / "alone"), contents(tmp_path / "after")) == ["report.html"]


@pytest.mark.slow
def test_a_damaged_earlier_report_is_said(labelled: Path, dataset: Path, teacher: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(teacher, tmp_path / "broken")
    (broken / "model" / "network-1.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"network-1\.safetensors"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", TINY, before=broken))


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["model/model.json", "predictions/real_only.zip"])
def test_a_file_that_an_earlier_report_lacks_is_said(
    labelled: Path, dataset: Path, teacher: Path, tmp_path: Path, missing: str
) -> None:
    (shutil.copytree(teacher, tmp_path / "lacking") / missing).unlink()
    with pytest.raises(InputError, match="lacking"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", TINY, before=tmp_path / "lacking"))


def test_what_is_no_finished_evaluation_is_refused(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"real was not made by handsoff evaluate: give the folder"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", TINY, before=labelled))
    assert not (tmp_path / "out").exists()
