"""Zips as they come from all kinds of machines: Windows paths, names without an encoding, entries that lie."""

import stat
import weakref
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from handsoff.core.errors import InputError
from handsoff.core.files import read_failure

PIECE = 2**20  # bytes unpacked at a time: what an entry declares is believed only as far as it goes
INFLATED, TIMES = 2**28, 200  # a larger entry may be so many times larger than what is packed, else it is a bomb
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNICODE, ENCRYPTED = 0x800, 0x1  # flags of an entry: its name is UTF-8; it is encrypted
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError)


@dataclass(frozen=True)
class Archive:
    """An open zip.

    Attributes:
        path: of the zip.
        file: the zip.
        entries: path inside (posix) → its entry, links left out.
        notes: a sentence about how names were read and what was left out.
    """

    path: Path
    file: zipfile.ZipFile
    entries: dict[str, zipfile.ZipInfo]
    notes: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """The bytes of one entry; never more memory than it declares is taken.

        Raises:
            InputError: it is damaged, or packed in a way that is not read.
            HandsOffError: the disk or network of the zip is gone.
        """
        entry = self.entries[name]
        if entry.compress_type not in METHODS:
            raise InputError(f"{self.path}: {name} is packed by a rare method: make the zip again with deflate.")
        if entry.file_size > max(INFLATED, TIMES * entry.compress_size):
            raise InputError(
                f"{self.path}: {name} declares {entry.file_size:,} bytes, more than {TIMES} times its "
                f"{entry.compress_size:,} packed ones: leave it out, or unpack the zip if you trust it."
            )
        try:
            with self.file.open(entry) as packed:
                return b"".join(iter(lambda: packed.read(PIECE), b""))
        except OSError as error:
            raise read_failure(f"{self.path}: {name}", error) from None
        except DAMAGED as error:
            raise InputError(f"{self.path}: {name} cannot be read ({error}): replace it.") from None


def open_archive(path: Path) -> Archive:
    """List a zip.

    Raises:
        InputError: it is none or damaged, is encrypted, holds one path twice, or a path leads out of it.
    """
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is neither a folder nor a readable zip ({error}).") from None
    held = [entry for entry in file.infolist() if not entry.is_dir() and not entry.orig_filename.endswith("\\")]
    names, notes = named(path, held)
    found: dict[str, zipfile.ZipInfo] = {}
    links = []
    for name, entry in zip(names, held, strict=True):
        if is_hidden(name):
            continue
        refuse_strange(path, name, entry)
        if name in found:
            raise InputError(f"{path} holds {name!a} twice: make the zip again.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            links.append(name)
        else:
            found[name] = entry
    if links:
        notes.append(
            f"{len(links):,} links in {path} were left out, for example {links[0]!a}: zip the files themselves."
        )
    archive = Archive(path, file, found, tuple(notes))
    weakref.finalize(archive, file.close)  # also where only the garbage collector finds it
    return archive


def refuse_strange(path: Path, name: str, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that cannot be read or does not belong into a folder.

    Raises:
        InputError: it is encrypted, or its path leads out of the zip.
    """
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or name[1:3] == ":/":
        raise InputError(f"{path} holds the path {name!a}, which leads out of it: make the zip again.")
    if entry.flag_bits & ENCRYPTED:
        raise InputError(f"{path} is encrypted ({name!a}): unpack it and give the folder.")


def is_hidden(name: str) -> bool:
    """Whether a path is that of a hidden file, or of one of macOS's resource forks."""
    return any(part.startswith((".", "__MACOSX")) and part not in {".", ".."} for part in name.split("/"))


def named(path: Path, entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], list[str]]:
    """The paths of entries with slashes, and notes about names that state no encoding.

    Where they are not UTF-8 they are taken for Chinese (GBK) if all of them can be, else for DOS's cp437, as the
    format says.
    """
    raw = [
        None if entry.flag_bits & UNICODE or entry.orig_filename.isascii() else entry.orig_filename.encode("cp437")
        for entry in entries
    ]
    unstated = [name for name in raw if name is not None]
    encoding = next(
        encoding for encoding in ("utf-8", "gb2312", "cp437") if all(fits(name, encoding) for name in unstated)
    )
    names = [
        (entry.orig_filename if name is None else name.decode(encoding))
        for name, entry in zip(raw, entries, strict=True)
    ]
    names = [PurePosixPath(name.partition("\0")[0].replace("\\", "/")).as_posix() for name in names]
    if encoding == "utf-8":
        return names, []
    first = next(name for name, bare in zip(names, raw, strict=True) if bare is not None)
    read = "GBK" if encoding == "gb2312" else encoding
    sentence = f"{len(unstated):,} names in {path} state no encoding and were read as {read}, such as {first}"
    return names, [f"{sentence}: if that is wrong, unpack the zip and give the folder."]


def fits(name: bytes, encoding: str) -> bool:
    """Whether a name can be in an encoding; of GBK only the characters of GB 2312, for nearly any bytes are GBK."""
    try:
        name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
