"""The lock of an output folder: one holder, whoever it is and however it ends."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handsoff.core.errors import HandsOffError
from handsoff.jobs import lock
from handsoff.jobs.lock import LOCK, locked

fcntl = pytest.importorskip("fcntl")

HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
os.write(handle, str(os.getpid()).encode())
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_told_of_the_first(tmp_path: Path) -> None:
    with locked(tmp_path / "out"):
        with pytest.raises(HandsOffError, match=rf"out is being written by another .* \(pid {os.getpid()}\): wait"):
            locked(tmp_path / "out").__enter__()
        assert (tmp_path / "out" / LOCK).is_file(), "the refused one leaves the lock to its holder"
    with locked(tmp_path / "out"):
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / LOCK], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HandsOffError, match=rf"\(pid {holder.pid}\)"):
            locked(tmp_path).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / LOCK).is_file()
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_but_what_was_written(tmp_path: Path, fails: bool) -> None:  # noqa: FBT001  # a case
    def work(folder: Path) -> None:
        with locked(tmp_path / folder):
            if folder.name == "full":
                (tmp_path / folder / "a").write_text("work")
            if fails:
                raise ZeroDivisionError

    (tmp_path / "old").mkdir()
    for name in ("full", "old", "deep/new"):
        try:
            work(Path(name))
        except ZeroDivisionError:
            assert fails
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"full", "full/a", "old", "deep"}


def test_the_folder_may_be_removed_within(tmp_path: Path) -> None:
    with locked(tmp_path / "out"):
        (tmp_path / "out" / LOCK).unlink()
        (tmp_path / "out").rmdir()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_its_last_holder_removes_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    really = lock.take

    def late(handle: int) -> None:
        if not taken:
            (tmp_path / LOCK).unlink()
        taken.append(handle)
        really(handle)

    monkeypatch.setattr(lock, "take", late)
    with locked(tmp_path):
        assert len(taken) == 2
        with pytest.raises(HandsOffError, match="another handsoff process"):
            locked(tmp_path).__enter__()


@pytest.mark.parametrize(("what", "number"), [("open", errno.EROFS), ("open", errno.EACCES), ("take", errno.ENOLCK)])
def test_where_nothing_can_be_locked_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: int
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock, "open_lock" if what == "open" else "take", fail)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HandsOffError, match=r"Could not write .*file/out \(Not a directory\)"):
        locked(tmp_path / "file" / "out").__enter__()
    with pytest.raises(HandsOffError, match="No such file or directory"):
        locked(Path("/proc/none")).__enter__()
