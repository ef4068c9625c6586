"""Who is held out from whom."""

from typing import Any

import torch

from handsoff.jobs.progress import run_to_end
from handsoff.labeling.runs import folds, loss_of_last, train
from handsoff.labeling.settings import FitSettings


def test_every_image_is_held_out_from_one_member() -> None:
    held = folds(25, 10)
    assert held.sum(0).tolist() == [1] * 25
    assert held[3].nonzero()[:, 0].tolist() == [3, 13, 23]


def test_nobody_is_left_without_an_image_to_learn_from() -> None:
    assert not folds(6, 1).any()
    assert not folds(1, 3).any()
    assert torch.equal(folds(2, 3), torch.tensor([[True, False], [False, True], [False, False]]))


class Losses:
    """A run in which member m loses 10 m + n on image n."""

    head, settings = torch.nn.Module(), FitSettings()

    def __init__(self, images: int, members: int) -> None:
        self.held_out = folds(images, members)

    def step_loss(self, step: int) -> torch.Tensor:
        return torch.tensor(float(step))

    def loss_on(self, member: int, image: int) -> torch.Tensor:
        return torch.tensor(10.0 * member + image)


def test_the_loss_on_corrected_samples_is_of_those_that_did_not_learn_from_them() -> None:
    run: Any = Losses(6, 3)
    assert loss_of_last(run, 2) == (14 + 25) / 2
    single: Any = Losses(6, 1)
    assert loss_of_last(single, 2) is None, "the only member learnt from all"


class Unlabelled(Losses):
    """A run whose first image, held out from the first member, has no label: its loss there is always 0."""

    settings = FitSettings(steps=24, members=2)

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.head = torch.nn.Linear(1, 2, bias=False)
        torch.nn.init.zeros_(self.head.weight)

    def step_loss(self, step: int) -> torch.Tensor:
        self.step = step
        return self.head.weight.sum()

    def loss_on(self, member: int, image: int) -> torch.Tensor:
        return torch.tensor(0.0 if member == image == 0 else float(self.step))


def test_a_member_whose_held_out_images_have_no_label_keeps_its_last_weights() -> None:
    run: Any = Unlabelled()
    run_to_end(train(run, []))
    blind, other = run.head.weight[:, 0].tolist()
    assert blind < other, "every step lowers the weights, and the other member was best at the first check"
