"""The worst test images: which they are, and what is shown of them."""

from pathlib import Path

from handsoff.report.parts import part_rows
from handsoff.report.testset import (
    LINES,
    lines_of,
    open_examples,
)
from handsoff.report.worst import worst
from measured import ARMS, GOOD, examples


def test_the_worst_come_first_and_show_every_arm(tmp_path: Path) -> None:
    found = worst(GOOD, open_examples(examples(tmp_path), ARMS), part_rows(GOOD, {}, 0), "IoU")
    strips = found["groups"][0].strips
    assert [strip.caption for strip in strips] == [f"face{index}" for index in (10, 9, 8, 7, 6, 5)]
    titles = [panel.title for panel in strips[0].panels]
    assert titles == [
        "image",
        "true label",
        *(f"{arm} 0.900" for arm in ("real only", "synthetic only", "real + synthetic")),
    ]
    assert [panel.bare is not None for panel in strips[0].panels] == [False, True, True, True, True]
    assert (found["arm"], found["drawn"], found["test"]) == ("real + synthetic", 12, 12)


def test_of_a_part_that_loses_the_images_where_it_loses_most(tmp_path: Path) -> None:
    classes = {"real_only": {"eye": 0.9}, "real_plus_synthetic": {"eye": 0.5}, "synthetic_only": {"eye": 0.9}}
    metrics = GOOD | {"per_class": classes}
    found = worst(metrics, open_examples(examples(tmp_path), ARMS), part_rows(metrics, {}, 0), "IoU")
    (group,) = [group for group in found["groups"] if group.part == "eye"]
    assert group.strips[0].caption == "face3"
    assert group.strips[0].panels[-1].title == "real + synthetic 0.200"


def test_only_what_is_drawn_is_shown(tmp_path: Path) -> None:
    found = worst(GOOD, open_examples(examples(tmp_path, drawn=4), ARMS), [], "IoU")
    assert [strip.caption for strip in found["groups"][0].strips] == ["face3", "face2", "face1", "face0"]
    assert (found["drawn"], found["test"]) == (4, 12)


def test_reports_without_these_files_show_nothing(tmp_path: Path) -> None:
    assert worst(GOOD, open_examples(tmp_path, ARMS), [], "IoU")["groups"] == []
    (tmp_path / LINES).write_text("{")
    (tmp_path / "test.zip").write_text("no zip")
    assert worst(GOOD, open_examples(tmp_path, ARMS), [], "IoU")["groups"] == []


def test_names_may_hold_line_ends(tmp_path: Path) -> None:
    names = ["two\nlines", "a\u2028b", "c\x85d", "e\rf"]
    lines = [{"name": name, "scores": {}, "parts": {}} for name in names]
    (tmp_path / LINES).write_bytes(lines_of(lines))
    assert [sample.name for sample in open_examples(tmp_path, ARMS).samples] == names
