"""What is counted of masks."""

import numpy as np

from handsoff.tasks.segmentation import Segmentation

MASKS = np.array([[[0, 0, 1, 255]], [[0, 0, 0, 255]]], np.uint8)


def test_ignored_pixels_are_listed_beside_the_classes() -> None:
    counted = Segmentation({"classes": ["ground", "thing"]}).scores.label_statistics(MASKS)
    assert counted == {"ground": (2, 5 / 8), "thing": (1, 1 / 8), "ignored": (2, 2 / 8)}


def test_a_class_called_ignored_keeps_its_numbers() -> None:
    counted = Segmentation({"classes": ["ground", "ignored"]}).scores.label_statistics(MASKS)
    assert counted == {"ground": (2, 5 / 8), "ignored": (1, 1 / 8)}
