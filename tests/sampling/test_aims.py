"""Aims as people write them: what is read, and what is refused in a sentence."""

from typing import Any

import pytest

from handsoff.sampling.aims import EVEN, Bins, PixelShare, Share, Words, read_aim, read_text


def test_a_text_says_all_kinds_of_wishes() -> None:
    text = (
        "glasses=0.3, hat = {pixels = 0.02}, brightness=uniform, size=[0.2, 0.5], 'nose tip' = 1, "
        "x={range = [0, 1], weights = [1, 2]}, mood={happy = 0.5, sad = 0.25}, match=labelled"
    )
    aim = read_aim(read_text(text))
    assert aim.match == "labelled"
    assert aim.wishes == {
        "glasses": Share(0.3),
        "hat": PixelShare(0.02),
        "brightness": EVEN,
        "size": Bins(0.2, 0.5, (1.0,)),
        "nose tip": Share(1.0),
        "x": Bins(0.0, 1.0, (1.0, 2.0)),
        "mood": Words({"happy": 0.5, "sad": 0.25}),
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", ",\n", "\n\n  "])
def test_wishes_may_stand_on_lines_of_their_own(end: str) -> None:
    said = {"hat": 0.2, "glasses": 0.1, "size": [0.2, 0.5]}
    assert read_text(f"hat=0.2{end}glasses=0.1{end}size=[0.2,\n0.5]\n") == said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hat='a['\nglasses=0.1", "says more than one thing: put a comma between them"),
        ("glasses", "no NAME=VALUE"),
        ("=0.3", "no NAME=VALUE"),
        ("hat=0.1, hat=0.2", "hat is asked for twice"),
        ("hat=0.1\nhat=0.2", "hat is asked for twice"),
    ],
)
def test_a_text_that_says_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_text(text)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "nothing is asked for"),
        ({"hat": 1.2}, "hat = 1.2 is no share"),
        ({"hat": True}, "hat = True is no wish"),
        ({"hat": float("nan")}, "hat = nan is no wish"),
        ({"hat": 10**400}, "hat = 10+ is no wish"),
        ({"size": [0, 10**400]}, r"size = \[0, 10+\] is no range"),
        ({"hat": "often"}, "hat = often is no wish"),
        ({"hat": {"pixels": 2}}, "hat pixels = 2 is no share"),
        ({"size": [0.5, 0.2]}, r"size = \[0.5, 0.2\] is no range"),
        ({"size": [0.5]}, "is no range"),
        ({"x": {"range": [0, 1], "weights": [0, 0]}}, "no histogram"),
        ({"x": {"range": [0, 1], "weights": [-1, 2]}}, "no histogram"),
        ({"mood": {"happy": 0.7, "sad": 0.4}}, "mood happy and mood sad add up to 1.10 of the samples"),
        ({"hair": {"pixels": 0.6}, "skin": {"pixels": 0.6}}, "hair and skin add up to 1.20 of the pixels"),
        ({"match": 3}, "match = 3 is not"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_aim(said)
