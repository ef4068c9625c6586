"""One process per output folder: a lock that the system gives back when its holder ends, however it ends."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handsoff.core.errors import HandsOffError
from handsoff.core.files import disk_error

LOCK = ".lock"  # in the folder, with the number of the process that holds it; it goes when the work ends
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # a file system that has none
READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}  # nothing can be written there: nothing to protect

if sys.platform == "win32":
    import msvcrt

    def take(handle: int) -> None:
        os.lseek(handle, 2**30, os.SEEK_SET)  # beyond the number, which others read
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made where it is not there.

    Raises:
        HandsOffError: another process holds it, or the folder cannot be made.
    """
    new = not folder.exists()
    handle = acquire(folder)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):  # Windows removes no open file
                (folder / LOCK).unlink()
            os.close(handle)
        if new:
            with suppress(OSError):  # it stays where something was written
                folder.rmdir()


def acquire(folder: Path) -> int | None:
    """The open lock file; None where there is nothing to lock.

    Raises:
        HandsOffError: as `locked`.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = open_lock(folder / LOCK)
        except OSError as error:
            if error.errno in READ_ONLY and folder.is_dir():
                return None
            raise disk_error(folder, error) from error
        if handle is None:
            continue
        try:
            take(handle)
        except OSError as error:
            holder = os.read(handle, 20).decode(errors="replace")
            os.close(handle)
            if error.errno in NO_LOCKS:
                return None
            raise HandsOffError(
                f"{folder} is being written by another handsoff process{holder and f' (pid {holder})'}: wait until it "
                "has ended, or choose another output folder with -o."
            ) from None
        if is_still(folder / LOCK, handle):
            with suppress(OSError):  # a full disk; the number is for the sentence only
                os.truncate(handle, 0)
                os.write(handle, str(os.getpid()).encode())
            return handle
        os.close(handle)


def open_lock(path: Path) -> int | None:
    """None where another process has just removed the folder."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        return None


def is_still(path: Path, handle: int) -> bool:
    """Whether the file that was opened is the one that lies there: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
