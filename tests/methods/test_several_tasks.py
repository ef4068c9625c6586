"""Several kinds of label from one inversion: one set of codes, a label generator per task, one dataset, a report per task."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis import generate as module
from handsoff.synthesis.generate import generate
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks import TASKS
from toy import CLASSES, POINTS, toy_generator, toy_labels, toy_several

FIT = FitSettings(members=3, hidden=(8, 8), steps=4, images=2, pixels=20, networks=0, perception=False)
INVERT = InvertSettings(encoder_steps=0, steps=2)
TINY = EvaluateSettings(steps=2, seeds=1, batch=2, first=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos with three kinds of label, inverted once; a label generator for each of the four tasks."""
    root = tmp_path_factory.mktemp("world")
    toy_several(toy_generator(root / "generator"), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "codes", INVERT))
    for task in TASKS:
        run_to_end(fit(root / "generator", root / "codes", root / task, FIT.model_copy(update={"task": task})))
    return root


@pytest.fixture(scope="module")
def dataset(world: Path) -> Path:
    """Forty samples with every kind of label."""
    run_to_end(generate([world / task for task in TASKS], world / "dataset", GenerateSettings(n=40, keep=1)))
    return world / "dataset"


def records(dataset: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (dataset / "samples.jsonl").read_text().splitlines()]


def files(dataset: Path) -> dict[str, bytes]:
    """What a run must give again bit for bit: everything but its times and its ledger."""
    found = [
        file
        for file in dataset.rglob("*")
        if file.is_file() and file.name != "report.json" and "ledger" not in file.parts
    ]
    return {file.relative_to(dataset).as_posix(): file.read_bytes() for file in found}


# --- codes and label generators -----------------------------------------------------------------------------------------------------------------


def test_one_inversion_carries_every_kind_of_label(world: Path) -> None:
    photos, codes = (open_labelled(folder) for folder in (world / "labelled", world / "codes" / "labels"))
    assert list(photos.kinds) == list(codes.kinds) == list(TASKS), "normals come with depth"
    assert list(read_json(world / "codes" / "codes.json")["tasks"]) == list(TASKS)
    for name in photos.names:
        (image, labels), (same, others) = photos.sample(name), codes.sample(name)
        assert np.array_equal(image, same)
        for task, label in labels.items():
            assert np.array_equal(label, others[task]), task
    near, far = codes.tasks["depth"].schema["range"]
    depths = np.stack([photos.label("depth", name) for name in photos.names])
    assert 0.9 * depths.min() < near < depths.min() < depths.max() < far < 1.1 * depths.max(), "taken from the labels"
    assert codes.tasks["keypoints"].schema["names"] == POINTS


def test_every_label_generator_reads_the_same_codes(world: Path) -> None:
    reports = [read_json(world / task / "report.json") for task in TASKS]
    assert len({report["inputs"]["codes"]["fingerprint"] for report in reports}) == 1
    assert [load_labeler(world / task).task.name for task in TASKS] == list(TASKS)
    assert load_labeler(world / "depth").task.schema["unit"] == "metres"
    assert all(np.isfinite(report["held_out_loss"]).all() for report in reports)


def test_moved_copies_take_all_labels_along(world: Path, tmp_path: Path) -> None:
    run_to_end(
        invert(
            world / "generator",
            world / "labelled",
            tmp_path / "codes",
            INVERT.model_copy(update={"variants": 2, "steps": 0}),
        )
    )
    pack = open_labelled(tmp_path / "codes" / "labels")
    assert len(pack.names) == 16
    for name in (name for name in pack.names if "~" in name):
        image, labels = pack.sample(name)
        known = labels["depth"] > 0
        depth = 1 + image.mean(-1) / 255
        assert np.abs(depth - labels["depth"])[known].mean() < np.abs(depth[:, ::-1] - labels["depth"])[known].mean(), (
            "depth lies where its picture does"
        )
        assert np.array_equal(known, labels["segmentation"] != 255)


