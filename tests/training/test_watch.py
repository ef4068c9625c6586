import math

import pytest

from handsoff.generators.nearness import Nearness
from handsoff.training.watch import warnings_of


@pytest.mark.parametrize(
    ("losses", "wins"),
    [
        ([5.0, 1.0, 0.5, 0.2], True),
        ([1.9, 1.9, 1.9], True),
        ([0.1, 0.1], False),  # not for long
        ([0.1, 0.1, 7.0], False),
        ([0.1, 0.1, 0.1, 6.0, 6.0, 6.0], False),
        ([0.1, None, 0.1], False),
        ([0.1, math.nan, 0.1], False),
        ([], False),
    ],
)
def test_a_discriminator_that_wins_for_long_is_said(losses: list[float | None], wins: bool) -> None:  # noqa: FBT001  # expected
    found = warnings_of(losses, 8.0, None, projected=True)
    assert [sentence.startswith("The discriminator wins: over the last 3 snapshots") for sentence in found] == [
        True
    ] * wins


def test_only_the_discriminator_that_has_r1_is_told_to_raise_it() -> None:
    said = {projected: warnings_of([0.1] * 3, 8.0, None, projected=projected)[0] for projected in (True, False)}
    assert said[True].endswith("look at the grids, and if they do, begin again with a higher r1.")
    assert said[False].endswith("look at the grids.")


@pytest.mark.parametrize(("copies", "said"), [(0, 0), (10, 0), (40, 1), (2000, 1)])
def test_repeated_photos_are_said(copies: int, said: int) -> None:
    found = warnings_of([], 8.0, Nearness(2000, 300, 0.7, copies), projected=True)
    assert len(found) == said
    assert all("look like copies of the 300 images" in sentence and "nearest.png" in sentence for sentence in found)
