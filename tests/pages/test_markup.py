"""The markup of a whole page: anchors lead somewhere, tables and pictures can be read without seeing them."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from handsoff.core.files import write_bytes, write_json
from handsoff.report.diagnosis import write_page as write_diagnosis
from handsoff.report.page import write_page
from handsoff.training.page import Standing, write_progress
from measured import CONFUSION, CURVE, GOOD, examples

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements in order of opening, as (tag, attributes); complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def report(tmp_path: Path) -> Page:
    """A report with everything that its own folder can give."""
    found = GOOD | {
        "curve": CURVE,
        "confusion": CONFUSION,
        "support": {"background": [12, 0.9]},
        "note": "See `handsoff demo`, 1 < 2.",
    }
    examples(tmp_path / "report")
    write_json(tmp_path / "report" / "metrics.json", found)
    inputs = {name: {"path": str(tmp_path / f"{name}.zip")} for name in ("real", "synthetic", "test")}
    settings = {"first": 5, "note": found["note"], "seeds": 3}
    write_json(tmp_path / "report" / "job.json", {"verb": "evaluate", "inputs": inputs, "settings": settings})
    write_page(tmp_path / "report", {"synthetic": tmp_path / "nowhere"})
    return Page((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def diagnosis(tmp_path: Path) -> Page:
    links = {
        "generator": {"distance": {"fd_lite0": 1.0, "kd_lite0": 0.1}, "not_measured": "The `x` is not there."},
        "reconstruction": {"labelled": {"pixel": 0.1, "perceptual": 0.1, "prior": 0.1}},
        "budgets": {},
    }
    write_json(tmp_path / "heads" / "diagnosis.json", {"links": links})
    write_json(tmp_path / "heads" / "job.json", {"verb": "diagnose", "inputs": {"run": {"path": "/runs/heads"}}})
    write_diagnosis(tmp_path / "heads", {})
    return Page((tmp_path / "heads" / "diagnosis.html").read_text(encoding="utf-8"))


@pytest.fixture
def progress(tmp_path: Path) -> Page:
    line = {"kimg": 20.0, "seconds": 600.0, "images_per_second": 33.3, "loss_d": 6.1, "loss_g": 0.4}
    line |= {"fd_lite0": 240.0, "kd_lite0": 9.0, "copies": 0.0, "warnings": ["Raise `r1`."]}
    write_bytes(tmp_path / "log.jsonl", f"{json.dumps(line)}\n".encode())
    for file in ("grids/000000.png", "grids/000020.png", "nearest.png"):
        write_bytes(tmp_path / file, b"")
    write_progress(tmp_path, Standing(20_000, 600.0, 33.3, 60.0, 240.0))
    return Page((tmp_path / "progress.html").read_text(encoding="utf-8"))


@pytest.fixture(params=["report", "diagnosis", "progress"])
def page(request: pytest.FixtureRequest) -> Page:
    found: Page = request.getfixturevalue(request.param)
    return found


def anchors_of(page: Page) -> list[str]:
    """Links into the page itself."""
    return [str(link["href"]) for link in page.of("a") if str(link["href"]).startswith("#")]


def test_ids_are_unique_and_anchors_lead_to_them(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    anchors = [link.removeprefix("#") for link in anchors_of(page)]
    assert anchors
    opened = [button["popovertarget"] for button in page.of("button") if "popovertarget" in button]
    assert {*anchors, *opened} <= set(ids)


def test_every_section_is_in_the_contents(page: Page) -> None:
    headings = [heading["id"] for heading in page.of("h2")]
    assert anchors_of(page) == [f"#{name}" for name in headings]


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert len(page.of("caption")) == len(page.of("table")) > 0
    assert all(cell.get("scope") in {"col", "row"} for cell in page.of("th"))


def test_pictures_have_alternatives_and_buttons_have_names(page: Page) -> None:
    assert all(picture.get("alt") for picture in page.of("img"))
    assert all(button.get("aria-label") or button.get("class") in {"close", "pause"} for button in page.of("button"))


def test_the_learning_curve_can_be_read_without_seeing_it(report: Page) -> None:
    (alternative,) = (plot["aria-label"] for plot in report.of("div") if plot.get("class") == "field")
    assert str(alternative).startswith("mIoU from real labels alone. 5 labels: 0.510 ± 0.008, 20 labels: 0.600")


def test_code_is_set_as_code(page: Page) -> None:
    assert "`" not in "".join(page.words)
    assert page.of("code")


def test_images_are_called_images(page: Page) -> None:
    words = "".join(page.words)
    assert not re.search(r"photo|never generated", words, re.IGNORECASE)


def test_a_page_says_what_it_is_about(report: Page, diagnosis: Page, tmp_path: Path) -> None:
    assert f"segmentation, 5 labels of {tmp_path.name}/real – HandsOff report" in report.words
    assert "heads – HandsOff diagnosis" in diagnosis.words


def test_the_report_shows_all_of_it(report: Page) -> None:
    words = " ".join(report.words)
    for text in (
        "Worth as many labels as",
        "What is taken for what",
        "The worst test images",
        "What to do next",
        "face10",
        "12 · 90.0 %",
    ):
        assert text in words
    assert "handsoff convert" in words
