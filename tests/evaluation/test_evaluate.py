"""A whole evaluation at toy size: contract, honesty, resume, several datasets."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alike import contents, differences, timeless
from discs import CLASSES, blobs, write_dataset, write_labelled
from handsoff.cli.main import main
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import read_json, write_json
from handsoff.core.images import decode_image
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation import runs
from handsoff.evaluation.evaluate import classes_of_arm, evaluate, plan
from handsoff.evaluation.settings import EvaluateSettings, part_bounds
from handsoff.jobs.progress import run_to_end
from handsoff.learning.supervised import train_predictor
from handsoff.report.testset import BARE, LABEL, open_examples
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import LabelSettings

TINY = EvaluateSettings(first=4, steps=3, seeds=2, batch=2)
STANDARD = ["real_only", "synthetic_only", "real_plus_synthetic"]


@pytest.fixture(scope="module")
def report(labelled: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole evaluation whose real, validation and test data are one folder, its first samples in all three."""
    out = tmp_path_factory.mktemp("report") / "whole"
    run_to_end(evaluate(labelled, [dataset], labelled, out, TINY.model_copy(update={"validation_part": "2:8"})))
    return out


@pytest.mark.slow
def test_metrics_say_what_the_contract_says(report: Path) -> None:
    metrics = read_json(report / "metrics.json")
    assert metrics["task"] == "segmentation"
    assert list(metrics["arms"]) == STANDARD
    assert metrics["pools"] == {"real": 4, "synthetic": 12}
    assert metrics["shares"]["real_plus_synthetic"] == {"real": [0.25, 1.0], "synthetic": [0.75, 0.0]}
    for arm, scores in metrics["arms"].items():
        assert set(scores) == {"miou", "miou_foreground"}
        for entry in scores.values():
            assert len(entry["runs"]) == TINY.seeds
            assert entry["mean"] == pytest.approx(np.mean(entry["runs"]))
            assert entry["std"] == pytest.approx(np.std(entry["runs"]))
        assert set(metrics["per_class"][arm]) == set(CLASSES)
        assert set(metrics["per_class"][arm]["blob"]) == {"mean", "std", "runs"}
        sheet = decode_image((report / "predictions" / f"{arm}.png").read_bytes(), arm)
        assert sheet.shape == (3 * 32, 8 * 32, 3)
    assert (metrics["n_real"], metrics["n_synthetic"], metrics["steps"]) == (4, 12, 3)
    assert metrics["pasted"] == {}
    assert (report / "DONE").is_file()
    assert read_json(report / "report.json")["licence"] == "CC0"


def test_classes_have_the_runs_that_scored_them() -> None:
    scored = ({"a": 0.5}, {"a": 0.7, "b": 1.0})
    found = classes_of_arm([runs.Result("real_only", 0, {}, classes, 1, 1, {}, 1.0) for classes in scored])
    assert found["a"] == {"mean": pytest.approx(0.6), "std": pytest.approx(0.1), "runs": [0.5, 0.7]}
    assert found["b"]["runs"] == [1]


@pytest.mark.slow
def test_every_test_sample_is_scored_alone_and_drawn(report: Path) -> None:
    """The test is 008 to 015: the others were trained or chosen on."""
    samples = [json.loads(line) for line in (report / "test.jsonl").read_text().splitlines()]
    assert [sample["name"] for sample in samples] == [f"{index:03d}" for index in range(8, 16)]
    for sample in samples:
        assert list(sample["scores"]) == list(sample["parts"]) == STANDARD
        for arm in STANDARD:
            known = [score for score in sample["parts"][arm].values() if score is not None]
            assert sample["scores"][arm] == pytest.approx(np.mean(known), abs=2e-4)
    pixels = 8 * 32 * 32
    metrics = read_json(report / "metrics.json")
    assert metrics["confusion"]["parts"] == CLASSES
    assert np.sum(metrics["confusion"]["arms"]["real_only"]) == pixels * TINY.seeds
    assert sum(share for _, share in metrics["support"].values()) == pytest.approx(1)
    shown = open_examples(report, STANDARD)
    assert [sample.name for sample in shown.drawn] == [sample["name"] for sample in samples]
    assert all(shown.picture(arm, index, kind) for arm in STANDARD for index in range(8) for kind in (LABEL, BARE))


