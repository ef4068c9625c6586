"""Progress and results in the terminal, or as plain lines where there is none."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handsoff.jobs.progress import Outcome, Progress, Work

PLAIN_SECONDS = 10.0  # between lines where the output is no terminal
SPEAKS = int(os.environ.get("RANK", "0")) == 0  # of several processes started by torchrun, the first
console, complaints = Console(quiet=not SPEAKS), Console(stderr=True, quiet=not SPEAKS)


def say(text: str, where: Console = console) -> None:
    """One line, as it is and however long."""
    where.print(text, markup=False, highlight=False, soft_wrap=True)


def drain(work: Work) -> Outcome:
    """Do the work to its end, showing how far it is; Ctrl-C or SIGTERM ends it between two steps of it."""
    outcomes: list[Outcome] = []

    def watched() -> Iterator[Progress]:
        outcomes.append((yield from until_stopped(work)))

    try:
        (draw_bars if console.is_terminal else print_lines)(watched())
    finally:
        work.close()  # what was interrupted tidies up now, not when it is collected
    return outcomes[0]


def until_stopped(work: Work) -> Work:
    """The same work, ended by Ctrl-C or SIGTERM between two steps instead of within one; the second ends it at once."""
    asked: list[int] = []
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
    try:
        while True:
            try:
                now = next(work)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            yield now
            if asked:
                raise KeyboardInterrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def draw_bars(work: Iterable[Progress]) -> None:
    """A bar per stage."""
    texts = (bars.TextColumn("{task.description}", markup=False), bars.TextColumn("{task.fields[note]}", markup=False))
    columns = (texts[0], bars.BarColumn(), bars.TaskProgressColumn(), bars.TimeElapsedColumn(), texts[1])
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console) as display:
        for now in work:
            if now.stage not in tasks:
                for task in tasks.values():
                    display.stop_task(task)
                tasks[now.stage] = display.add_task(now.stage, note="")
            display.update(tasks[now.stage], completed=now.done, total=now.total, note=now.note)


def print_lines(work: Iterable[Progress]) -> None:
    """A line now and then, and one at the end of every stage."""
    last: Progress | None = None
    told, printed = "", time.monotonic()

    def tell(now: Progress) -> None:
        nonlocal told, printed
        if line(now) != told:
            say(line(now))
        told, printed = line(now), time.monotonic()

    for now in work:
        if last is not None and last.stage != now.stage:
            tell(last)
        elif time.monotonic() - printed > PLAIN_SECONDS:
            tell(now)
        last = now
    if last is not None:
        tell(last)


def line(now: Progress) -> str:
    return f"{now.stage} {min(100 * now.done / max(now.total, 1e-9), 100):.0f} %" + (
        f"  {now.note}" if now.note else ""
    )


def small_table(*header: str, title: str | None) -> Table:
    return Table(*header, box=None, show_header=bool(header), title=title, title_justify="left", padding=(0, 2, 0, 0))


def show_facts(rows: Iterable[tuple[str, ...]], title: str | None = None) -> None:
    """A small table of names and values."""
    table = small_table(title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table, highlight=False)


def show_table(title: str, header: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """A table with a line of column names."""
    table = small_table(*map(escape, header), title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table, highlight=False)


def show_arms(metrics: dict[str, Any], heading: str | None = None) -> None:
    """The scores of an evaluation, their differences to real only, and the verdict."""
    from handsoff.report.verdict import arm_title, difference, scores, title, verdict  # noqa: PLC0415  # brings torch along

    found = scores(metrics)
    names, real = list({name: None for arm in found.values() for name in arm}), found.get("real_only")
    table = small_table("trained on", *[title(name) for name in names], title=heading)
    for arm, entry in found.items():
        gaps = {
            name: "" if arm == "real_only" or not real else f"  {difference(entry[name], real[name], name).shown}"
            for name in names
        }
        table.add_row(arm_title(arm), *[f"{entry[name].shown}{gaps[name]}" for name in names])
    console.print(table, highlight=False)
    say(verdict(found)[0])
