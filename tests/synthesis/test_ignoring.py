"""Uncertain pixels become ignored, in labels that are maps, and all of them together."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.datasets.generated import open_generated
from handsoff.jobs.progress import run_to_end
from handsoff.synthesis import shard
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings


def test_the_most_uncertain_pixels_of_all_labels_are_ignored(labelers: list[Path], tmp_path: Path) -> None:
    kept = GenerateSettings(n=12, keep=1)
    ignoring = kept.model_copy(update={"ignore_pixels": 0.2})
    run_to_end(generate(labelers, tmp_path / "whole", kept))
    run_to_end(generate(labelers, tmp_path / "holes", ignoring))
    whole, holes = open_generated(tmp_path / "whole"), open_generated(tmp_path / "holes")
    limits = holes.manifest["ignored_above"]
    assert "keypoints" not in limits
    for task, outside in (("segmentation", 255), ("depth", 0)):
        gone = []
        for name in holes.labelled(task).names:
            label, before = (data.labelled(task).label(task, name) for data in (holes, whole))
            uncertainty = holes.uncertainty_map(name, task)
            assert uncertainty is not None
            ignored = uncertainty > limits[task] + 1e-3
            assert (label[ignored] == outside).all()
            assert np.array_equal(label[~ignored], before[~ignored])
            gone.append(ignored.mean())
        assert 0 < np.mean(gone) <= 0.2
        assert len(set(gone)) > 1, "uncertain samples lose more than certain ones"
    points = [data.labelled("keypoints").label("keypoints", "00000003") for data in (whole, holes)]
    assert np.array_equal(*points)


def test_records_and_the_account_of_an_aim_tell_what_labels_show_afterwards(labeler: Path, tmp_path: Path) -> None:
    aim = {"bright": {"pixels": 0.4}, "middle": 0.9}
    settings = GenerateSettings(n=12, keep=0.5, aim=aim, draws_limit=12, ignore_pixels=0.3)
    run_to_end(generate([labeler], tmp_path / "out", settings))
    data = open_generated(tmp_path / "out")
    labels = data.labelled("segmentation")
    kept = [record for record in data.records() if record["kept"]]
    for record in kept:
        label = labels.label("segmentation", record["name"])
        assert record["shows"]["segmentation"] == labels.tasks["segmentation"].scores.shows(label)
    assert sum(record["shows"]["segmentation"].get("ignored", 0) for record in kept) / len(kept) > 0.2
    (bright, middle) = data.manifest["aim"]["groups"]
    masks = [labels.label("segmentation", record["name"]) for record in kept]
    assert bright["reached"] == pytest.approx(np.mean([(mask == 2).mean() for mask in masks]), abs=1e-5)
    assert middle["reached"] == pytest.approx(np.mean([(mask == 1).mean() >= 1e-3 for mask in masks]), abs=1e-5)


def test_a_run_stopped_while_it_ignored_goes_on(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD", 4)
    settings = GenerateSettings(n=12, ignore_pixels=0.2)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("handsoff.synthesis.dataset.write_preview", killed)
        with pytest.raises(KeyboardInterrupt):
            run_to_end(generate([labeler], tmp_path / "killed", settings))
    made = {file: file.stat().st_mtime_ns for file in sorted((tmp_path / "killed" / "images").iterdir())}
    broken = tmp_path / "killed" / "masks" / next(iter(made)).name
    broken.write_bytes(broken.read_bytes()[:-9])
    run_to_end(generate([labeler], tmp_path / "killed", settings))
    again = [file.stat().st_mtime_ns != time for file, time in made.items()]
    assert 0 < sum(again) <= 4, "only the shard of the broken label is made again"
    assert again[0]
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    for file in ("samples.jsonl", *(f"masks/{file.name}" for file in (tmp_path / "whole" / "masks").iterdir())):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_points_have_no_pixels_to_ignore(labelers: list[Path], tmp_path: Path) -> None:
    points = next(labeler for labeler in labelers if labeler.name == "keypoints")
    with pytest.raises(InputError, match="ignore_pixels is for labels that are maps"):
        run_to_end(generate([points], tmp_path / "out", GenerateSettings(n=4, ignore_pixels=0.1)))
