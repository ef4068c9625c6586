"""Classes whose names differ little stay two classes in every format, with the manifest of HandsOff and without."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import WRITERS, open_dataset
from handsoff.formats.samples import LabelledImage, Writing
from handsoff.formats.shapes import background_of, palette
from handsoff.tasks import make_task


@pytest.mark.parametrize("name", ["coco", "coco-panoptic", "cvat", "yolo", "labelstudio", "huggingface", "webdataset"])
@pytest.mark.parametrize(
    "classes",
    [
        ["background", "Background", "Bone"],
        ["Background", "Bone", "background"],
        ["_background_", "background", "bone", "Bone"],
    ],
)
def test_classes_that_differ_in_case_do_not_merge(tmp_path: Path, name: str, classes: list[str]) -> None:
    if name == "huggingface":
        pytest.importorskip("pyarrow")
    label = np.repeat(np.arange(len(classes), dtype=np.uint8), 8).reshape(-1, 8)
    sample = LabelledImage("a", np.zeros((*label.shape, 3), np.uint8), {"segmentation": label})
    writing = Writing({"segmentation": make_task("segmentation", {"classes": classes})}, ("a",))
    WRITERS[name].finish(tmp_path, WRITERS[name].write(tmp_path, 0, [sample], writing), writing)
    samples = open_dataset(open_source(tmp_path), name)
    found = samples.tasks["segmentation"].parts
    mask = next(samples.read(name) for name in samples.names).labels["segmentation"]
    assert [found[value] for value in mask[:, 0]] == classes


@pytest.mark.parametrize(
    ("names", "background"),
    [
        (["Background", "background"], "background"),
        (["__background__", "Background", "_background_"], "_background_"),
        (["bone", "BACKGROUND", "Background"], "BACKGROUND"),
        (["bone"], None),
    ],
)
def test_which_class_is_the_background(names: list[str], background: str | None) -> None:
    assert background_of(names) == background
    made = palette(names, "here")
    assert made.rest == 0
    assert made.classes[0] == (background or "background")
    assert set(names) <= set(made.classes)
