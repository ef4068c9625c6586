"""What a dataset was to hold and what it holds, as a table: for the terminal, the report and the diagnosis."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handsoff.core.files import read_json
from handsoff.report.diagnosis import Table

AIM = "aim.json"  # in a dataset that was composed
HEADER = ("", "asked", "reached", "in plain draws", "in labelled photos", "proposals: confirmed of tried")


def read_composition(dataset: Path) -> dict[str, Any] | None:
    """What a dataset says of its aim; None where it had none.

    Raises:
        InputError: the file is damaged.
    """
    found: dict[str, Any] | None = read_json(dataset / AIM) if (dataset / AIM).is_file() else None
    return found


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
