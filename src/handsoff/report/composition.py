"""What a dataset was to hold and what it holds, as a table: for the terminal, the report and the diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HEADER = ("", "asked", "reached", "in plain draws", "in labelled photos", "proposals: confirmed of tried")


@dataclass(frozen=True)
class Table:
    """A title, a sentence on how to read it, column names and rows of texts."""

    title: str
    reading: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def composition_table(told: Mapping[str, Any], name: str = "") -> Table:
    """A row per group that was asked for."""
    rows = []
    for entry in told["groups"]:
        of = " of the pixels" if entry["of"] == "pixels" else ""
        tried = "; ".join(
            f"{kind} {found['confirmed']:,} of {found['tried']:,}" for kind, found in entry["proposals"].items()
        )
        shares = (entry[key] for key in ("asked", "reached", "plain", "photos"))
        rows.append((entry["group"], *("–" if share is None else f"{share:.1%}{of}" for share in shares), tried))
    reading = (
        f"Shares of the {told['kept']:,} samples that stayed of {told['drawn']:,}. A proposal is confirmed when its "
        "sample shows what it was made for, and its labels are certain enough."
    )
    return Table(f"Composition{f': {name}' if name else ''}", reading, HEADER, rows)
