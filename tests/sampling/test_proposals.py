"""What is drawn next: more of what has worked, for the groups that are short."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.generators.contract import Conditions
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import Mix, Move
from handsoff.sampling.proposals import (
    COARSE,
    CONDITION,
    DIRECTION,
    FINE,
    PERTURBATION,
    PLAIN,
    Tools,
    apportioned,
    next_round,
    successes,
)
from handsoff.sampling.targets import Group

HAT, BEARD = Group("hat", 0.3, "segmentation", "hat"), Group("beard", 0.2, "segmentation", "beard")
DRAWS = [Draw(seed) for seed in range(1000, 1200)]
ALL = Tools(layers=6, directions={"hat": "hat, round 1"}, photos={"photo1": {"shows": {"segmentation": {"hat": 0.2}}}})


def record(seed: int, shown: dict[str, float], kind: str = "", condition: int | None = None) -> dict[str, Any]:
    proposal = {"proposal": {"round": 1, "group": "hat", "kind": kind}} if kind else {}
    draw = Draw(seed, 1.0, condition).record()
    return {"name": str(seed), "draw": draw, "shows": {"segmentation": shown}, "candidate": True, **proposal}


def proposed(records: list[dict[str, Any]], tools: Tools, shortfalls: tuple[float, float] = (0.2, 0.0)) -> list[Any]:
    rng = np.random.default_rng(0)
    return next_round([HAT, BEARD], np.array(shortfalls), records, tools, DRAWS, rng)


PLAINS = [record(seed, {"hat": 0.1} if seed % 10 == 0 else {}) for seed in range(100)]


def test_every_draw_becomes_one_proposal_of_a_possible_kind() -> None:
    made = proposed(PLAINS, ALL)
    assert [proposal.draw.seed for proposal in made] == [draw.seed for draw in DRAWS]
    assert {proposal.kind for proposal in made} == {PLAIN, COARSE, FINE, PERTURBATION, DIRECTION}
    for proposal in made:
        for edit in proposal.draw.edits:
            if isinstance(edit, Move):
                assert (edit.direction, edit.start, edit.stop) == ("hat, round 1", 0, 6)
            else:
                assert edit.anchor.photo == "photo1" or (edit.anchor.draw or (1,))[0] % 10 == 0
    layers = {(edit.start, edit.stop) for p in made for edit in p.draw.edits if isinstance(edit, Mix)}
    assert layers == {(0, 3), (3, 6), (0, 6)}
    assert made == proposed(PLAINS, ALL), "the same again"


def test_what_worked_is_done_more_often() -> None:
    tried = [record(seed, {"hat": 0.1} if seed % 2 else {}, COARSE) for seed in range(200, 240)]
    failed = [record(seed, {}, FINE) for seed in range(240, 280)]
    made = [proposal.kind for proposal in proposed([*PLAINS, *tried, *failed], ALL)]
    assert made.count(COARSE) > 5 * made.count(FINE)
    assert successes(HAT, [*PLAINS, *tried, *failed]) == {PLAIN: (100, 10), COARSE: (40, 20), FINE: (40, 0)}


def test_uncertain_samples_confirm_nothing() -> None:
    doubtful = [{**entry, "candidate": False} for entry in PLAINS]
    assert successes(HAT, doubtful) == {PLAIN: (100, 0)}
    assert {proposal.kind for proposal in proposed(doubtful, Tools(layers=6))} == {PLAIN}, "nothing to start from"


def test_groups_share_the_draws_by_how_short_they_are() -> None:
    made = proposed(PLAINS, ALL, (0.3, 0.1))
    assert [sum(p.group == name for p in made) for name in ("hat", "beard")] == [150, 50]
    assert {proposal.group for proposal in proposed(PLAINS, ALL, (0.0, 0.0))} == {""}


def test_a_class_that_shows_it_is_asked_for() -> None:
    seen = [record(seed, {"hat": 0.1} if seed % 3 == 2 and seed % 2 else {}, condition=seed % 3) for seed in range(300)]
    tools = Tools(conditions=Conditions("classes", ("a", "b", "c")))
    made = [p.draw.condition for p in proposed(seen, tools) if p.kind == CONDITION]
    assert made.count(2) > 0.9 * len(made)
    assert len(made) > 50


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [(60.0, 90.0, 60, 90), (-40.0, -20.0, -40, -20), (-np.inf, 10.0, -45, 10), (10.0, np.inf, 10, 45)],
)
def test_a_generator_is_asked_for_the_range_that_the_aim_names(
    low: float, high: float, least: float, most: float
) -> None:
    """Also beyond its training photos; they limit what has no limit."""
    yaws = tuple((float(yaw),) for yaw in range(-45, 46, 5))
    tools = Tools(conditions=Conditions("attributes", ("yaw",), ((),), ((0.0, 25.0),), yaws))
    group = Group("yaw", 1.0, "", "yaw", low, high)
    made = next_round([group], np.array([1.0]), [], tools, DRAWS, np.random.default_rng(0))
    asked = [p.draw.condition[0] for p in made if isinstance(p.draw.condition, tuple) and p.kind == CONDITION]
    assert len(asked) > 50
    assert least <= min(asked) < max(asked) <= most
    assert max(asked) - min(asked) > 0.8 * (most - least)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=8).filter(lambda weights: sum(weights) > 0), st.integers(0, 300))
def test_shares_add_up(weights: list[float], count: int) -> None:
    found = apportioned(np.array(weights), count)
    assert sum(found) == count
    exact = np.array(weights) / sum(weights) * count
    assert np.abs(np.array(found) - exact).max() < 1 + 1e-9


def test_nothing_is_left_out_of_a_small_round() -> None:
    rng = np.random.default_rng(0)
    assert len(next_round([HAT, BEARD], np.array([0.2, 0.1]), PLAINS, ALL, DRAWS[:3], rng)) == 3
