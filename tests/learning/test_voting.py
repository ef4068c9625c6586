"""What an ensemble says together, and how far two groups of its members are apart."""

import pytest
import torch

from handsoff.learning.voting import DISAGREEMENT, consensus
from handsoff.tasks import make_task


@pytest.mark.parametrize(("other", "low", "high"), [("same", 0.0, 1e-4), ("weaker", 0.01, 0.3), ("opposite", 0.9, 1.0)])
def test_groups_disagree_as_much_as_their_means_differ(other: str, low: float, high: float) -> None:
    task = make_task("segmentation", {"classes": ["background", "core"]})
    one = torch.zeros(3, 2, 2, 8, 8)
    one[:, :, 1] = 8.0
    two = {"same": one[:1], "weaker": one[:2] / 8, "opposite": -one}[other]
    found = consensus(task, [(one, 0.25), (two, 0.75)])
    assert found.labels.shape == found.uncertainty.shape == (2, 8, 8)
    assert found.numbers[DISAGREEMENT].shape == (2,)
    assert ((found.numbers[DISAGREEMENT] >= low) & (found.numbers[DISAGREEMENT] <= high)).all()
    assert consensus(task, [(one, 1.0)]).numbers == {}
