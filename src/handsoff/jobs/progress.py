"""What a work function yields while it works; whoever drains it decides how to show it."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage`; `note` is a short line worth showing beside the bar."""

    stage: str
    done: float
    total: float
    note: str = ""


Work = Iterator[Progress]


def run_to_end(work: Work) -> None:
    """Run a work function to its end, showing nothing."""
    for _ in work:
        pass
