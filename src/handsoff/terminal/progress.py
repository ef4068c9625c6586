"""Progress of work: bars in a terminal or notebook, plain lines elsewhere, with the time that is left as measured."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from rich import progress as bars

from handsoff.core.interrupts import asked, stop_if_asked
from handsoff.jobs.progress import Outcome, Progress, Work, watched
from handsoff.terminal.console import console, detail, say, visible

PLAIN_SECONDS = 10.0  # between lines where the output is no terminal
TRUSTED_SECONDS = 5.0  # of measuring before the time that is left is told
MINUTE, HOUR = 60, 3600

Show = Callable[[Iterable[Progress]], None]


def drain(work: Work) -> Outcome:
    """Do the work to its end, showing how far it is; Ctrl-C or SIGTERM ends it between two steps of it."""
    return shown(work, draw_bars if console.is_terminal else print_lines)


def shown(work: Work, show: Show) -> Outcome:
    """Do the work to its end, shown by `show`."""
    outcomes: list[Outcome] = []

    def heeding() -> Iterator[Progress]:
        outcomes.append((yield from until_stopped(work)))

    try:
        show(heeding())
    finally:
        work.close()  # what was interrupted tidies up now, not when it is collected
    return outcomes[0]


def until_stopped(work: Work) -> Work:
    """The same work, ended by Ctrl-C or SIGTERM between two steps instead of within one; the second ends it at once."""
    before: dict[int, Any] = {}

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for listened, handler in before.items():
            signal.signal(listened, handler)

    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {number: handler for number, handler in usual.items() if signal.getsignal(number) is handler}
    for number in before:
        signal.signal(number, ask)

    def stop_or_pass(progress: Progress) -> Progress:
        stop_if_asked()
        return progress

    try:
        return (yield from watched(work, stop_or_pass))
    finally:
        asked.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Pace:
    """How fast a stage is, measured from its first report on: what an earlier run did costs no time in this one.

    Attributes:
        stage: its name.
        first: how much was done at the first report.
        began: when that was, by `time.monotonic`.
    """

    stage: str
    first: float
    began: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def left(self, now: Progress) -> str:
        """How long the stage will still take, "" while that is not known."""
        if now.done <= self.first or now.done >= now.total or self.seconds < TRUSTED_SECONDS:
            return ""
        return f"{duration(self.seconds * (now.total - now.done) / (now.done - self.first))} left"


def duration(seconds: float) -> str:
    """A time span for people.

    >>> duration(42), duration(200), duration(8000)
    ('42 s', '3 min', '2 h 13 min')
    """
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / MINUTE), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def paced(work: Iterable[Progress]) -> Iterator[tuple[Progress, Pace]]:
    """Every report with the pace of its stage; with --verbose a line says how long a stage took."""
    pace: Pace | None = None
    for now in work:
        if pace is None or pace.stage != now.stage:
            if pace is not None:
                detail(f"{pace.stage} took {pace.seconds:.1f} s")
            pace = Pace(now.stage, now.done, time.monotonic())
        yield now, pace
    if pace is not None:
        detail(f"{pace.stage} took {pace.seconds:.1f} s")


def draw_bars(work: Iterable[Progress]) -> None:
    """A bar per stage."""
    texts = (bars.TextColumn("{task.description}", markup=False), bars.TextColumn("{task.fields[note]}", markup=False))
    columns = (texts[0], bars.BarColumn(), bars.TaskProgressColumn(), bars.TimeElapsedColumn(), texts[1])
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console) as display:
        for now, pace in paced(work):
            if now.stage not in tasks:
                for task in tasks.values():
                    display.stop_task(task)
                tasks[now.stage] = display.add_task(visible(now.stage), note="")
            note = "  ".join(filter(None, (pace.left(now), visible(now.note))))
            display.update(tasks[now.stage], completed=now.done, total=now.total, note=note)


def print_lines(work: Iterable[Progress]) -> None:
    """A line now and then, and one at the end of every stage."""
    last: tuple[Progress, Pace] | None = None
    told, printed = "", time.monotonic()

    def tell(now: Progress, pace: Pace) -> None:
        nonlocal told, printed
        if line(now) != told:
            left = pace.left(now)
            say(line(now) + (f"  {left}" if left else ""))
        told, printed = line(now), time.monotonic()

    for now, pace in paced(work):
        if last is not None and last[0].stage != now.stage:
            tell(*last)
        elif time.monotonic() - printed > PLAIN_SECONDS:
            tell(now, pace)
        last = now, pace
    if last is not None:
        tell(*last)


def show_nothing(work: Iterable[Progress]) -> None:
    """Only do the work."""
    for _ in work:
        pass


def line(now: Progress) -> str:
    return f"{now.stage} {min(100 * now.done / max(now.total, 1e-9), 100):.0f} %" + (
        f"  {now.note}" if now.note else ""
    )
