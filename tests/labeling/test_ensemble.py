"""The pixel classifiers as one module, and what a task makes of their outputs."""

import numpy as np
import pytest
import torch

from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.hypercolumn import materialised
from handsoff.tasks.segmentation import Segmentation
from maps import feature_maps


def test_dense_equals_every_member_alone_on_the_materialised_hypercolumn() -> None:
    torch.manual_seed(0)
    features = feature_maps(4, 3, 2)
    ensemble = Ensemble(sum(f.shape[1] for f in features), 5, members=3, hidden=(8, 6)).eval()
    ensemble.mean.normal_()
    ensemble.scale.uniform_(0.5, 2)
    for bias in ensemble.biases:
        torch.nn.init.normal_(bias)
    size = (16, 12)
    columns = materialised(features, size).permute(0, 2, 3, 1).flatten(0, 2)
    naive = []
    for member in range(3):
        x = (columns - ensemble.mean) / ensemble.scale
        for layer in range(3):
            x = (x.relu() if layer else x) @ ensemble.weights[layer][member] + ensemble.biases[layer][member]
        naive.append(x.view(2, *size, 5).permute(0, 3, 1, 2))
    with torch.no_grad():
        torch.testing.assert_close(ensemble.dense(features, size), torch.stack(naive), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            ensemble(columns).view(3, 2, *size, 5).permute(0, 1, 4, 2, 3), torch.stack(naive), rtol=1e-4, atol=1e-4
        )


def test_a_member_alone_is_that_member() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(6, 3, members=4, hidden=(5, 4)).eval()
    ensemble.mean.normal_()
    columns = torch.randn(7, 6)
    for member in range(4):
        torch.testing.assert_close(ensemble.alone(member, columns), ensemble(columns)[member])


def test_uncertainty_is_zero_when_members_agree_and_one_when_they_split() -> None:
    task = Segmentation({"classes": ["a", "b"]})
    sure = torch.tensor([20.0, -20.0]).view(1, 1, 2, 1, 1)
    assert task.learning.decode(sure.expand(4, -1, -1, -1, -1))[1].item() == pytest.approx(0, abs=1e-4)
    assert task.learning.decode(torch.cat([sure, -sure]))[1].item() == pytest.approx(1, abs=1e-3)
    unsure = torch.zeros(4, 1, 2, 1, 1)
    assert task.learning.decode(unsure)[1].item() == pytest.approx(0, abs=1e-4), (
        "uncertainty that all members share is no disagreement"
    )


def test_image_uncertainty_looks_at_the_worst_tenth() -> None:
    flat = np.zeros((2, 10, 10), np.float32)
    flat[1, :1] = 0.5
    np.testing.assert_allclose(Segmentation({"classes": ["a"]}).scores.image_uncertainty(flat), [0, 0.5])


def test_balanced_drawing_reaches_rare_classes_and_never_the_ignored() -> None:
    labels = np.zeros((1, 10, 10), np.uint8)
    labels[0, 0, 0], labels[0, 1] = 1, 255
    task = Segmentation({"classes": ["a", "b"]})
    even, balanced = (task.learning.sampling_weights(labels, (10, 10), power)[0] for power in (0.0, 1.0))
    assert even[0] == even[99]
    assert balanced[0] == pytest.approx(float(balanced.sum() - balanced[0]), rel=1e-5)
    assert balanced[10:20].sum() == 0


def test_weights_say_how_much_members_count() -> None:
    task = Segmentation({"classes": ["a", "b"]})
    members = torch.tensor([[5.0, -5.0], [-5.0, 5.0], [-5.0, 5.0]]).view(3, 1, 2, 1, 1)
    assert task.learning.decode(members)[0].item() == 1
    label, uncertainty = task.learning.decode(members, torch.tensor([0.8, 0.1, 0.1]))
    assert label.item() == 0
    assert 0 < uncertainty.item() < task.learning.decode(members, torch.tensor([0.5, 0.25, 0.25]))[1].item()
    assert task.learning.decode(members, torch.tensor([1.0, 0.0, 0.0]))[1].item() == pytest.approx(0, abs=1e-4)
