"""What an arm is worth in labels: exact at the points, monotone, an honest interval, nothing beyond the ends."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handsoff.evaluation.worth import fitted_means, worth

SCORES = st.lists(st.floats(0, 1).map(lambda value: round(value, 4)), min_size=3, max_size=3)
CURVES = st.dictionaries(st.integers(2, 5000), SCORES, min_size=1, max_size=6)
RISING = {16: [0.60, 0.62, 0.61], 50: [0.70, 0.71, 0.72], 100: [0.80, 0.81, 0.80], 200: [0.83, 0.84, 0.85]}


def mirrored(curve: dict[int, list[float]]) -> dict[int, list[float]]:
    return {number: [1 - run for run in runs] for number, runs in curve.items()}


@given(CURVES)
def test_the_fitted_curve_never_falls_and_keeps_the_mean(curve: dict[int, list[float]]) -> None:
    fitted = fitted_means(curve)
    assert list(fitted) == sorted(curve)
    assert np.all(np.diff(list(fitted.values())) >= -1e-12)
    assert np.mean(list(fitted.values())) == pytest.approx(np.mean(list(curve.values())))
    means = [np.mean(runs) for _, runs in sorted(curve.items())]
    if np.all(np.diff(means) >= 0):
        assert list(fitted.values()) == pytest.approx(means)


@given(CURVES, SCORES)
def test_the_interval_holds_the_number_and_lies_on_the_curve(curve: dict[int, list[float]], arm: list[float]) -> None:
    found = worth(curve, arm)
    assert found.low is not None
    assert found.high is not None
    assert min(curve) <= found.low <= found.labels <= found.high <= max(curve)
    if found.beyond:
        assert found.labels == (min(curve) if found.beyond == "fewer" else max(curve))


@given(CURVES, SCORES, st.floats(0, 0.5))
def test_a_better_arm_is_worth_as_much_or_more(curve: dict[int, list[float]], arm: list[float], gain: float) -> None:
    before, after = worth(curve, arm), worth(curve, [score + gain for score in arm])
    assert before.labels <= after.labels
    if before.beyond == "more":
        assert after.beyond == "more"


@given(CURVES, st.data())
def test_an_arm_as_good_as_a_point_is_worth_its_labels(curve: dict[int, list[float]], data: st.DataObject) -> None:
    means = [float(np.mean(runs)) for _, runs in sorted(curve.items())]
    assume(np.all(np.diff(means) > 1e-6))
    number = data.draw(st.sampled_from(sorted(curve)))
    found = worth(curve, curve[number])
    assert (found.labels, found.beyond) == (number, None)


@given(CURVES, SCORES)
def test_an_error_is_a_score_upside_down(curve: dict[int, list[float]], arm: list[float]) -> None:
    one, other = worth(curve, arm), worth(mirrored(curve), [1 - score for score in arm], lower_is_better=True)
    assume(min(abs(np.mean(arm) - np.mean(runs)) for runs in curve.values()) > 1e-6)  # rounding decides between ends
    assert one.beyond == other.beyond
    assert one.labels == pytest.approx(other.labels, abs=1)


def test_between_two_points_the_curve_is_straight_over_the_logarithm() -> None:
    assert worth({10: [0.0] * 3, 1000: [1.0] * 3}, [0.5] * 3).labels == 100


def test_beyond_the_ends_nothing_is_extrapolated() -> None:
    assert worth(RISING, [0.99] * 3).beyond == "more"
    assert worth(RISING, [0.99] * 3).labels == 200
    assert worth(RISING, [0.1] * 3).beyond == "fewer"
    assert worth(RISING, [0.1] * 3).labels == 16


def test_single_runs_have_no_interval() -> None:
    found = worth({number: runs[:1] for number, runs in RISING.items()}, [0.75])
    assert (found.low, found.high, found.beyond) == (None, None, None)
    assert 50 < found.labels < 100


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.08])
def test_the_interval_holds_the_truth_nineteen_times_of_twenty(noise: float) -> None:
    """Means on a known curve, and an arm that is truly worth 100 labels, which spreads less or more than the curve."""
    rng, inside = np.random.default_rng(0), 0
    numbers = np.array([16, 50, 200, 400])
    for _ in range(400):
        runs = (0.1 * np.log2(numbers)[:, None] + rng.normal(0, 0.02, (4, 3))).tolist()
        arm = (0.1 * np.log2(100) + rng.normal(0, noise, 3)).tolist()
        found = worth(dict(zip(numbers.tolist(), runs, strict=True)), arm)
        inside += found.low is not None and found.high is not None and found.low <= 100 <= found.high
    assert inside / 400 > 0.93


def test_rounding_makes_no_arm_worth_fewer_or_more_labels() -> None:
    found = worth({8: [0.1] * 3, 16: [0.2] * 3}, [0.1] * 4)
    assert (found.labels, found.low, found.high, found.beyond) == (8, 8, 8, None)
