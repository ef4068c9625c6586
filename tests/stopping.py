"""Works in children that are stopped before their nth file operation, seen by an audit hook.

A child is forked from a process that has loaded everything, so an attempt takes a fraction of a second.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import Any, Literal

How = Literal["kill", "int", "term", "full"]
SIGNALS = {"kill": signal.SIGKILL, "int": signal.SIGINT, "term": signal.SIGTERM}
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
SECONDS = 300  # an attempt that takes longer hangs


@dataclass(frozen=True)
class Stop:
    """How an attempt is stopped, and before which file operation."""

    how: How
    at: int


def watch(stop: Stop | None, count: list[int]) -> None:
    """Count the file operations of this process, and stop it before one of them."""
    lock = threading.Lock()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not opens and event not in CHANGES:
            return
        with lock:
            count[0] += 1
            number = count[0]
        if stop is None:
            return
        if stop.how == "full":
            if number >= stop.at and (opens or event == "os.mkdir"):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        elif number == stop.at:
            os.kill(os.getpid(), SIGNALS[stop.how])

    sys.addaudithook(hook)


def begin(work: Callable[[], int], log: Path, stop: Stop | None = None) -> tuple[int, int]:
    """Fork a child that does the work; its number, and where it will say how many file operations it made."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.alarm(SECONDS)
        count = [0]
        watch(stop, count)
        code = work()
        os.write(writer, str(count[0]).encode())
    except BaseException:  # noqa: BLE001  # whatever escapes from a verb is a finding
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def end(child: tuple[int, int]) -> tuple[int, int]:
    """Wait for a child: its exit code, negative for a signal, and the number of its file operations."""
    with os.fdopen(child[1]) as told:
        said = told.read()
    return os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]), int(said or 0)
