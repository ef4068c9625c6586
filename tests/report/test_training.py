"""How long the arms were trained, and the model, in words."""

from pathlib import Path
from typing import Any

from handsoff.core.files import write_json
from handsoff.report.page import write_page
from handsoff.report.training import handed_over, rule, training_rows
from measured import GOOD

TRAINING = {
    "real_only": {
        "steps": [900, 1200], "images_seen": [14400, 19200], "step": [850, 1100], "validation": [0.5, 0.6],
        "seconds": [60.0, 120.0],
    },
    "synthetic_only": {
        "steps": [3000, 3000], "images_seen": [48000, 48000], "step": [2900, 3000], "validation": [0.3, 0.4],
        "seconds": [300.0, 300.0],
    },
}  # fmt: skip
MEASURED: dict[str, Any] = GOOD | {"training": TRAINING, "steps": 3000}
HANDED = {"arm": "real_plus_synthetic", "by": "validation", "metric": "miou", "validation": 0.65, "test": 0.61}


def test_a_row_tells_the_runs_from_the_shortest_to_the_longest() -> None:
    first, second = training_rows(MEASURED)
    assert (first.arm, first.steps, first.step, first.images) == (
        "real_only",
        "900–1,200",
        "850–1,100",
        "14,400–19,200",
    )
    assert (first.minutes, first.validation) == ("1.5 min", "0.550")
    assert (second.steps, second.images) == ("3,000", "48,000")
    assert training_rows(GOOD) == []


def test_the_rule_says_which_runs_the_limit_ended() -> None:
    told, ended = rule(MEASURED, {"patience": 600})
    assert "has not improved for 600 steps, or at the latest after 3,000 steps" in told
    assert ended.startswith("2 of 4 runs were ended by that limit")
    assert rule(MEASURED | {"steps": 5000}, {})[1] == "No run was ended by that limit."
    assert rule(MEASURED | {"n_validation": 0}, {})[0].startswith("Every run took 3,000 steps, for no validation")
    assert rule(GOOD, {}) == []


def test_a_run_that_waited_in_full_just_before_the_limit_was_not_ended_by_it() -> None:
    entry = TRAINING["synthetic_only"] | {"step": [2300, 2400]}
    told = rule(MEASURED | {"training": {"synthetic_only": entry}}, {"patience": 400, "cooldown": 300})
    assert told[1].startswith("1 of 2 runs were ended by that limit")


def test_the_model_is_named_with_its_scores_and_its_use(tmp_path: Path) -> None:
    found = handed_over(MEASURED | {"handed_over": HANDED}, tmp_path / "report")
    assert found is not None
    assert "“real + synthetic”" in found["sentence"]
    assert "mIoU 0.650; it has 0.610 on the test images" in found["sentence"]
    assert f"handsoff label {tmp_path}/report PHOTOS -o {tmp_path}/labelled-photos" in found["command"]
    by_nothing = handed_over({"handed_over": HANDED | {"by": "nothing", "validation": None}}, tmp_path)
    assert by_nothing is not None
    assert "Nothing chose it" in by_nothing["sentence"]
    assert handed_over(GOOD, tmp_path) is None


def test_all_of_it_is_on_the_page(tmp_path: Path) -> None:
    write_json(tmp_path / "report" / "metrics.json", MEASURED | {"handed_over": HANDED})
    write_page(tmp_path / "report", {"synthetic": tmp_path / "nowhere"})
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    for words in ("900–1,200", "One rule for every arm", "The folder model holds", "handsoff export", "1.5 min"):
        assert words in page


def test_a_model_without_a_score_has_a_dash(tmp_path: Path) -> None:
    found = handed_over({"handed_over": HANDED | {"test": float("nan")}}, tmp_path)
    assert found is not None
    assert "it has – on the test images" in found["sentence"]
