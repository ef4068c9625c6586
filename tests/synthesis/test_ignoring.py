"""Uncertain pixels become ignored, in labels that are maps, and all of them together."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.datasets.generated import open_generated
from handsoff.jobs.progress import run_to_end
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


def test_a_run_stopped_while_it_ignored_goes_on(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = GenerateSettings(n=12, ignore_pixels=0.2)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("handsoff.synthesis.dataset.write_preview", killed)
        with pytest.raises(KeyboardInterrupt):
            run_to_end(generate([labeler], tmp_path / "killed", settings))
    run_to_end(generate([labeler], tmp_path / "killed", settings))
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    for file in (tmp_path / "whole" / "masks").iterdir():
        assert (tmp_path / "killed" / "masks" / file.name).read_bytes() == file.read_bytes()


def test_points_have_no_pixels_to_ignore(labelers: list[Path], tmp_path: Path) -> None:
    points = next(labeler for labeler in labelers if labeler.name == "keypoints")
    with pytest.raises(InputError, match="ignore_pixels is for labels that are maps"):
        run_to_end(generate([points], tmp_path / "out", GenerateSettings(n=4, ignore_pixels=0.1)))
