"""Choosing: exactly so many, each at most once, as near to the shares as can be, whatever the order."""

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.sampling.raking import choose, rake


@st.composite
def problems(draw: st.DrawFn, most: int = 30) -> tuple[np.ndarray, int]:
    """Memberships of candidates in groups, and how many of the candidates are chosen."""
    columns = draw(st.integers(1, 3))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 1)] * columns), min_size=1, max_size=most))
    return np.array(rows, float), draw(st.integers(1, len(rows)))


def stream() -> np.random.Generator:
    return np.random.default_rng(0)


@settings(deadline=None)
@given(problems(), st.data())
def test_shares_that_can_be_met_are_met(problem: tuple[np.ndarray, int], data: st.DataObject) -> None:
    values, count = problem
    some = data.draw(st.permutations(range(len(values))))[:count]
    asked = values[some].mean(0)
    rows = choose(values, asked, count, stream())
    assert len(set(rows.tolist())) == len(rows) == count
    assert (np.abs(values[rows].mean(0) - asked) <= 1 / count + 1e-6).all()


@settings(deadline=None)
@given(problems(most=8), st.data())
def test_others_are_met_as_nearly_as_any_choice_could(problem: tuple[np.ndarray, int], data: st.DataObject) -> None:
    values, count = problem
    asked = np.array(data.draw(st.lists(st.floats(0, 1), min_size=values.shape[1], max_size=values.shape[1])))

    def off(rows: Any) -> float:
        return float(((values[list(rows)].sum(0) - count * asked) ** 2).sum())

    best = min(map(off, itertools.combinations(range(len(values)), count)))
    assert off(choose(values, asked, count, stream())) <= best + 1e-6


@settings(deadline=None)
@given(problems(), st.data())
def test_every_candidate_that_is_alike_has_the_same_weight(
    problem: tuple[np.ndarray, int], data: st.DataObject
) -> None:
    values, count = problem
    asked = np.array(data.draw(st.lists(st.floats(0.05, 0.95), min_size=values.shape[1], max_size=values.shape[1])))
    kinds, sizes = np.unique(values, axis=0, return_counts=True)
    weights = rake(kinds, sizes, asked, count)
    assert ((weights >= 0) & (weights <= 1)).all()
    assert float(weights @ sizes) == np.float64(count) or abs(float(weights @ sizes) - count) < 1e-3 * count


def test_shares_that_contradict_each_other_leave_the_number_as_it_is() -> None:
    """Hardly anything but whole candidates is left to weigh: the stiffest solution is out of reach."""
    kinds = np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    weights = rake(kinds, np.ones(3, np.int64), np.array([0.4765625, 0.75, 0.71875]), 2)
    assert abs(weights.sum() - 2) < 1e-6


def test_a_share_that_nothing_contradicts_leaves_the_rest_as_it_was() -> None:
    """Raking changes as little as it can: among the members of a group, another share stays what it is."""
    rng = np.random.default_rng(1)
    values = (rng.random((4000, 2)) < [0.1, 0.5]).astype(float)
    kinds, sizes = np.unique(values, axis=0, return_counts=True)
    weights = rake(kinds[:, :1], sizes, np.array([0.2]), 1000) * sizes
    for member in (0, 1):
        rows = kinds[:, 0] == member
        share = (weights[rows] * kinds[rows, 1]).sum() / weights[rows].sum()
        assert abs(share - values[values[:, 0] == member, 1].mean()) < 1e-9


def test_a_mean_of_values_can_be_asked_for() -> None:
    values = np.random.default_rng(2).random((500, 1)) * 0.1
    rows = choose(values, np.array([0.08]), 100, stream())
    assert abs(values[rows].mean() - 0.08) < 1e-4
