"""The learning curve on the page and in a sentence."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.cli.results import show_arms
from handsoff.pages.lines import round_ticks
from handsoff.report.curve import curve_chart, places, worth_of, worth_sentence
from measured import CURVE, GOOD, metrics

MEASURED = GOOD | {"curve": CURVE}


def with_worth(**entry: Any) -> dict[str, Any]:
    found = {"labels": 23, "low": 16, "high": 34, "beyond": None, **entry}
    return GOOD | {"curve": CURVE | {"worth": {"real_plus_synthetic": found}}}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "23 labels (16 to 34)"),
        ({"low": 5}, "23 labels (34 or fewer)"),
        ({"high": 80}, "23 labels (16 or more)"),
        ({"low": 5, "high": 80}, "23 labels (5 or fewer to 80 or more)"),
        ({"low": 23, "high": 23}, "23 labels"),
        ({"low": None, "high": None}, "23 labels (by single runs)"),
        ({"labels": 80, "high": 80, "beyond": "more"}, "more than 80 labels (16 or more)"),
        ({"labels": 80, "low": 80, "high": 80, "beyond": "more"}, "more than 80 labels"),
        ({"labels": 5, "low": 5, "beyond": "fewer"}, "fewer than 5 labels (34 or fewer)"),
    ],
)
def test_the_headline_says_what_the_best_arm_is_worth(entry: dict[str, Any], words: str) -> None:
    sentence = worth_sentence(with_worth(**entry))
    assert sentence.startswith(f"5 labels with HandsOff (real + synthetic) do the work of {words}.")
    assert sentence.endswith(" Both had 3 more to tell when a run is over.")


def test_without_a_curve_nothing_is_said_or_drawn() -> None:
    assert worth_sentence(GOOD) == ""
    assert curve_chart(GOOD) is None
    nothing = {"metric": "miou", "points": {}, "worth": {}}
    assert worth_sentence(GOOD | {"curve": nothing}) == ""
    assert curve_chart(GOOD | {"curve": nothing}) is None
    assert worth_sentence({"arms": {}, "curve": CURVE}) == ""


def test_the_command_line_says_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_arms(MEASURED)
    assert "do the work of 23 labels (16 to 34)." in capsys.readouterr().out


def test_the_chart_holds_every_run_and_shows_every_arm() -> None:
    found = curve_chart(MEASURED)
    assert found is not None
    assert [label for _, label in found["across"]] == ["5", "20", "80"]
    assert [left for left, _ in found["line"]] == [0.0, 50.0, 100.0]
    assert len(found["runs"]) == 9
    assert all(0 <= top <= 100 for _, top in [*found["line"], *found["runs"], *found["means"]])
    tops = {level.arm: level.top for level in found["levels"]}
    assert tops["real_plus_synthetic"] < found["line"][1][1] < tops["synthetic_only"]
    assert worth_of(MEASURED, "synthetic_only") == "fewer than 5 labels"


def test_a_curve_of_one_point_and_one_score_is_drawn() -> None:
    point = {"5": {"mean": 0.5, "std": 0.0, "runs": [0.5], "fitted": 0.5}}
    only = {"metric": "miou", "points": point, "worth": {}}
    found = curve_chart(metrics((0.5,), (0.5,), (0.5,)) | {"curve": only})
    assert found is not None
    assert found["line"] == [(50.0, 50.0)]


def test_numbers_without_room_are_not_written() -> None:
    crowded = {str(number): CURVE["points"]["5"] for number in (50, 52, 55, 400)}
    found = curve_chart(GOOD | {"curve": CURVE | {"points": crowded}})
    assert found is not None
    assert [label for _, label in found["across"]] == ["50", "400"]


@given(st.lists(st.integers(2, 100_000), min_size=1, max_size=8, unique=True).map(sorted))
def test_places_rise_from_left_to_right(numbers: list[int]) -> None:
    left = list(places(numbers).values())
    assert np.all(np.diff(left) >= 0)
    assert len(numbers) == 1 or (left[0], left[-1]) == (0.0, 100.0)


@given(st.floats(-100, 100), st.floats(1e-4, 100))
def test_ticks_hold_the_range_closely(low: float, span: float) -> None:
    ticks = round_ticks(low, low + span)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + step * 1e-6
    assert ticks[-1] >= low + span - step * 1e-6
    assert 2 <= len(ticks) <= 8
