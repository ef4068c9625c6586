"""Who is held out from whom."""

import torch

from handsoff.labeling.runs import folds


def test_every_image_is_held_out_from_one_member() -> None:
    held = folds(25, 10)
    assert held.sum(0).tolist() == [1] * 25
    assert held[3].nonzero()[:, 0].tolist() == [3, 13, 23]


def test_nobody_is_left_without_an_image_to_learn_from() -> None:
    assert not folds(6, 1).any()
    assert not folds(1, 3).any()
    assert torch.equal(folds(2, 3), torch.tensor([[True, False], [False, True], [False, False]]))