def test_one_kind_of_label_can_be_chosen(world: Path, tmp_path: Path) -> None:
    chosen = InvertSettings(encoder_steps=0, steps=0, tasks=("keypoints",))
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "codes", chosen))
    assert list(open_labelled(tmp_path / "codes" / "labels").kinds) == ["keypoints"]


@pytest.fixture(scope="module")
def masks_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another generator, its photos with masks only, and a label generator for them."""
    root = tmp_path_factory.mktemp("masks")
    toy_labels(toy_generator(root / "generator", seed=1), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "codes", InvertSettings(encoder_steps=0, steps=0)))
    run_to_end(fit(root / "generator", root / "codes", root / "segmentation", FIT))
    return root


def test_a_task_that_the_codes_lack_is_refused_and_leaves_nothing(masks_only: Path, tmp_path: Path) -> None:
    sentence = r"codes carries labels for segmentation, not for depth: choose one of them, or invert photos that have such labels\.$"
    with pytest.raises(InputError, match=sentence):
        run_to_end(
            fit(
                masks_only / "generator",
                masks_only / "codes",
                tmp_path / "labeler",
                FIT.model_copy(update={"task": "depth"}),
            )
        )
    assert not (tmp_path / "labeler").exists()


# --- datasets -----------------------------------------------------------------------------------------------------------------------------------


def test_a_dataset_holds_every_kind_of_label(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "moved")
    pack = open_labelled(tmp_path / "moved")
    assert set(pack.kinds) == set(TASKS)
    assert len(pack.names) == 40
    image, labels = pack.sample(pack.names[7])
    assert image.shape == (16, 16, 3)
    assert {name: (label.dtype.name, label.shape) for name, label in labels.items()} == {
        "segmentation": ("uint8", (16, 16)),
        "keypoints": ("float32", (2, 3)),
        "depth": ("float32", (16, 16)),
        "normals": ("uint8", (16, 16, 3)),
    }
    assert read_json(dataset / "classes.json") == CLASSES
    assert read_json(dataset / "points.json")["names"] == POINTS
    assert read_json(dataset / "depth.json")["unit"] == "metres"
    near, far = read_json(dataset / "depth.json")["range"]
    assert near * 0.999 < labels["depth"].min()
    assert labels["depth"].max() < far * 1.001
    assert set(read_json(dataset / "keypoints.json")) == set(pack.names)
    for folder, suffix in {"images": "png", "masks": "png", "depth": "npz", "normals": "png"}.items():
        assert sorted(file.name for file in (dataset / folder).iterdir()) == [f"{name}.{suffix}" for name in pack.names]
    assert list(read_json(dataset / "manifest.json")["tasks"]) == list(TASKS)


def test_every_sample_says_how_uncertain_each_of_its_labels_is(dataset: Path) -> None:
    """A map per task that labels pixels; for keypoints a number per point, in samples.jsonl."""
    told = records(dataset)
    assert {name.name for name in dataset.glob("uncertainty*")} == {
        "uncertainty-segmentation",
        "uncertainty-depth",
        "uncertainty-normals",
    }
    for folder in dataset.glob("uncertainty-*"):
        assert sorted(file.stem for file in folder.iterdir()) == [record["name"] for record in told]
    for record in told:
        assert set(record["uncertainties"]) == set(TASKS)
        assert all(0 <= value <= 1 for value in record["uncertainties"].values())
        assert list(record["per_point"]) == ["keypoints"]
        points = record["per_point"]["keypoints"]
        assert len(points) == 2
        assert record["uncertainties"]["keypoints"] == pytest.approx(max(points), abs=1e-4)
        assert "rest" not in record


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_those_of_a_dataset_with_one_task(dataset: Path, world: Path, tmp_path: Path, task: str) -> None:
    run_to_end(generate([world / task], tmp_path / "alone", GenerateSettings(n=6, seed=17, keep=1)))
    alone, together = files(tmp_path / "alone"), files(dataset)
    for name, data in alone.items():
        if name.startswith("uncertainty/"):
            assert data == together[name.replace("uncertainty/", f"uncertainty-{task}/")]
        elif "/" in name:
            assert data == together[name], name
    if task == "keypoints":
        ours, theirs = (read_json(folder / "keypoints.json") for folder in (tmp_path / "alone", dataset))
        assert len(ours) == 6
        assert ours.items() <= theirs.items()
    told = {record["name"]: record["uncertainties"] for record in records(dataset)}
    assert all(record["uncertainties"][task] == told[record["name"]][task] for record in records(tmp_path / "alone"))


def test_label_generators_with_and_without_pretrained_features_go_together(
    dataset: Path, world: Path, tmp_path: Path
) -> None:
    run_to_end(
        fit(
            world / "generator",
            world / "codes",
            tmp_path / "seeing",
            FIT.model_copy(update={"task": "depth", "perception": True}),
        )
    )
    settings = GenerateSettings(n=3, keep=1)
    run_to_end(generate([tmp_path / "seeing"], tmp_path / "alone", settings))
    run_to_end(generate([world / "segmentation", tmp_path / "seeing"], tmp_path / "both", settings))
    alone, both, all_tasks = (files(folder) for folder in (tmp_path / "alone", tmp_path / "both", dataset))
    assert all(both[name] == alone[name] != all_tasks[name] for name in alone if name.startswith("depth/"))
    assert all(both[name] == all_tasks[name] for name in both if name.startswith(("images/", "masks/")))


def test_any_and_all_drop_as_many_but_not_the_same(dataset: Path) -> None:
    chosen = {}
    for drop in ("any", "all"):
        entries = [{"seed": record["seed"], "uncertainties": record["uncertainties"]} for record in records(dataset)]
        select(entries, 0.7, drop)  # type: ignore[arg-type]  # one of the two
        chosen[drop] = {entry["seed"] for entry in entries if entry["kept"]}
        assert len(chosen[drop]) == 28
        values = np.array([[entry["uncertainties"][task] for task in TASKS] for entry in entries])
        more_certain = (values[None] < values[:, None]).mean(1)
        decided = more_certain.max(1) if drop == "any" else more_certain.min(1)
        kept = np.array([entry["kept"] for entry in entries])
        assert decided[kept].max() <= decided[~kept].min()
        assert all(entry["reason"] for entry in entries if not entry["kept"])
    assert chosen["any"] != chosen["all"]


@pytest.mark.parametrize("drop", ["any", "all"])
def test_what_was_dropped_is_gone_everywhere(world: Path, tmp_path: Path, drop: Any) -> None:
    run_to_end(
        generate([world / task for task in TASKS], tmp_path / "dataset", GenerateSettings(n=20, keep=0.6, drop=drop))
    )
    told = records(tmp_path / "dataset")
    kept = [record["name"] for record in told if record["kept"]]
    assert (len(told), len(kept)) == (20, 12)
    folders = (
        "images",
        "masks",
        "depth",
        "normals",
        "uncertainty-segmentation",
        "uncertainty-depth",
        "uncertainty-normals",
    )
    for folder in folders:
        assert sorted(file.stem for file in (tmp_path / "dataset" / folder).iterdir()) == kept
    assert list(read_json(tmp_path / "dataset" / "keypoints.json")) == kept
    assert open_labelled(tmp_path / "dataset").names == tuple(kept)


def test_a_killed_run_with_several_tasks_goes_on(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 5)
    settings, labelers = GenerateSettings(n=12, seed=3, keep=0.75), [world / task for task in TASKS]
    work = generate(labelers, tmp_path / "killed", settings)
    next(work)
    work.close()  # type: ignore[attr-defined]  # a generator
    assert not (tmp_path / "killed" / "keypoints.json").exists(), "written at the end, from the ledger"
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "killed" / "depth").iterdir()}
    assert len(made) == 10, "the first chunk, and the second, which was made while the first was written"
    run_to_end(generate(labelers, tmp_path / "killed", settings))
    assert all(file.stat().st_mtime_ns == time for file, time in made.items() if file.is_file())
    run_to_end(generate(labelers, tmp_path / "whole", settings))
    killed, whole = files(tmp_path / "killed"), files(tmp_path / "whole")
    assert killed == whole
    assert len(json.loads(whole["keypoints.json"])) == 9


def test_two_label_generators_of_one_task_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Two label generators have the task depth: give one of each task"):
        run_to_end(
            generate([world / "depth", world / "keypoints", world / "depth"], tmp_path / "out", GenerateSettings(n=2))
        )
    assert not (tmp_path / "out").exists()


def test_label_generators_of_different_generators_are_refused(world: Path, masks_only: Path, tmp_path: Path) -> None:
    sentence = r"segmentation was fitted to another generator than .*keypoints: give label generators of the same one"
    with pytest.raises(MismatchError, match=sentence):
        run_to_end(
            generate([world / "keypoints", masks_only / "segmentation"], tmp_path / "out", GenerateSettings(n=2))
        )
    assert not (tmp_path / "out").exists()


def test_an_unfinished_label_generator_is_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "depth", tmp_path / "half")
    (tmp_path / "half" / "DONE").unlink()
    with pytest.raises(InputError, match="half is not finished: run handsoff fit again"):
        run_to_end(generate([world / "keypoints", tmp_path / "half"], tmp_path / "out", GenerateSettings(n=2)))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def few(world: Path) -> Path:
    """Four samples, as many as there are real ones in the evaluations."""
    run_to_end(generate([world / task for task in TASKS], world / "few", GenerateSettings(n=4, keep=1)))
    return world / "few"


# --- reports ------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def test_pack(world: Path) -> Path:
    """Eight other photos that have the same names as the training photos."""
    toy_several(toy_generator(world / "generator"), world / "test", first=5000)
    return world / "test"


METRICS = {
    "segmentation": {"miou", "miou_foreground"},
    "keypoints": {"pck@0.1", "pck@0.05", "nme"},
    "depth": {"nmse", "rmse", "abs_rel", "rmse_log", "sq_rel"},
    "normals": {"angle", "within_11.25"},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_report(few: Path, world: Path, test_pack: Path, tmp_path: Path, task: str) -> None:
    run_to_end(
        evaluate(world / "labelled", few, test_pack, tmp_path / "report", TINY.model_copy(update={"task": task}))
    )
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert metrics["task"] == task
    assert (metrics["n_real"], metrics["n_synthetic"], metrics["n_test"]) == (4, 4, 8)
    for scores in metrics["arms"].values():
        assert set(scores) == METRICS[task]
        assert all(np.isfinite(entry["mean"]) for entry in scores.values())
    page = (tmp_path / "report" / "report.html").read_text()
    assert all(TASKS[task].metrics[name].title in page for name in list(METRICS[task])[:1])
    assert (tmp_path / "report" / "DONE").is_file()


@pytest.mark.slow
def test_a_group_that_was_trained_on_is_no_test(few: Path, world: Path, test_pack: Path, tmp_path: Path) -> None:
    r"""Names alike in the regular expression are one person: photo00 to photo03 were trained on, those of the test are left out."""
    settings = TINY.model_copy(update={"task": "depth", "group": r"photo(\d+)", "test_part": "2:8", "steps": 1})
    run_to_end(evaluate(world / "labelled", few, test_pack, tmp_path / "report", settings))
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert (metrics["n_real"], metrics["n_test"], metrics["excluded_from_test"]) == (4, 4, 2)
    with pytest.raises(
        InputError, match=r"No test samples are left \(all of them are of groups that were trained or chosen on\)"
    ):
        run_to_end(
            evaluate(
                world / "labelled", few, test_pack, tmp_path / "none", settings.model_copy(update={"group": "photo"})
            )
        )
    assert not (tmp_path / "none").exists()


def test_a_task_that_the_dataset_lacks_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(generate([world / "keypoints"], tmp_path / "dataset", GenerateSettings(n=2, keep=1)))
    with pytest.raises(InputError, match=r"dataset has labels for keypoints, not for depth: choose one of them"):
        run_to_end(
            evaluate(
                world / "labelled",
                tmp_path / "dataset",
                world / "labelled",
                tmp_path / "out",
                TINY.model_copy(update={"task": "depth"}),
            )
        )
    assert not (tmp_path / "out").exists()
