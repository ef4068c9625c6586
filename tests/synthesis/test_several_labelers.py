"""Several labelers of one generator label the same samples."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from deciding import decided
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.generated import GeneratedDataset, open_generated
from handsoff.datasets.labelled import open_labelled
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import load_labeler
from handsoff.sampling.draws import Draw
from handsoff.synthesis import shard
from handsoff.synthesis.generate import check_same_generator, generate
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.select import Drop
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks import TASKS
from toy import CLASSES, POINTS

MAPS = {"uncertainty-segmentation", "uncertainty-depth", "uncertainty-normals"}


@pytest.fixture(scope="module")
def dataset(labelers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> GeneratedDataset:
    """Forty samples with every kind of label."""
    out = tmp_path_factory.mktemp("datasets") / "dataset"
    run_to_end(generate(labelers, out, GenerateSettings(n=40, keep=1)))
    return open_generated(out)


def test_the_terms_of_every_labeler_are_those_of_the_dataset(labelers: list[Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(labelers[1], tmp_path / "other"))
    card = read_json(other / "labeler.json")
    write_json(other / "labeler.json", {**card, "licence": "CC0; research only"})
    run_to_end(generate([labelers[0], other], tmp_path / "out", GenerateSettings(n=4)))
    assert read_json(tmp_path / "out" / "manifest.json")["licence"] == "CC0; CC0; research only"
    assert "research only" in (tmp_path / "out" / "README.md").read_text()


def files(dataset: Path) -> dict[str, bytes]:
    """What a run must give again bit for bit: everything but its times and its ledger."""
    found = [
        file
        for file in dataset.rglob("*")
        if file.is_file() and file.name != "report.json" and "ledger" not in file.parts
    ]
    return {file.relative_to(dataset).as_posix(): file.read_bytes() for file in found}


def test_a_dataset_holds_every_kind_of_label(dataset: GeneratedDataset, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(dataset.folder, tmp_path / "moved"))
    data = open_labelled(moved)
    assert set(data.kinds) == set(TASKS)
    assert len(data.names) == 40
    image, labels = data.sample(data.names[7])
    assert image.shape == (16, 16, 3)
    assert {name: (label.dtype.name, label.shape) for name, label in labels.items()} == {
        "segmentation": ("uint8", (16, 16)),
        "keypoints": ("float32", (2, 3)),
        "depth": ("float32", (16, 16)),
        "normals": ("uint8", (16, 16, 3)),
    }
    assert read_json(moved / "classes.json") == CLASSES
    assert read_json(moved / "points.json")["names"] == POINTS
    assert read_json(moved / "depth.json")["unit"] == "metres"
    near, far = read_json(moved / "depth.json")["range"]
    assert near * 0.999 < labels["depth"].min()
    assert labels["depth"].max() < far * 1.001
    assert set(read_json(moved / "keypoints.json")) == set(data.names)
    for folder, suffix in {"images": "png", "masks": "png", "depth": "npz", "normals": "png"}.items():
        assert sorted(file.name for file in (moved / folder).iterdir()) == [f"{name}.{suffix}" for name in data.names]
    assert list(dataset.manifest["tasks"]) == list(TASKS)


def test_every_sample_says_how_uncertain_each_of_its_labels_is(dataset: GeneratedDataset) -> None:
    """A map per task that labels pixels; for keypoints a number per point, in samples.jsonl."""
    records = dataset.records()
    assert {name.name for name in dataset.folder.glob("uncertainty*")} == MAPS
    for folder in dataset.folder.glob("uncertainty-*"):
        assert sorted(file.stem for file in folder.iterdir()) == [record["name"] for record in records]
    for record in records:
        assert set(record["uncertainties"]) == set(TASKS)
        assert all(0 <= value <= 1 for value in record["uncertainties"].values())
        assert list(record["per_point"]) == ["keypoints"]
        points = record["per_point"]["keypoints"]
        assert len(points) == 2
        assert record["uncertainties"]["keypoints"] == pytest.approx(max(points), abs=1e-4)
        assert "rest" not in record


@pytest.mark.parametrize("index", range(len(TASKS)), ids=TASKS)
def test_labels_are_those_of_a_dataset_with_one_task(
    dataset: GeneratedDataset, labelers: list[Path], tmp_path: Path, index: int
) -> None:
    task = list(TASKS)[index]
    run_to_end(generate([labelers[index]], tmp_path / "alone", GenerateSettings(n=6, seed=17, keep=1)))
    alone, together = files(tmp_path / "alone"), files(dataset.folder)
    for name, data in alone.items():
        if name.startswith("uncertainty/"):
            assert data == together[name.replace("uncertainty/", f"uncertainty-{task}/")]
        elif "/" in name:
            assert data == together[name], name
    if task == "keypoints":
        ours, theirs = (read_json(folder / "keypoints.json") for folder in (tmp_path / "alone", dataset.folder))
        assert len(ours) == 6
        assert ours.items() <= theirs.items()
    known = {record["name"]: record["uncertainties"] for record in dataset.records()}
    ours = open_generated(tmp_path / "alone").records()
    assert all(record["uncertainties"][task] == known[record["name"]][task] for record in ours)


def test_all_labels_of_a_sample_are_made_again_from_its_record(dataset: GeneratedDataset, labelers: list[Path]) -> None:
    record = dataset.records()[23]
    loaded = [load_labeler(folder) for folder in labelers]
    (sample,) = label_draws(loaded, [Draw.of_record(record["draw"])])
    for task in TASKS:
        image, labels = dataset.labelled(task).sample(record["name"])
        assert np.array_equal(sample.image, image)
        np.testing.assert_allclose(sample.labels[task], labels[task], atol=1e-3, err_msg=task)


@pytest.mark.parametrize("drop", ["any", "all"])
def test_what_was_dropped_is_gone_everywhere(labelers: list[Path], tmp_path: Path, drop: Drop) -> None:
    run_to_end(generate(labelers, tmp_path / "dataset", GenerateSettings(n=20, keep=0.6, drop=drop)))
    records = open_generated(tmp_path / "dataset").records()
    kept = [record["name"] for record in records if record["kept"]]
    assert (len(records), len(kept)) == (20, 12)
    for folder in ("images", "masks", "depth", "normals", *MAPS):
        assert sorted(file.stem for file in (tmp_path / "dataset" / folder).iterdir()) == kept
    assert list(read_json(tmp_path / "dataset" / "keypoints.json")) == kept
    again = decided(records, 0.6, drop, "parts")
    assert [record["kept"] for record in again] == [record["kept"] for record in records]


def test_any_and_all_drop_as_many_but_not_the_same(dataset: GeneratedDataset) -> None:
    kept: dict[str, set[str]] = {}
    drops: tuple[Drop, Drop] = ("any", "all")
    for drop in drops:
        chosen = decided(dataset.records(), 0.7, drop)
        kept[drop] = {record["name"] for record in chosen if record["kept"]}
        assert len(kept[drop]) == 28
        values = np.array([[record["uncertainties"][task] for task in TASKS] for record in chosen])
        more_certain = (values[None] < values[:, None]).mean(1)
        shares = more_certain.max(1) if drop == "any" else more_certain.min(1)
        stays = np.array([record["kept"] for record in chosen])
        assert shares[stays].max() <= shares[~stays].min()
        assert all(record["reason"] for record in chosen if not record["kept"])
    assert kept["any"] != kept["all"]


def test_a_killed_run_with_several_tasks_goes_on(
    labelers: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD", 5)
    settings = GenerateSettings(n=12, seed=3, keep=0.75)
    work = generate(labelers, tmp_path / "killed", settings)
    next(work)
    work.close()
    assert not (tmp_path / "killed" / "keypoints.json").exists(), "written at the end, from the ledger"
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "killed" / "depth").iterdir()}
    assert len(made) == 5, "the first shard"
    run_to_end(generate(labelers, tmp_path / "killed", settings))
    assert all(file.stat().st_mtime_ns == time for file, time in made.items() if file.is_file())
    run_to_end(generate(labelers, tmp_path / "whole", settings))
    killed, whole = files(tmp_path / "killed"), files(tmp_path / "whole")
    assert killed == whole
    assert len(json.loads(whole["keypoints.json"])) == 9


def test_labelers_of_two_generators_or_of_one_task_do_not_go_together(
    labeler: Path, labelers: list[Path], tmp_path: Path
) -> None:
    settings = GenerateSettings(n=4)
    with pytest.raises(MismatchError, match="was fitted to another generator than"):
        run_to_end(generate([labelers[1], labeler], tmp_path / "dataset", settings))
    with pytest.raises(InputError, match="Two labelers have the task segmentation: give one of each task"):
        run_to_end(generate([labelers[0], labelers[0]], tmp_path / "dataset", settings))
    assert not (tmp_path / "dataset").exists()
    check_same_generator(labelers)


def test_what_was_begun_with_other_labelers_is_not_continued(labelers: list[Path], tmp_path: Path) -> None:
    settings = GenerateSettings(n=4)
    run_to_end(generate(labelers[:2], tmp_path / "dataset", settings))
    with pytest.raises(InputError, match=r"begun with a further labeler 2"):
        run_to_end(generate(labelers[:1], tmp_path / "dataset", settings))
    other = Path(shutil.copytree(labelers[0], tmp_path / "other"))
    card = read_json(other / "labeler.json")
    write_json(other / "labeler.json", {**card, "licence": "another"})
    with pytest.raises(InputError, match=r"begun with another labeler \("):
        run_to_end(generate([other, labelers[1]], tmp_path / "dataset", settings))
