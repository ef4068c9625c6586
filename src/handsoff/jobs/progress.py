"""What a work function yields while it works; whoever drains it decides how to show it."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage`; `note` is a short line worth showing beside the bar."""

    stage: str
    done: float
    total: float
    note: str = ""


Outcome = Literal["made", "continued", "done"]  # begun by this call; begun before and finished now; finished before
Work = Generator[Progress, None, Outcome]  # of a verb
Part = Generator[Progress]  # of the work of a verb


def run_to_end(work: Generator[Progress, None, T]) -> T:
    """Run a work function, or a part of one, to its end, showing nothing; what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def named(name: str, work: Work) -> Work:
    """The same work, its stages called "NAME: STAGE"."""
    with closing(work):
        while True:
            try:
                progress = next(work)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            yield replace(progress, stage=f"{name}: {progress.stage}")
