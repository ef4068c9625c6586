"""The axis: round ticks that hold every value, from 0 on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.report.chart import axis, dots, spread_out
from handsoff.report.verdict import scores
from measured import metrics

VALUES = st.lists(st.floats(0, 1e6, allow_subnormal=False).filter(lambda value: value == 0 or value > 1e-9), min_size=1)


@given(VALUES, st.booleans())
def test_the_axis_begins_at_zero_and_holds_every_value(values: list[float], share: bool) -> None:  # noqa: FBT001  # drawn
    ticks = axis(values, share=share)
    assert ticks[0] == 0
    assert ticks[-1] >= max(values) * (1 - 1e-6)
    assert 2 <= len(ticks) <= 7
    assert np.all(np.diff(ticks) > 0)


def test_a_share_is_shown_up_to_one_so_that_small_differences_look_small() -> None:
    found = dots(scores(metrics((0.80, 0.80), (0.81, 0.81), (0.82, 0.82))))
    assert found is not None
    assert [label for _, label in found["ticks"]] == ["0", "0.25", "0.5", "0.75", "1"]
    means = [line[3] for line in found["lines"]]
    assert max(means) - min(means) == pytest.approx(2)


def test_negative_scores_have_a_place() -> None:
    assert axis([-0.2, 0.4], share=True)[0] <= -0.2


def test_equal_runs_do_not_hide_each_other() -> None:
    assert len(set(spread_out([50.0, 50.0, 50.0]))) == 3
    assert spread_out([50.0]) == [(50.0, 50.0)]
