"""One by one: what loses most comes first, with its support; and which class is taken for which."""

from typing import Any

import pytest

from handsoff.report.next_step import labels_for
from handsoff.report.parts import confusion, generated, part_rows, percent
from measured import CONFUSION, GOOD


def per_class(**classes: tuple[float, float]) -> dict[str, Any]:
    """Class → scores of real only and of both together."""
    entry = {name: {"mean": 0.0, "std": 0.01} for name in classes}
    arms = {"real_only": 0, "real_plus_synthetic": 1}
    return {
        arm: {name: entry[name] | {"mean": classes[name][place]} for name in classes} for arm, place in arms.items()
    }


def test_what_loses_most_comes_first() -> None:
    given_classes = per_class(gains=(0.4, 0.6), loses=(0.5, 0.3), even=(0.5, 0.5), bad=(0.2, 0.2))
    metrics = GOOD | {"per_class": given_classes, "support": {"loses": [3, 0.25]}}
    rows = part_rows(metrics, {"loses": 0.0, "gains": 0.5}, 300)
    assert [row.name for row in rows] == ["loses", "bad", "even", "gains"]
    assert rows[0].change is not None
    assert rows[0].change.shown == "−0.200"
    assert (rows[0].support, rows[0].share) == ("3 · 25.0 %", "not among the 300 looked at")
    assert (rows[-1].support, rows[-1].share) == ("", "50.0 %")


def test_what_the_test_does_not_show_is_marked() -> None:
    """A single wrong pixel gives such a class an IoU of 0, whatever anybody learns."""
    metrics = GOOD | {"per_class": per_class(ear=(0.0, 0.0), eye=(0.6, 0.5)), "support": {"ear": [0, 0.0]}}
    rows = part_rows(metrics, {}, 0)
    assert {row.name: row.tested for row in rows} == {"ear": False, "eye": True}
    assert "“eye” would help most" in labels_for(rows)
    assert labels_for([row for row in rows if row.name == "ear"]) == ""


def test_without_real_only_there_is_no_change() -> None:
    metrics = {"arms": {"mine": {"miou": 0.5}}, "per_class": {"mine": {"eye": {"mean": 0.5, "std": 0}}}}
    (row,) = part_rows(metrics, {}, 0)
    assert row.change is None


@pytest.mark.parametrize(("share", "words"), [(0.0, "0.0 %"), (0.0004, "under 0.1 %"), (0.5, "50.0 %")])
def test_shares_in_words(share: float, words: str) -> None:
    assert percent(share) == words
    assert generated(None, 300) == ""


def test_what_is_taken_for_what() -> None:
    found = confusion(GOOD | {"confusion": CONFUSION})
    assert found is not None
    assert found["by"] == "real + synthetic"
    assert found["pairs"] == [
        ("eye", "background", ["50.0 %", "90.0 %", "80.0 %"]),
        ("background", "eye", ["10.0 %", "0.0 %", "1.0 %"]),
    ]
    name, cells = found["matrices"]["real + synthetic"][2]
    assert (name, [text for text, _ in cells]) == ("ear", ["–", "–", "–"])


@pytest.mark.parametrize("stored", [{}, {"confusion": {}}])
def test_tasks_without_classes_are_mistaken_for_nothing(stored: dict[str, Any]) -> None:
    assert confusion(GOOD | stored) is None
