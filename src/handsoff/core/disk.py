"""How much room there is on a disk, and how much is still needed: a full disk is known before the hours are spent."""

import shutil
import stat
from contextlib import suppress
from pathlib import Path

from handsoff.core.errors import HandsOffError

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
STEP = 1000
BLOCK = 4096  # what a file takes at the least on most disks
SECTOR = 512  # the unit of `st_blocks`


def free_bytes(path: Path) -> int:
    """Free space where `path` lies or will lie."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free


def used_bytes(folder: Path) -> int:
    """What the files below a folder take on the disk, in whole blocks; a file that is being renamed may be left out."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            found = file.stat()
            if stat.S_ISREG(found.st_mode):
                total += max(found.st_size, getattr(found, "st_blocks", 0) * SECTOR)
    return total


def require_space(out: Path, needed: float) -> None:
    """Refuse to go on where `needed` more bytes will not fit.

    Raises:
        HandsOffError: they will not.
    """
    free = free_bytes(out)
    if needed > free:
        raise HandsOffError(
            f"{out} needs about {size(needed)} more, and its disk has {size(free)} free: free some space and run the "
            "same command again, it continues, or choose another output folder with -o."
        )


def require_space_for_rest(out: Path, done: int, total: int, once: int = 0) -> None:
    """As `require_space`, where the rest of `total` samples takes as much each as the `done` ones in `out`.

    `once` bytes of what is there were written once, whatever the number of samples.
    """
    if 0 < done < total:
        require_space(out, (used_bytes(out) - once) / done * (total - done))


def size(count: float) -> str:
    """A number of bytes for people.

    >>> size(900), size(2_340_000), size(1e10)
    ('900 bytes', '2.3 MB', '10 GB')
    """
    unit = 0
    while count >= STEP - 0.5 and unit < len(UNITS) - 1:
        count, unit = count / STEP, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if count >= 9.95 or not unit else f"{count:.2g} {UNITS[unit]}"  # noqa: PLR2004  # two digits
