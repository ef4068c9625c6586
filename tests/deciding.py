"""What is decided of samples, as their records will say it."""

from collections.abc import Sequence
from typing import Any

from handsoff.synthesis.select import Drop, select
from handsoff.synthesis.settings import Strata
from handsoff.synthesis.table import SHOWN, Table


def decided(
    records: Sequence[dict[str, Any]], keep: float, drop: Drop = "any", strata: Strata = "none"
) -> list[dict[str, Any]]:
    """The records, each with what `select` decides of it."""
    shown = [(task, part) for record in records for task, parts in record.get("shows", {}).items() for part in parts]
    table = Table(dict.fromkeys(shown, SHOWN))
    table.add(records)
    found = select(table, keep, drop, strata)
    return [{**record, **found.told(place)} for place, record in enumerate(records)]
