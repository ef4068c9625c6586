import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.pages.lines import Line, line_chart, log_ticks, round_ticks

values = st.floats(1e-3, 1e6)


def test_a_line_lies_between_its_ticks() -> None:
    chart = line_chart("Losses", [Line("D", "red", [(0, 8.0), (50, 4.0), (100, 2.0)])], "kimg")
    assert chart is not None
    ((name, colour, last, points),) = chart.lines
    assert (name, colour, last) == ("D", "red", "2")
    assert points == [(0.0, 0.0), (50.0, 66.67), (100.0, 100.0)]
    assert chart.up == [(100.0, "2"), (66.67, "4"), (33.33, "6"), (0.0, "8")]
    assert chart.across[-1] == (100.0, "100")
    assert not chart.logarithmic
    assert chart.words == "Losses. D: 8 at 0 kimg, 2 at 100 kimg, lowest 2 at 100 kimg."


def test_values_far_apart_stand_on_a_logarithmic_axis() -> None:
    chart = line_chart("FD", [Line("FD", "red", [(10, 400.0), (20, 20.0)])], "kimg")
    assert chart is not None
    assert chart.logarithmic
    assert [tick for _, tick in chart.up] == ["20", "50", "100", "200", "500"]


@pytest.mark.parametrize("points", [[], [(1.0, math.nan)]])
def test_there_is_no_chart_of_nothing(points: list[tuple[float, float]]) -> None:
    assert line_chart("FD", [Line("FD", "red", points)], "kimg") is None


def test_what_is_no_number_is_left_out() -> None:
    chart = line_chart("FD", [Line("a", "red", [(1, math.nan), (2, 3.0)]), Line("b", "blue", [(1, math.inf)])], "kimg")
    assert chart is not None
    assert [(name, len(points)) for name, _, _, points in chart.lines] == [("a", 1)]


@given(st.lists(st.tuples(values, st.floats(-1e6, 1e6) | values), min_size=1, max_size=8))
def test_every_place_lies_in_the_plot(points: list[tuple[float, float]]) -> None:
    chart = line_chart("x", [Line("x", "red", sorted(points))], "kimg")
    assert chart is not None
    assert all(0 <= place <= 100 for _, _, _, places in chart.lines for point in places for place in point)


@given(values, st.floats(1, 1e4))
def test_logarithmic_ticks_enclose_the_values(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert ticks[0] <= low <= low * ratio <= ticks[-1]
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 0.2), (0.2, 0.2 + 3e-17), (0.7, 0.70000000001), (0.0, 0.0), (1e6, 1e6)]
)
def test_values_that_differ_by_rounding_are_alike(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert ticks[0] < low <= high < ticks[-1]
