"""Linear probes find the direction that a group lies in, and say when there is none."""

import numpy as np

from handsoff.sampling.probes import area_under_curve, probe

RNG = np.random.default_rng(0)
W = RNG.standard_normal((400, 12)) * np.linspace(0.2, 3, 12)


def test_a_direction_is_found_and_as_long_as_a_standard_deviation() -> None:
    axis = RNG.standard_normal(12)
    inside = W @ axis > np.quantile(W @ axis, 0.9)
    found = probe(W, inside)
    assert found is not None
    assert found.skill > 0.95
    assert found.useful
    covariance = np.cov(W.T)
    expected = covariance @ axis / np.sqrt(axis @ covariance @ axis)
    assert found.direction @ expected / np.linalg.norm(found.direction) / np.linalg.norm(expected) > 0.9
    moved = (W[~inside] + 2 * found.direction) @ axis > np.quantile(W @ axis, 0.9)
    assert moved.mean() > 0.5, "two standard deviations make members of most"


def test_chance_is_no_skill() -> None:
    found = probe(W, RNG.random(400) < 0.1)
    assert found is not None
    assert not found.useful


def test_too_few_samples_are_not_probed() -> None:
    inside = np.zeros(400, bool)
    inside[:9] = True
    assert probe(W, inside) is None
    assert probe(W, ~inside) is None


def test_the_area_under_the_curve_counts_pairs() -> None:
    scores, inside = RNG.integers(0, 5, 40).astype(float), RNG.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[inside] for b in scores[~inside]]
    assert area_under_curve(scores, inside) == np.mean(pairs)
