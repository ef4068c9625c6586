"""`aim.json`: what was asked of a dataset, what was reached, and how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handsoff.core.files import write_json
from handsoff.jobs.ledger import read_entry
from handsoff.sampling.proposals import successes
from handsoff.sampling.targets import values
from handsoff.synthesis.compose import CLOSE, Composition, Told
from handsoff.synthesis.shard import LEDGER
from handsoff.synthesis.table import Decided, Table

REPORT = "aim.json"
NAMED = 8  # groups that were missed, each in a sentence of its own


def account(out: Path, composition: Composition, table: Table, decided: Decided) -> dict[str, Any]:
    """Write and return `aim.json`: what was asked, what was reached, and how.

    Shares are of samples (of pixels, where the group says so): `asked`, `reached`, `plain` in plain draws, `photos` in
    the labelled photos, None where that is not known. `proposals` {kind: {tried, confirmed}} are those for the group.
    """
    told = Told(composition, table, decided)
    groups = composition.groups(told)
    reached = composition.reached(groups, told)
    plain = values(groups, told[: len(composition.shards.rounds[0])]).mean(0)
    entries = []
    for index, group in enumerate(groups):
        known = [photo for photo in composition.photos.values() if group.knows(photo)]
        share = float(values([group], known).mean()) if known else None
        worked = successes(group, told)
        entries.append({
            "group": group.title,
            "asked": round(group.asked, 6),
            "reached": round(float(reached[index]), 6),
            "plain": round(float(plain[index]), 6),
            "photos": None if share is None else round(share, 6),
            "of": "pixels" if group.pixels else "samples",
            "proposals": {kind: {"tried": tried, "confirmed": good} for kind, (tried, good) in worked.items()},
        })  # fmt: skip
    rounds = sorted((out / LEDGER).glob("round-*.json"), key=lambda file: int(file.stem.rpartition("-")[2]))
    probes = {
        f"{title}, round {number}": skill
        for number, file in enumerate(rounds, start=1)
        for title, skill in (read_entry(file) or {"probes": {}})["probes"].items()
    }
    report = {
        "aim": composition.settings.aim,
        "drawn": len(told),
        "kept": int(decided.kept.sum()),
        "met": composition.is_met(groups, reached),
        "groups": entries,
        "directions": probes,
    }
    write_json(out / REPORT, report)
    return report


def missed(told: Mapping[str, Any]) -> list[str]:
    """A sentence for every group that was not reached, of very many for the first ones."""
    found = []
    for entry in told["groups"]:
        if abs(entry["reached"] - entry["asked"]) <= max(CLOSE, 1 / told["kept"]) + 1e-9:
            continue
        photos = "" if entry["photos"] is None else f", the labelled photos in {entry['photos']:.1%}"
        found.append(
            f"{entry['group']}: asked {entry['asked']:.2f}, reached {entry['reached']:.2f} after {told['drawn']:,} "
            f"draws; the generator shows it in {entry['plain']:.1%} of its {entry['of']}{photos}"
        )
    more = len(found) - NAMED
    return found if more <= 0 else [*found[:NAMED], f"{more} further groups were missed, {REPORT} names them"]
