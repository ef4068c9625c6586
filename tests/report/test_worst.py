"""The worst test images: which they are, and what is shown of them."""

from pathlib import Path

import numpy as np

from handsoff.core.files import write_bytes
from handsoff.report.gallery import encoded
from handsoff.report.parts import part_rows
from handsoff.report.testset import (
    BARE,
    IMAGE,
    LABEL,
    LINES,
    TRUTH,
    archive_path,
    lines_of,
    open_examples,
    picture_name,
    zipped,
)
from handsoff.report.worst import worst
from measured import GOOD

ARMS = list(GOOD["arms"])


def examples(report: Path, count: int = 12, drawn: int = 12) -> Path:
    """Test images, the n-th of which is worse the higher n is; only in image 3 the eye is lost by synthetic data."""
    lines = []
    for index in range(count):
        scores: dict[str, float | None] = dict.fromkeys(ARMS, 1 - index / 100)
        parts = {arm: {"eye": 0.9 if index % 2 else None, "<b>eye</b>": None} for arm in ARMS}
        if index == 3:
            parts["real_plus_synthetic"]["eye"] = 0.2
        lines.append({"name": f"face{index}", "scores": scores, "parts": parts})
    lines[-1]["scores"] = dict.fromkeys(ARMS)  # its label says nothing
    write_bytes(report / LINES, lines_of(lines))
    picture = encoded(np.zeros((8, 8, 3), np.uint8))
    for archive in (TRUTH, *ARMS):
        kinds = (IMAGE, LABEL, BARE) if archive == TRUTH else (LABEL, BARE)
        files = {picture_name(index, kind): picture for index in range(drawn) for kind in kinds}
        write_bytes(archive_path(report, archive), zipped(files))
    return report


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
