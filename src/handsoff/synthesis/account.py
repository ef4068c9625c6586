"""`aim.json`: what was asked of a dataset, what was reached, and how."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.files import write_json
from handsoff.jobs.ledger import read_entry
from handsoff.sampling.proposals import successes
from handsoff.sampling.targets import Group, values
from handsoff.synthesis.compose import Composition, Told
from handsoff.synthesis.shard import LEDGER
from handsoff.synthesis.table import Samples

REPORT = "aim.json"
NAMED = 8  # groups that were missed, each in a sentence of its own


def account(composition: Composition, samples: Samples) -> dict[str, Any]:
    """Write and return `aim.json`: what was asked, what was reached, and how.

    Shares are of samples (of pixels, where the group says so): `asked`, `reached`, `plain` in plain draws, `photos` in
    the labelled photos, None where that is not known. `met` is whether `reached` is near enough to `asked`, `proposals`
    {kind: {tried, confirmed}} are those for the group.
    """
    told = Told(composition, samples.table, samples.decided)
    groups = composition.groups(told)
    reached = shares(groups, samples)
    met = composition.met(groups, reached)
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
            "met": bool(met[index]),
            "plain": round(float(plain[index]), 6),
            "photos": None if share is None else round(share, 6),
            "of": "pixels" if group.pixels else "samples",
            "proposals": {kind: {"tried": tried, "confirmed": good} for kind, (tried, good) in worked.items()},
        })  # fmt: skip
    report = {
        "aim": composition.settings.placeless_aim,
        "drawn": len(told),
        "kept": samples.kept,
        "met": bool(met.all()),
        "groups": entries,
        "directions": directions(samples.out),
    }
    write_json(samples.out / REPORT, report)
    return report


def directions(out: Path) -> dict[str, float]:
    """The held-out AUC of every direction."""
    rounds = sorted((out / LEDGER).glob("round-*.json"), key=lambda file: int(file.stem.rpartition("-")[2]))
    return {
        f"{title}, round {number}": skill
        for number, file in enumerate(rounds, start=1)
        for title, skill in (read_entry(file) or {"probes": {}})["probes"].items()
    }


def shares(groups: Sequence[Group], samples: Samples) -> Float[np.ndarray, " m"]:
    """The share of every group among the samples that stay, by their records: after pixels were ignored."""
    found = (values(groups, [record])[0] for record in samples if record["kept"])
    return sum(found, np.zeros(len(groups))) / samples.kept


def missed(told: Mapping[str, Any]) -> list[str]:
    """A sentence for every group that was not reached, of very many for the first ones."""
    found = []
    for entry in told["groups"]:
        if entry["met"]:
            continue
        form = ".3g" if entry["of"] == "pixels" else ".2f"
        asked, reached = (f"{entry[key]:{form}}" for key in ("asked", "reached"))
        photos = "" if entry["photos"] is None else f", the labelled photos in {entry['photos']:.1%}"
        found.append(
            f"{entry['group']}: asked {asked}, reached {reached} after {told['drawn']:,} draws; the generator shows it "
            f"in {entry['plain']:.1%} of its {entry['of']}{photos}"
        )
    more = len(found) - NAMED
    return found if more <= 0 else [*found[:NAMED], f"{more} further groups were missed, {REPORT} names them"]
