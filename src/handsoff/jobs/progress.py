"""What a work function yields while it works; whoever drains it decides how to show it."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage`; `note` is a short line worth showing beside the bar."""

    stage: str
    done: float
    total: float
    note: str = ""


Outcome = Literal["made", "continued", "done"]  # from nothing; from where it was interrupted; it was done before
Work = Generator[Progress, None, Outcome]  # of a verb
Part = Generator[Progress]  # of the work of a verb


def run_to_end(work: Work) -> Outcome:
    """Run a work function to its end, showing nothing."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
