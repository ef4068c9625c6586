"""The report page, from a tiny made-up dataset."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.core.files import png, write_bytes, write_json
from handsoff.report.page import write_page
from handsoff.report.verdict import difference, meaning, score, scores, verdict
from toy import write_classes, write_mask

CLASSES = ["background", "<b>eye</b>", "ear"]


def arm(*runs: float) -> dict[str, Any]:
    return {"mean": float(np.mean(runs)), "std": float(np.std(runs)), "runs": list(runs)}


def metrics(
    real: tuple[float, ...], synthetic: tuple[float, ...], both: tuple[float, ...], name: str = "miou"
) -> dict[str, Any]:
    arms = {
        "real_only": {name: arm(*real)},
        "synthetic_only": {name: arm(*synthetic)},
        "real_plus_synthetic": {name: arm(*both)},
    }
    classes = {"background": {"mean": 0.9, "std": 0.01}, "<b>eye</b>": {"mean": 0.4321, "std": 0.02}}
    counts = {"n_real": 5, "n_synthetic": 1234, "n_test": 7, "n_validation": 3, "steps": 11, "excluded_from_test": 2}
    return {"task": "segmentation", "arms": arms, "per_class": dict.fromkeys(arms, classes), **counts}


GOOD = metrics((0.50, 0.51, 0.52), (0.30, 0.31, 0.32), (0.60, 0.61, 0.62))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A report and a dataset with everything that can be on the page."""
    report, dataset, rng = tmp_path / "report", tmp_path / "dataset", np.random.default_rng(0)
    for index in range(10):
        write_mask(
            dataset, f"{index:08d}", rng.integers(0, 256, (8, 6, 3), np.uint8), rng.integers(0, 2, (8, 6), np.uint8)
        )
        write_bytes(dataset / "uncertainty" / f"{index:08d}.png", png(rng.integers(0, 256, (8, 6), np.uint8)))
    write_classes(dataset, CLASSES)
    dropped = {"kept": False, "reason": "uncertainty 0.9100 is among the highest 10%"}
    lines = [
        {
            "name": f"{index:08d}",
            "seed": index,
            "uncertainty": index / 10,
            **(dropped if index > 7 else {"kept": True, "reason": None}),
        }
        for index in range(10)
    ]
    write_bytes(dataset / "samples.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    write_json(
        dataset / "manifest.json",
        {"tasks": {"segmentation": {"classes": CLASSES}}, "resolution": [8, 6], "licence": "a licence of its own"},
    )
    write_json(dataset / "report.json", {"verb": "generate", "settings": {"psi": 0.8125}, "seconds": 12.0})
    for file in (dataset / "inversions.png", report / "predictions" / "real_only.png"):
        write_bytes(file, png(rng.integers(0, 256, (8, 18, 3), np.uint8)))
    write_json(report / "metrics.json", GOOD)
    return report, dataset


def page_of(report: Path, dataset: Path) -> str:
    write_page(report, dataset)
    return (report / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(folders: tuple[Path, Path]) -> None:
    page = page_of(*folders)
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert set(re.findall(r'src="([a-z]+:[a-z]+/[a-z]+)', page)) == {"data:image/webp"}
    assert page.count("<img") == len(re.findall(r'src="data:', page))


def test_the_page_tells_the_numbers(folders: tuple[Path, Path]) -> None:
    page = page_of(*folders)
    for text in (
        "0.510 ± 0.008",
        "+0.100",
        "−0.200",
        "1,234",
        "0.432 ± 0.020",
        "a licence of its own",
        "0.8125",
        "seed 3",
        "2 dropped",
        "Synthetic data helped",
    ):
        assert text in page
    assert "uncertainty is among the highest 10% (2)" in page


def test_the_page_says_which_class_never_occurs(folders: tuple[Path, Path]) -> None:
    page = page_of(*folders)
    assert "Never seen in the generated labels that were looked at: ear." in page


def test_names_are_shown_as_they_are(folders: tuple[Path, Path]) -> None:
    page = page_of(*folders)
    assert "&lt;b&gt;eye&lt;/b&gt;" in page
    assert "<b>eye</b>" not in page


def test_whatever_is_missing_is_left_out(tmp_path: Path) -> None:
    write_json(tmp_path / "report" / "metrics.json", {"task": "keypoints", "arms": GOOD["arms"]})
    page = page_of(tmp_path / "report", tmp_path / "nowhere")
    assert "Synthetic data helped" in page
    assert "<img" not in page
    assert "None" not in page


@pytest.mark.parametrize("part", ["masks", "uncertainty", "images", "samples.jsonl", "manifest.json", "inversions.png"])
def test_any_part_may_be_missing(folders: tuple[Path, Path], part: str) -> None:
    report, dataset = folders
    (dataset / part).rename(dataset.parent / part)
    assert "Synthetic data helped" in page_of(report, dataset)


def test_without_metrics_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json is missing"):
        write_page(tmp_path, tmp_path)


def test_scores_that_are_not_numbers_are_dashes(folders: tuple[Path, Path]) -> None:
    report, dataset = folders
    broken = metrics((float("nan"), float("nan")), (0.3, 0.3), (0.3, 0.3))
    write_json(report / "metrics.json", broken)
    page = page_of(report, dataset)
    assert "–" in page
    assert "nan" not in page.split("<h2>Generated")[0].split("</style>")[1]


@pytest.mark.parametrize(
    ("given", "words", "tone"),
    [
        (GOOD, "Synthetic data helped", "good"),
        (metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42)), "Synthetic data did not help", "bad"),
        (metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.5, 0.515, 0.525)), "no clear difference", "even"),
        (metrics((0.5,), (0.3,), (0.6,)), "better in a single run", "even"),
        (
            metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42), "nme"),
            "helped: NME 0.510 from the real labels alone, 0.310 with synthetic",
            "good",
        ),
        ({"arms": {"real_only": {"miou": arm(0.5)}}}, "not all measured", "even"),
    ],
)
def test_the_verdict(given: dict[str, Any], words: str, tone: str) -> None:
    sentence, found = verdict(scores(given))
    assert words in sentence
    assert found == tone


def test_a_difference_is_clear_by_the_t_test() -> None:
    real, close, far = (score(arm(*runs)) for runs in ((0.50, 0.51, 0.52), (0.515, 0.525, 0.535), (0.53, 0.54, 0.55)))
    assert difference(close, real, "miou").clear is False
    assert difference(far, real, "miou").clear is True
    assert difference(score(0.9), real, "miou").clear is None


def test_advice_is_given_only_where_it_is_needed() -> None:
    worse = metrics((0.5, 0.51, 0.52), (0.3, 0.31, 0.32), (0.4, 0.41, 0.42))
    assert any("train on the real labels alone" in sentence for sentence in meaning(worse))
    assert not any("train on the real labels alone" in sentence for sentence in meaning(GOOD))
