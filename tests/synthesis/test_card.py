"""The card of a generated dataset: complete, the same every time, and loadable by the hub's library."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings


def test_the_card_says_how_the_dataset_was_made_and_what_it_holds(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=20, seed=5, keep=0.8)))
    text = (tmp_path / "dataset" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["license"], head["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert read_json(labeler / "labeler.json")["generator"][:12] in text
    for sentence in (
        "16 generated images with labels (segmentation)",
        "drew 20 images from the seeds 5 to 24",
        "learnt from 8 labelled images",
        "the 16 most certain ones were kept",
        "| kept | 16 |",
        "| dropped | 4 |",
        "| dark | ",
        "## Limits",
    ):
        assert sentence in text
    assert str(tmp_path) not in text, "no path of this machine"
    run_to_end(generate([labeler], tmp_path / "again", GenerateSettings(n=20, seed=5, keep=0.8)))
    assert (tmp_path / "again" / "README.md").read_text(encoding="utf-8") == text


def test_the_card_goes_along_to_hugging_face(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=20)))
    run_to_end(convert(tmp_path / "dataset", tmp_path / "parquet", ConvertSettings(format="huggingface")))
    text = (tmp_path / "parquet" / "README.md").read_text(encoding="utf-8")
    assert "drew 20 images from the seeds 0 to 19" in text
    assert "18 generated images" in text
    assert "metadata.jsonl" not in text
    assert yaml.safe_load(text.split("---\n")[1])["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"


@pytest.mark.slow
def test_the_hubs_library_loads_images_with_their_labels(
    labelers: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    run_to_end(generate(labelers, tmp_path / "dataset", GenerateSettings(n=8)))
    rows = datasets.load_dataset(str(tmp_path / "dataset"), cache_dir=str(tmp_path / "cache"))["train"]
    data = open_labelled(tmp_path / "dataset")
    assert len(rows) == len(data.names) == 7
    for row, name in zip(rows, data.names, strict=True):
        image, labels = data.sample(name)
        assert np.array_equal(np.asarray(row["image"]), image)
        assert np.array_equal(np.asarray(row["mask"]), labels["segmentation"])
        assert np.array_equal(np.asarray(row["normals"]), labels["normals"])
        assert np.allclose(row["keypoints"], labels["keypoints"], atol=1e-3)
        assert 0 <= row["uncertainty"] <= 1
