"""How often every part of a label occurs."""

import numpy as np

from handsoff.formats.samples import Dataset, LabelledImage
from handsoff.inspection.statistics import collect_statistics
from handsoff.tasks import make_task


def test_parts_of_one_name_in_two_tasks_are_told_apart() -> None:
    tasks = {
        "segmentation": make_task("segmentation", {"classes": ["background", "nose"]}),
        "keypoints": make_task("keypoints", {"names": ["nose", "chin"], "mirror": None, "scale": None, "sigma": None}),
    }
    mask = np.zeros((8, 8), np.uint8)
    mask[:2] = 1
    labels = {"segmentation": mask, "keypoints": np.array([[1, 1, 0], [2, 2, 2]], np.float32)}
    image = np.zeros((8, 8, 3), np.uint8)
    found = collect_statistics(Dataset(("a",), tasks, lambda name: LabelledImage(name, image, labels)))
    assert dict(found.parts) == {
        "background": "in 1 of 1, 75.0 %",
        "segmentation/nose": "in 1 of 1, 25.0 %",
        "keypoints/nose": "in 0 of 1, 0.0 %",
        "chin": "in 1 of 1, 100.0 %",
    }
    assert found.problems == ["keypoints/nose occurs in no sample"]
