"""Progress: Ctrl-C and SIGTERM between two steps, and the time that is left."""

import os
import signal
from typing import Any

import pytest

from handsoff.jobs.progress import Progress, Work
from handsoff.terminal.progress import Pace, until_stopped


@pytest.mark.parametrize(
    ("number", "usual"), [(signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)]
)
def test_ctrl_c_and_sigterm_end_the_work_between_two_steps(number: int, usual: Any) -> None:
    log = []

    def work() -> Work:
        try:
            for unit in range(5):
                if unit == 2:
                    os.kill(os.getpid(), number)
                log.append(unit)
                yield Progress("working", unit, 5)
        finally:
            log.append("tidy")
        return "made"

    before = signal.signal(number, usual)
    inner = work()
    with pytest.raises(KeyboardInterrupt):
        list(until_stopped(inner))
    inner.close()
    assert log == [0, 1, 2, "tidy"]
    assert signal.signal(number, before) is usual


def test_the_time_left_is_measured_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 2.0, 60.0, 60.0])
    monkeypatch.setattr("handsoff.terminal.progress.time.monotonic", lambda: next(clock))
    pace = Pace("training", 50, next(clock))
    assert pace.left(Progress("training", 50, 100)) == "", "nothing was done yet"
    assert pace.left(Progress("training", 51, 100)) == "", "too early to tell"
    assert pace.left(Progress("training", 51, 100)) == ""
    assert pace.left(Progress("training", 60, 100)) == "4 min left"
