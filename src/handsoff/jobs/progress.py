"""What a work function yields while it works; whoever drains it decides how to show it."""

import time
from collections.abc import Callable, Generator
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


class Rate:
    """How many are done a second, by all who work, from the first report on: what is done once costs no time."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.done, self.began = 0, 0.0

    def count(self, more: int) -> None:
        """So many more are done."""
        if self.began:
            self.done += more
        else:
            self.began = time.monotonic()

    def __str__(self) -> str:
        """For a note, "" while it is not known."""
        seconds = time.monotonic() - self.began
        return f"{self.done / seconds:,.1f} {self.unit}/s" if self.done and seconds else ""


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


def watched(work: Work, each: Callable[[Progress], Progress]) -> Work:
    """The same work; `each` sees every report before it is passed on, and says what is passed on instead."""
    with closing(work):
        while True:
            try:
                progress = next(work)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            yield each(progress)


def named(name: str, work: Work) -> Work:
    """The same work, its stages called "NAME: STAGE"."""
    return watched(work, lambda progress: replace(progress, stage=f"{name}: {progress.stage}"))