@pytest.mark.slow
def test_what_was_trained_or_chosen_on_is_no_test(report: Path) -> None:
    """Real is 0-3; validation 2-7 loses two of them; the test, all 16, loses both."""
    metrics = read_json(report / "metrics.json")
    assert (metrics["n_validation"], metrics["excluded_from_validation"]) == (4, 2)
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (8, 8)


def test_no_test_left_is_refused_and_leaves_nothing(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No test samples are left"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", EvaluateSettings(steps=1)))
    assert not (tmp_path / "out").exists()


def count_runs(monkeypatch: pytest.MonkeyPatch, trained: list[str]) -> None:
    """Add the name of every run that is trained to a list."""

    def counted(task: Any, mixture: Any, seed: int, settings: EvaluateSettings, stage: str, *others: Any) -> Any:
        trained.append(stage)
        return train_predictor(task, mixture, seed, settings, stage, *others)

    monkeypatch.setattr(runs, "train_predictor", counted)


def power_cut(*_: object) -> None:
    raise RuntimeError("power cut")


@pytest.mark.slow
def test_an_interrupted_evaluation_gives_the_same_numbers(
    report: Path, labelled: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TINY.model_copy(update={"validation_part": "2:8"})
    moved = shutil.copytree(labelled, tmp_path / "moved")
    work = evaluate(labelled, [dataset], labelled, tmp_path / "out", settings)
    while not next(work).stage.startswith("real plus synthetic, run 1"):
        pass
    next(work)
    with pytest.raises(RuntimeError, match="power"):
        work.throw(RuntimeError("power cut"))  # type: ignore[attr-defined]  # a generator
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").iterdir()}
    assert sorted(path.name for path in finished) == ["real_only-0.json", "synthetic_only-0.json"]
    trained: list[str] = []
    count_runs(monkeypatch, trained)
    run_to_end(evaluate(moved, [dataset], moved, tmp_path / "out", settings))
    assert trained == [
        "real plus synthetic, run 1 of 2",
        *(f"{arm.replace('_', ' ')}, run 2 of 2" for arm in STANDARD),
    ]
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    assert timeless(read_json(tmp_path / "out" / "metrics.json")) == timeless(read_json(report / "metrics.json"))
    (tmp_path / "out" / "weights").mkdir()  # killed after DONE
    run_to_end(evaluate(moved, [dataset], moved, tmp_path / "out", settings))
    assert len(trained) == 4  # done: nothing more
    assert not (tmp_path / "out" / "weights").exists()


@pytest.mark.slow
def test_damaged_runs_are_made_again_as_long_as_the_evaluation_is_not_over(
    report: Path, labelled: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TINY.model_copy(update={"validation_part": "2:8"})
    with monkeypatch.context() as patched:
        patched.setattr(sys.modules[evaluate.__module__], "write_page", power_cut)
        with pytest.raises(RuntimeError, match="power"):
            run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    trained: list[str] = []
    count_runs(monkeypatch, trained)
    cut = tmp_path / "out" / "predictions" / "real_only.png"
    cut.write_bytes(cut.read_bytes()[:-9])
    (tmp_path / "out" / "runs" / "synthetic_only-1.json").write_text("{}")
    weights = tmp_path / "out" / "weights" / "real_plus_synthetic-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    assert trained == ["real only, run 1 of 2", "synthetic only, run 2 of 2", "real plus synthetic, run 2 of 2"]
    assert differences(contents(tmp_path / "out"), contents(report)) == ["report.html"]  # it names its folder


def test_parts_are_python_slices() -> None:
    assert part_bounds("50:150") == (50, 150)
    assert part_bounds("150:") == (150, None)
    assert part_bounds(None) == (0, None)
    with pytest.raises(ValueError, match="test_part"):
        EvaluateSettings(test_part="150")


def test_evaluate_refuses_a_model_before_it_reads_and_leaves_nothing(
    labelled: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[evaluate.__module__], "load_data", lambda *_: pytest.fail("data was read"))
    with pytest.raises(UnknownNameError, match="Unknown predictor 'lite9'"):
        run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", EvaluateSettings(model="lite9")))
    assert not (tmp_path / "out").exists()


# --- several datasets


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "other", blobs(6, seed=3))


def test_two_datasets_are_compared_and_put_together(labelled: Path, dataset: Path, other: Path, tmp_path: Path) -> None:
    settings = EvaluateSettings(first=4, steps=2, seeds=1, batch=4, test_part="8:")
    run_to_end(evaluate(labelled, [dataset, other], labelled, tmp_path / "out", settings))
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert list(metrics["arms"]) == [
        "real_only", "synthetic_only", "other_only", "real_plus_synthetic", "real_plus_other", "real_plus_all",
    ]  # fmt: skip
    assert metrics["pools"] == {"real": 4, "synthetic": 12, "other": 6}
    assert (metrics["n_real"], metrics["n_synthetic"], metrics["n_test"]) == (4, 18, 8)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(words in page for words in ("real + other", "other only", "real + all", "labels: other"))
    assert list(read_json(tmp_path / "out" / "report.json")["inputs"]) == ["real", "synthetic", "synthetic 2", "test"]


def test_arms_can_be_named(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    arms = {"real_only": {"real": 1}, "half": {"synthetic": 0.5, "real": 0.5}}
    settings = EvaluateSettings(first=4, steps=1, seeds=1, batch=2, test_part="8:", arms=arms)
    run_to_end(evaluate(labelled, [dataset], labelled, tmp_path / "out", settings))
    assert list(read_json(tmp_path / "out" / "metrics.json")["arms"]) == ["real_only", "half"]
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["half-0.json", "real_only-0.json"]


def test_labelled_data_without_a_manifest_is_a_dataset_too(labelled: Path, other: Path, tmp_path: Path) -> None:
    plain = write_labelled(tmp_path / "plain", blobs(5, seed=9))
    settings = EvaluateSettings(first=4, steps=1, seeds=1, batch=4, test_part="8:")
    run_to_end(evaluate(labelled, [plain], labelled, tmp_path / "alone", settings))
    assert read_json(tmp_path / "alone" / "metrics.json")["pools"] == {"real": 4, "synthetic": 5}
    run_to_end(evaluate(labelled, [plain, other], labelled, tmp_path / "both", settings))
    assert read_json(tmp_path / "both" / "metrics.json")["pools"] == {"real": 4, "plain": 5, "other": 6}


def test_a_test_photo_in_a_dataset_is_no_test(labelled: Path, tmp_path: Path) -> None:
    """Datasets may hold photos, and one of them may be in the test."""
    photos = write_labelled(tmp_path / "photos", blobs(16, seed=1).take(np.arange(9, 12)))
    settings = EvaluateSettings(first=4, steps=1, seeds=1, batch=4, test_part="8:")
    run_to_end(evaluate(labelled, [photos], labelled, tmp_path / "out", settings))
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (5, 3)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("tasks", {"segmentation": {"classes": ["background", "disc"]}}, "differ in their segmentation labels"),
        ("image_size", [16, 16], "differ in their image size, 16x16 and 32x32"),
        ("framing", "letterbox", "differ in their framing, letterbox and crop"),
        ("tasks", {"depth": {"unit": "metres", "range": [1, 2]}}, "has labels for depth, not for segmentation"),
    ],
)
def test_datasets_that_differ_are_refused(  # three fixtures and three parameters
    labelled: Path, dataset: Path, tmp_path: Path, key: str, value: object, sentence: str
) -> None:
    strange = shutil.copytree(dataset, tmp_path / "strange")
    write_json(strange / "manifest.json", read_json(strange / "manifest.json") | {key: value})
    with pytest.raises((InputError, MismatchError), match=sentence):
        plan(labelled, [dataset, strange], labelled, TINY)


