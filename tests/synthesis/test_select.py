"""Which samples stay: the share asked for, the most certain ones, however the uncertainties are scaled."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciding import decided
from handsoff.synthesis.select import Drop
from handsoff.synthesis.settings import Strata

VALUES = st.integers(0, 20).map(lambda tenth: tenth / 20)  # ties are common
KEEP = st.floats(0.01, 1)
DROP = st.sampled_from(["any", "all"])
STRATA: tuple[Strata, ...] = ("none", "parts")
TASKS = ("segmentation", "keypoints", "depth")


@st.composite
def tables(draw: st.DrawFn, tasks: int | None = None) -> list[dict[str, Any]]:
    names = TASKS[: tasks or draw(st.integers(1, 3))]
    rows = draw(st.lists(st.tuples(*[VALUES] * len(names)), min_size=1, max_size=30))
    return [
        {"name": f"{index:08d}", "uncertainties": dict(zip(names, row, strict=True))} for index, row in enumerate(rows)
    ]


def kept(records: list[dict[str, Any]], keep: float, drop: Drop = "any") -> set[str]:
    return {record["name"] for record in decided(records, keep, drop) if record["kept"]}


def test_selection_keeps_the_share_asked_for() -> None:
    records = [{"name": str(number), "uncertainties": {"segmentation": 0.1}} for number in range(10)]
    assert [record["kept"] for record in decided(records, 0.75)] == [True] * 8 + [False] * 2
    assert [record["kept"] for record in decided(records[:1], 0.1)] == [True], "at least one sample stays"
    many = [{"name": str(number), "uncertainties": {"segmentation": 0.1}} for number in range(50)]
    assert sum(record["kept"] for record in decided(many, 0.29)) == 15, "14.5, rounded up"


@given(tables(), KEEP, DROP)
def test_the_most_certain_stay_and_every_drop_has_a_reason(
    records: list[dict[str, Any]], keep: float, drop: Drop
) -> None:
    chosen = decided(records, keep, drop)
    assert [record["name"] for record in chosen] == [record["name"] for record in records]
    assert all(before.items() <= after.items() for before, after in zip(records, chosen, strict=True))
    stay, go = ([record["uncertainty"] for record in chosen if record["kept"] is kept] for kept in (True, False))
    assert len(stay) == max(1, math.floor(round(keep * len(records), 9) + 0.5))
    assert not go or max(stay) <= min(go)
    assert all((record["reason"] is None) == record["kept"] for record in chosen)
    assert all(0 <= record["uncertainty"] <= 1 for record in chosen)


@given(tables(), KEEP, KEEP, DROP)
def test_keeping_more_keeps_what_was_kept(records: list[dict[str, Any]], one: float, other: float, drop: Drop) -> None:
    assert kept(records, min(one, other), drop) <= kept(records, max(one, other), drop)


@given(tables(1), KEEP, DROP)
def test_one_task_is_decided_by_its_own_uncertainty(records: list[dict[str, Any]], keep: float, drop: Drop) -> None:
    chosen = decided(records, keep, drop)
    assert [record["uncertainty"] for record in chosen] == [
        pytest.approx(record["uncertainties"]["segmentation"]) for record in records
    ]
    order = sorted(records, key=lambda record: (record["uncertainties"]["segmentation"], record["name"]))
    stay = {record["name"] for record in chosen if record["kept"]}
    assert stay == {record["name"] for record in order[: len(stay)]}, "ties go to the earlier sample"


@given(tables(3), KEEP, DROP, st.permutations(TASKS))
def test_neither_scale_nor_order_of_several_tasks_matters(
    records: list[dict[str, Any]], keep: float, drop: Drop, order: list[str]
) -> None:
    bent = [
        {**record, "uncertainties": {task: record["uncertainties"][task] ** 2 for task in order}} for record in records
    ]
    assert kept(bent, keep, drop) == kept(records, keep, drop)


@given(tables(2))
def test_any_looks_at_the_worst_rank_and_all_at_the_best(records: list[dict[str, Any]]) -> None:
    values = np.array([list(record["uncertainties"].values()) for record in records])
    more_certain = (values[None] < values[:, None]).mean(1)
    for drop, expected in (("any", more_certain.max(1)), ("all", more_certain.min(1))):
        found = [record["uncertainty"] for record in decided(records, 1, drop)]  # type: ignore[arg-type]  # one of the two
        assert found == pytest.approx(expected.tolist(), abs=1e-6)


def shown(*parts: str) -> dict[str, Any]:
    return {"shows": {"segmentation": dict.fromkeys(("skin", *parts), 0.1)}}


@given(st.lists(st.tuples(VALUES, st.sampled_from(["", "hair", "hat"])), min_size=1, max_size=60), KEEP)
def test_strata_lose_the_same_share(rows: list[tuple[float, str]], keep: float) -> None:
    records = [
        {"name": str(index), "uncertainties": {"segmentation": value}, **shown(*filter(None, [part]))}
        for index, (value, part) in enumerate(rows)
    ]
    chosen = decided(records, keep, strata="parts")
    assert sum(record["kept"] for record in chosen) == max(1, math.floor(round(keep * len(records), 9) + 0.5))
    for part in {part for _, part in rows}:
        own = [record for record, (_, found) in zip(chosen, rows, strict=True) if found == part]
        stay, go = ([record["uncertainty"] for record in own if record["kept"] is kept] for kept in (True, False))
        assert not stay or not go or max(stay) <= min(go), "within a stratum the most certain stay"
        if round(len(own) * keep, 9) <= len(own) - 1:
            assert len(stay) >= math.floor(round(len(own) * keep, 9)), "no stratum loses more than its share"


def test_a_rare_part_that_is_always_uncertain_stays() -> None:
    hats = [{"name": f"hat{i}", "uncertainties": {"segmentation": 0.5 + i / 100}, **shown("hat")} for i in range(20)]
    others = [{"name": f"{i}", "uncertainties": {"segmentation": i / 1000}, **shown()} for i in range(180)]
    stay = {
        strata: [r["name"] for r in decided([*hats, *others], 0.9, strata=strata) if r["kept"]] for strata in STRATA
    }
    assert sum(name.startswith("hat") for name in stay["none"]) == 0
    assert sum(name.startswith("hat") for name in stay["parts"]) == 18


def test_what_is_too_rare_to_lose_a_sample_is_pooled() -> None:
    rare = [{"name": part, "uncertainties": {"segmentation": 0.9}, **shown(part)} for part in "abcdefghijkl"]
    others = [{"name": str(i), "uncertainties": {"segmentation": 0.1}, **shown()} for i in range(100)]
    gone = [record["name"] for record in decided([*rare, *others], 0.9, strata="parts") if not record["kept"]]
    assert 1 <= sum(name.isalpha() for name in gone) <= 2


def test_a_stratum_of_ten_loses_one_where_a_tenth_is_dropped() -> None:
    """Floating point makes a little less than one of 10 * (1 - 0.9)."""
    hats = [{"name": f"hat{i}", "uncertainties": {"segmentation": i / 1000}, **shown("hat")} for i in range(10)]
    others = [{"name": f"{i}", "uncertainties": {"segmentation": 0.5 + i / 100}, **shown()} for i in range(5)]
    gone = [record["name"] for record in decided([*hats, *others], 0.9, strata="parts") if not record["kept"]]
    assert gone == ["hat9"], "it is no pool with the five, of which all were more uncertain"
