"""What a training run warns of, by what its log says."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from handsoff.generators.nearness import Nearness

WINNING = 0.25  # of the discriminator's loss at chance: below, it wins
SNAPSHOTS = 3  # of which the mean must lie below


def warnings_of(
    losses: Sequence[float | None], chance: float, nearness: Nearness | None, *, projected: bool
) -> list[str]:
    """A sentence for everything that goes wrong now.

    Args:
        losses: of the discriminator, the mean since the snapshot before, one per snapshot; None where it is not known.
        chance: its loss if it could not tell real from made.
        nearness: of the newest samples.
        projected: whether the discriminator is the projected one, which `r1` holds back.
    """
    found = []
    last = losses[-SNAPSHOTS:]
    known = [loss for loss in last if loss is not None and math.isfinite(loss)]
    if len(known) == SNAPSHOTS and (mean := sum(known) / SNAPSHOTS) < WINNING * chance:
        found.append(
            f"The discriminator wins: over the last {SNAPSHOTS} snapshots its loss was {mean:.2f}, where {chance:.2g} "
            "is chance. Samples may become all alike: look at the grids"
            + (", and if they do, begin again with a higher r1." if projected else ".")
        )
    if nearness is not None and nearness.alarming:
        found.append(
            f"{nearness.sentence()} See nearest.png, and hand no samples out that nobody looked at. More photos help, "
            "or a shorter training."
        )
    return found


def discriminator_losses(log: Sequence[Mapping[str, Any]]) -> list[float | None]:
    return [line.get("loss_d") for line in log]