def test_an_unfinished_dataset_is_refused(labelled: Path, dataset: Path, tmp_path: Path) -> None:
    half = shutil.copytree(dataset, tmp_path / "half")
    (half / "DONE").unlink()
    with pytest.raises(InputError, match="half is not finished: run handsoff generate again"):
        plan(labelled, [half], labelled, TINY)


def test_the_plan_fingerprints_every_input_once(labelled: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[Path] = []
    real = LabelledDataset.describe

    def describe(self: Any) -> dict[str, str]:
        described.append(self.source.path)
        return real(self)

    monkeypatch.setattr(LabelledDataset, "describe", describe)
    made = plan(labelled, [dataset], labelled, TINY, validation=labelled)
    assert sorted(described) == sorted([labelled, dataset])
    assert list(made.inputs) == ["real", "synthetic", "test", "validation"]
    assert made.inputs["real"] == made.inputs["test"] == made.inputs["validation"] != made.inputs["synthetic"]


# --- no dataset


@pytest.mark.slow
def test_real_labels_alone_make_a_model_that_labels_photos(labelled: Path, tmp_path: Path) -> None:
    """No generator is needed for that: evaluate, label, evaluate."""
    settings = EvaluateSettings(first=4, steps=2, seeds=1, batch=2, validation_part="4:8", test_part="8:")
    run_to_end(evaluate(labelled, [], labelled, tmp_path / "teacher", settings))
    metrics = read_json(tmp_path / "teacher" / "metrics.json")
    assert list(metrics["arms"]) == ["real_only"]
    assert (metrics["handed_over"]["arm"], metrics["n_synthetic"]) == ("real_only", 0)
    page = (tmp_path / "teacher" / "report.html").read_text(encoding="utf-8")
    assert "The real labels alone reach mIoU" in page
    assert "was trained once on 4 real labelled images, and scored on 8 real test images" in page
    photos = write_labelled(tmp_path / "photos", blobs(6, seed=8)) / "images"
    run_to_end(label([tmp_path / "teacher"], photos, tmp_path / "dataset", LabelSettings(keep=1.0), [labelled]))
    run_to_end(evaluate(labelled, [tmp_path / "dataset"], labelled, tmp_path / "out", settings))
    assert list(read_json(tmp_path / "out" / "metrics.json")["arms"]) == [
        "real_only",
        "photos_only",
        "real_plus_photos",
    ]


def test_the_command_line_needs_no_dataset(labelled: Path, tmp_path: Path) -> None:
    common = ["--set", "batch=2", "--set", "test_part=4:", "--first", "4", "--steps", "1", "--seeds", "1"]
    folders = ["--real", str(labelled), "--test", str(labelled), "-o", str(tmp_path / "out")]
    assert main(["evaluate", *folders, *common]) == 0
    assert list(read_json(tmp_path / "out" / "metrics.json")["arms"]) == ["real_only"]


def test_networks_that_diverge_are_not_handed_over(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--set", "batch=2", "--set", "test_part=4:", "--first", "4", "--steps", "3", "--seeds", "1"]
    folders = ["--real", str(labelled), "--test", str(labelled), "-o", str(tmp_path / "out")]
    assert main(["evaluate", *folders, *common, "--set", "lr=1e38"]) == 2
    assert "diverged" in capsys.readouterr().err
    assert not (tmp_path / "out" / "DONE").exists()
    assert main(["evaluate", *folders, *common, "--set", "lr=inf"]) == 2
    assert "finite" in capsys.readouterr().err
