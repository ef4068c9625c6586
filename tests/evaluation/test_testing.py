"""A model on the test samples: every task is scored sample by sample, and what is not known counts nowhere."""

import numpy as np
import pytest
import torch

from discs import CLASSES, SEGMENTATION, blobs
from handsoff.evaluation import testing
from handsoff.evaluation.testing import drawn_samples, examine, prediction_archive
from handsoff.evaluation.testing import test_archive as true_archive
from handsoff.learning.data import LabelledArrays
from handsoff.learning.supervised import TEST_BATCH, predictions
from handsoff.tasks import make_task
from handsoff.tasks.base import Labels, Task


def scored(task: Task, test: LabelledArrays, labels: Labels) -> testing.Tested:
    """What these labels of the test samples are worth."""
    return examine(task, test, [labels[at : at + TEST_BATCH] for at in range(0, len(labels), TEST_BATCH)])


def test_classes_are_confused_as_often_as_they_are() -> None:
    test = blobs(20, seed=0)
    predicted = np.where(test.labels == 2, np.uint8(1), test.labels)  # the core is never found
    found = scored(SEGMENTATION, test, predicted)
    counts = [int((test.labels == index).sum()) for index in range(3)]
    assert found.confusion == [[counts[0], 0, 0], [0, counts[1], 0], [0, counts[2], 0]]
    assert found.parts["core"] == [0.0] * 20
    assert found.parts["background"] == [1.0] * 20
    assert len(found.samples) == len(found.labels) == 20


def test_a_sample_about_which_nothing_is_known_has_no_score() -> None:
    test = blobs(3, seed=0)
    test.labels[1] = 255
    found = scored(SEGMENTATION, test, blobs(3, seed=0).labels)
    assert found.samples == [1.0, None, 1.0]
    assert found.parts["blob"] == [1.0, None, 1.0]


@pytest.mark.parametrize(
    ("name", "schema", "label"),
    [
        ("keypoints", {"names": ["a", "b"]}, np.array([[1, 2, 2], [20, 9, 2]], np.float32)),
        ("depth", {"unit": "metres"}, np.full((32, 32), 2, np.float32)),
        ("normals", {"focal": 1.0}, np.full((32, 32, 3), (128, 128, 255), np.uint8)),
    ],
)
def test_other_tasks_are_scored_and_drawn_alike(name: str, schema: dict[str, object], label: Labels) -> None:
    task, labels = make_task(name, schema), np.stack([label] * 4)
    test = LabelledArrays(blobs(4, seed=0).images, labels)
    found = scored(task, test, labels.copy())
    assert found.confusion == []
    assert len({*found.samples}) == 1
    assert None not in found.samples
    assert true_archive(task, test) == true_archive(task, test)
    assert prediction_archive(task, test, found.labels)


def test_of_many_samples_some_are_drawn_spread_evenly() -> None:
    assert drawn_samples(3) == [0, 1, 2]
    chosen = drawn_samples(10_000)
    assert len(chosen) == testing.PICTURED
    assert (chosen[0], chosen[-1]) == (0, 9999)


def test_a_bare_label_has_the_colours_of_the_legend() -> None:
    label = np.array([[[0, 1], [2, 255]]], np.uint8)
    (bare,) = SEGMENTATION.drawing.bare(label, (2, 2))
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in bare.reshape(-1, 3)]
    assert dict(zip(CLASSES, colours, strict=False)) == dict(SEGMENTATION.drawing.legend())
    assert colours[3] == "#ffffff"


class LeftEdge(torch.nn.Module):
    """Class 1 where the pixel to the left is darker: blind to edges that a mirror image shows it."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = images.mean(1)
        rise = torch.nn.functional.pad(grey[..., 1:] - grey[..., :-1], (1, 0))
        return torch.stack([torch.zeros_like(rise), 10 * rise], 1)


def test_mirror_images_vote_on_the_test_where_asked() -> None:
    image = np.zeros((1, 4, 8, 3), np.uint8)
    image[:, :, 3:5] = 255  # it rises at column 3 and falls after column 4
    task = make_task("segmentation", {"classes": ["flat", "edge"]})
    truth = np.zeros((1, 4, 8), np.uint8)
    truth[:, :, 3:5] = 1
    test = LabelledArrays(image, truth)
    plain, mirrored = (
        examine(task, test, predictions(LeftEdge(), task, test.images, mirror=mirror)) for mirror in (False, True)
    )
    assert np.flatnonzero(plain.labels[0, 0]).tolist() == [3]
    assert np.flatnonzero(mirrored.labels[0, 0]).tolist() != [3]
    assert mirrored.labels[0].tolist() == mirrored.labels[0][:, ::-1].tolist()
