"""Functions for engines: what they do, and how often, can be seen in files. No torch, so that workers start quickly."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from handsoff.core.errors import InputError


@dataclass(frozen=True)
class Numbered:
    """A shard: its number, and how often it kills the worker that computes it."""

    number: int
    kills: int = 0

    def __str__(self) -> str:
        return f"shard {self.number}"


def numbered(count: int, **kills: int) -> Iterator[Numbered]:
    """`count` shards; `numbered(3, _1=2)`: the second one kills two workers."""
    for number in range(count):
        yield Numbered(number, kills.get(f"_{number}", 0))


def square(shard: Numbered, out: Path) -> Path:
    """Write the square to a file; the first attempts kill their worker, as the shard says."""
    if leave_trace(shard, out) < shard.kills:
        os.kill(os.getpid(), signal.SIGKILL)
    (out / f"{shard.number}.txt").write_text(str(shard.number**2))
    return out / f"{shard.number}.txt"


def patient(shard: Numbered, out: Path) -> int:
    """Wait until there is a file `go`."""
    leave_trace(shard, out)
    wait_for((out / "go").exists)
    return shard.number


def leave_trace(shard: Numbered, out: Path) -> int:
    """Note an attempt and the process that makes it; how many there were before."""
    traces = out / "attempts"
    traces.mkdir(parents=True, exist_ok=True)
    before = len(list(traces.glob(f"{shard.number}-*")))
    (traces / f"{shard.number}-{before}-{os.getpid()}").touch()
    return before


def nothing(shard: int, _: None) -> int:
    """Cost nothing."""
    return shard


def refuse(shard: Numbered, _: object) -> None:
    """What a user can mend."""
    raise InputError(f"photo{shard.number}.png is damaged: restore it.")


def fail(shard: Numbered, _: object) -> float:
    """A bug."""
    return 1 / (shard.number - shard.number)


def attempts(out: Path) -> list[tuple[int, int]]:
    """Number of the shard, and the process, of every attempt."""
    found = [file.name.split("-") for file in (out / "attempts").glob("*")]
    return [(int(number), int(process)) for number, _, process in found]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z" if Path("/proc").is_dir() else True


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
