"""Lines and tables in the terminal. Whatever is printed goes through `visible`: a file's name is not a command."""

import json
import math
import os
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

SPEAKS = int(os.environ.get("RANK", "0")) == 0  # of several processes started by torchrun, the first
BIDI = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # they reorder what is read
ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode's control characters, surrogates, line and paragraph ends
console, complaints = Console(quiet=not SPEAKS), Console(stderr=True, quiet=not SPEAKS)


@dataclass
class Manner:
    """How this process speaks.

    Attributes:
        verbose: also what a step is made by, and how long its stages take.
        json: standard output holds one JSON object and nothing else.
    """

    verbose: bool = False
    json: bool = False


manner = Manner()


def speak(*, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
    """Choose how this process speaks: `quiet` leaves warnings and errors, `as_json` sends all text to stderr."""
    console.quiet = quiet or not SPEAKS
    console.stderr = as_json
    manner.verbose, manner.json = verbose, as_json
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no error


def visible(text: str) -> str:
    r"""The text on one line, with escapes for what a terminal would obey instead of show.

    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode()
        if unicodedata.category(character) in ESCAPED or character in BIDI
        else character
        for character in text
    )


def say(text: str, where: Console = console) -> None:
    """One line, as it is and however long."""
    where.print(Text(visible(text)), soft_wrap=True)


def warn(text: str) -> None:
    """A line that `quiet` does not hide."""
    say(f"! {text}", complaints if console.quiet and SPEAKS else console)


def detail(text: str) -> None:
    """A line for those who asked for more."""
    if manner.verbose:
        say(text)


def give(result: object) -> None:
    """The result as JSON on standard output, where that was asked for; in ASCII, so that it is safe everywhere."""
    if manner.json and SPEAKS:
        sys.stdout.write(json.dumps(finite(result), allow_nan=False) + "\n")
        sys.stdout.flush()


def finite(value: Any) -> Any:
    """The same value with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def small_table(*header: str, title: str | None = None) -> Table:
    heading = None if title is None else Text(visible(title), style="italic")
    columns = [Text(visible(name)) for name in header]
    table = Table(box=None, show_header=bool(header), title=heading, title_justify="left", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def show_table(title: str | None, header: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """A table, with a line of column names where there are any."""
    rows, names = list(rows), list(header)
    table = small_table(*names, title=title)
    for _ in range(max(map(len, rows), default=0) - len(names)):
        table.add_column()
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console.print(table, highlight=False)


def show_facts(rows: Iterable[tuple[str, ...]], title: str | None = None) -> None:
    """A small table of names and values."""
    show_table(title, (), rows)
