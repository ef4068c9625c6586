"""The report page, from a tiny made-up dataset."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.core.files import png, read_json, write_bytes, write_json
from handsoff.report.chart import colours
from handsoff.report.page import write_page
from handsoff.review.session import open_session
from measured import GOOD, arm, metrics
from toy import write_classes, write_mask

CLASSES = ["background", "<b>eye</b>", "ear"]


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
            "draw": {"seed": index, "psi": 1.0},
            "uncertainty": index / 10,
            **(dropped if index > 7 else {"kept": True, "reason": None}),
        }
        for index in range(10)
    ]
    write_bytes(dataset / "samples.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    write_json(
        dataset / "manifest.json",
        {"tasks": {"segmentation": {"classes": CLASSES}}, "image_size": [8, 6], "licence": "a licence of its own"},
    )
    write_json(dataset / "job.json", {"verb": "generate", "inputs": {}, "settings": {}})
    write_bytes(dataset / "DONE", b"")
    write_json(dataset / "report.json", {"verb": "generate", "settings": {"psi": 0.8125}, "seconds": 12.0})
    for file in (dataset / "inversions.png", report / "predictions" / "real_only.png"):
        write_bytes(file, png(rng.integers(0, 256, (8, 18, 3), np.uint8)))
    write_json(report / "metrics.json", GOOD)
    return report, dataset


def page_of(report: Path, dataset: Path) -> str:
    write_page(report, {"synthetic": dataset})
    return (report / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(folders: tuple[Path, Path]) -> None:
    page = page_of(*folders)
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert set(re.findall(r'src="([a-z]+:[a-z]+/[a-z]+)', page)) == {"data:image/webp"}
    assert page.count("<img") == len(re.findall(r'src="data:', page))


@pytest.mark.parametrize(("copies", "tone"), [(0, "quiet"), (900, "absent")])
def test_the_page_says_whether_samples_repeat_training_images(
    folders: tuple[Path, Path], copies: int, tone: str
) -> None:
    report, dataset = folders
    assert "look like copies" not in page_of(report, dataset)
    manifest = read_json(dataset / "manifest.json")
    nearness = {"samples": 2000, "photos": 300, "ratio": 0.9, "copies": copies}
    write_json(dataset / "manifest.json", manifest | {"nearness": nearness})
    page = page_of(report, dataset)
    assert f'<p class="{tone}">{copies} of 2,000 samples (' in page
    assert ("Hand none out" in page) == (copies > 0)


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
    assert "Not among the 8 generated labels that were looked at: ear." in page


def test_what_a_person_rejected_is_not_shown_as_kept(folders: tuple[Path, Path]) -> None:
    report, dataset = folders
    assert re.search(r"samples kept\W.{0,40}?8\b", page_of(report, dataset), re.DOTALL)
    open_session(dataset).decide("00000000", "reject", 0)
    page = page_of(report, dataset)
    assert re.search(r"samples kept\W.{0,40}?7\b", page, re.DOTALL)
    assert "seed 0 " not in page
    assert "seed 1 " in page


def test_corrections_are_shown_as_they_were_used(folders: tuple[Path, Path]) -> None:
    report, dataset = folders
    original = pictures(page_of(report, dataset))
    session = open_session(dataset)
    for name in session.dataset.names:
        session.correct("segmentation", name, np.ones((8, 6), np.uint8), 0)
    session.decide("00000000", "reject", 1)
    assert original
    assert not original & pictures(page_of(report, dataset))
    assert "seed 0 " not in page_of(report, dataset)
    write_json(report / "job.json", {"verb": "evaluate", "inputs": {}, "settings": {"corrections": "ignore"}})
    assert pictures(page_of(report, dataset)) == original
    assert "seed 0 " in page_of(report, dataset)
    write_json(report / "job.json", {"verb": "evaluate", "inputs": {}, "settings": {"corrections": "only"}})
    session.undo()
    assert "seed 0 " in page_of(report, dataset)


def pictures(page: str) -> set[str]:
    """The labels without their images."""
    return set(re.findall(r'src="([^"]+)" alt="label, without the image"', page))


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
        write_page(tmp_path, {"synthetic": tmp_path})


def test_scores_that_are_not_numbers_are_dashes(folders: tuple[Path, Path]) -> None:
    report, dataset = folders
    broken = metrics((float("nan"), float("nan")), (0.3, 0.3), (0.3, 0.3))
    write_json(report / "metrics.json", broken)
    page = page_of(report, dataset)
    assert "–" in page
    assert "nan" not in page.split('<h2 id="samples')[0].split("</style>")[1]


def test_any_number_of_arms_and_datasets_is_drawn(folders: tuple[Path, Path], tmp_path: Path) -> None:
    report, dataset = folders
    names = ["real_only", "gan_only", "diffusion_only", "real_plus_gan", "real_plus_diffusion", "real_plus_all", "mine"]
    arms = {name: {"miou": arm(0.5 + index / 100, 0.51 + index / 100)} for index, name in enumerate(names)}
    pools = {"real": 5, "gan": 1000, "diffusion": 234}
    write_json(report / "metrics.json", GOOD | {"arms": arms, "per_class": {}, "pools": pools})
    write_page(report, {"gan": dataset, "diffusion": tmp_path / "nowhere"})
    page = (report / "report.html").read_text(encoding="utf-8")
    for words in ("real + diffusion", "diffusion only", "real + all", "mine", "their labels: gan", "1,000 of gan"):
        assert words in page
    order = [page.index(f"</span>{title}</th>") for title in ("real only", "gan only", "real + gan", "mine")]
    assert order == sorted(order)


def test_no_two_arms_have_one_colour() -> None:
    names = ["real_only", *(f"arm{index}" for index in range(30))]
    assert len(set(colours(names).values())) == len(names)
    assert colours(["real_only", "synthetic_only", "real_plus_synthetic"]) == {
        "real_only": "var(--real)", "synthetic_only": "var(--synthetic)", "real_plus_synthetic": "var(--both)",
    }  # fmt: skip


def test_labelled_data_without_a_manifest_is_shown(folders: tuple[Path, Path]) -> None:
    report, dataset = folders
    for file in ("manifest.json", "samples.jsonl"):
        (dataset / file).unlink()
    page = page_of(report, dataset)
    assert page.count('alt="label, without the image"') == 10
