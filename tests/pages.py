"""The code blocks of the documentation."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
    "src/handsoff/demo/README.md",
    "tools/render_heads/README.md",
]
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"": "shell", "bash": "shell", "sh": "shell"}  # a block without a language is one for the shell


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where its code begins in the page, from 1."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """All blocks in a language (shell, python, toml, json), in the order of the pages."""
    return [block for page in PAGES for block in page_blocks(page) if block.language == language]


def page_blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start(3)) + 1,
            LANGUAGES.get(found[2], found[2]),
            textwrap.dedent(found[3]),
        )
        for found in FENCED.finditer(text)
    ]
