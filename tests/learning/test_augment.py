"""Augmentation: image and label stay aligned, and everything random comes from one stream."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from discs import SEGMENTATION, blobs
from handsoff.core.images import IGNORE, to_float
from handsoff.learning.augment import affine, photometric
from handsoff.learning.data import FULL, Batch
from handsoff.tasks.segmentation import mirrored_ids


def test_augmentation_keeps_image_and_mask_aligned() -> None:
    """Where the image shows a class's colour, the mask says that class, whatever the map; not square, to see shear."""
    labels = torch.zeros(64, 48, 64, dtype=torch.uint8)
    labels[:, 6:20, 10:30], labels[:, 26:44, 34:60] = 1, 2
    images = torch.stack([(labels == k).float() for k in range(3)], 1)
    whole = Batch(images, labels.numpy(), 64, np.full((64, 48, 64), FULL, np.uint8))
    view = affine(whole, SEGMENTATION, torch.Generator().manual_seed(0))
    moved, names = view.images, torch.from_numpy(view.labels)
    sure = (moved.amax(1) > 0.99) & (names != 255)
    assert sure.float().mean() > 0.7
    assert (moved.argmax(1)[sure] == names[sure]).float().mean() > 0.999
    assert 0.02 < (names == 255).float().mean() < 0.4
    assert not torch.equal(names[0], labels[0])
    assert np.array_equal(view.weights, np.where(view.labels == IGNORE, 0, FULL)), "no pixel came from there"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(3, 24), width=st.integers(3, 24))
def test_weights_go_where_the_labels_go(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (4, height, width)).astype(np.uint8)
    images = torch.zeros(4, 3, height, width)
    view = affine(Batch(images, labels, 4, labels + 1), SEGMENTATION, torch.Generator().manual_seed(seed))
    assert np.array_equal(view.weights, np.where(view.labels == IGNORE, 0, view.labels + 1))


def test_augmentation_is_drawn_from_its_stream() -> None:
    samples, twice = blobs(4, 0), []
    for _ in range(2):
        stream = torch.Generator().manual_seed(5)
        view = affine(Batch(to_float(samples.images), samples.labels, 4), SEGMENTATION, stream)
        twice.append((photometric(view.images, stream), view.labels))
    assert torch.equal(twice[0][0], twice[1][0])
    assert np.array_equal(twice[0][1], twice[1][1])


def test_left_and_right_change_places_in_the_mirror() -> None:
    table = mirrored_ids(["background", "left_eye", "right_eye", "front_left_door", "nose"])
    assert table[:5].tolist() == [0, 2, 1, 3, 4]  # the door has no partner and stays
    assert table[255] == 255
