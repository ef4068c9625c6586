"""Links between pages lead somewhere, and the architecture's page shows the rooms that there are."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import handsoff
from pages import PAGES, ROOT

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
HIDDEN = {"__init__", "__main__", "__pycache__"}
PACKAGE = Path(handsoff.__file__).parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links to them: lower case, no punctuation, dashes for blanks."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for path, anchor in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    return broken


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    assert not broken_links(ROOT / page)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One, two\n[a](#one-two) [b](page.md#one-two) [c](other.md) [d](#three) [e](https://example.org)\n"
    )
    assert broken_links(page) == ["other.md", "#three"]


def test_every_room_has_a_line_and_a_box() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    rooms = (packages | {path.stem for path in PACKAGE.glob("*.py")}) - HIDDEN
    lines = set(re.findall(r"^\|[^|]*\| `(\w+)(?:/|\.py)` \|", ARCHITECTURE, re.MULTILINE))
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    boxes = set(re.findall(r'class="name"[^>]*>(\w+)<', picture))
    assert lines == rooms
    assert boxes == rooms


def test_every_registry_that_the_page_names_exists() -> None:
    named = re.findall(r"`([A-Z]+)`[^|]*?(?: in `([\w/]+)\.py`)", ARCHITECTURE)
    assert len(named) >= 6
    for registry, module in named:
        entries = getattr(import_module(f"handsoff.{module.replace('/', '.').removesuffix('.__init__')}"), registry)
        assert isinstance(entries, dict)
        assert entries
