"""Where large files lie: in a folder, or at a URL that fsspec knows, such as `s3://bucket/folder`.

A file is written whole or not at all, so that a file that is there is one that was finished: in a folder under a
temporary name first, in an object store by one request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from handsoff.core.errors import HandsOffError
from handsoff.core.files import write_bytes
from handsoff.core.urls import is_url

AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"})  # a write is whole there
TRIAL = "handsoff-was-here"  # a file that is removed at once
HALF = ".part"  # ends the name of a file that is being written elsewhere
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A folder, or a URL.

    Attributes:
        where: the folder's path, or the URL.
    """

    where: str

    @property
    def url(self) -> bool:
        """Whether it is a URL."""
        return is_url(self.where)

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole.

        Raises:
            HandsOffError: it cannot be written.
        """
        if not self.url:
            write_bytes(Path(self.where) / name, data)
            return

        def put(system: Any, path: str) -> None:
            if self.where.partition("://")[0] in AT_ONCE:
                system.pipe_file(path, data)
                return
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(f"{path}{HALF}", data)
            system.mv(f"{path}{HALF}", path)

        self.asked(name, "written", put)

    def copy(self, file: Path) -> None:
        """Write what a file holds, under its name.

        Raises:
            HandsOffError: it cannot be written.
        """
        self.asked(file.name, "written", lambda system, path: system.put_file(str(file), path))

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """A file, or a part of it; None where there is no such file.

        Raises:
            HandsOffError: it cannot be read.
        """
        if self.url:
            part = {} if size is None else {"start": start, "end": start + size}
            try:
                return self.asked(name, "read", lambda system, path: bytes(system.cat_file(path, **part)))
            except MissingError:
                return None
        try:
            with (Path(self.where) / name).open("rb") as file:
                file.seek(start)
                return file.read() if size is None else file.read(size)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HandsOffError(f"{self.where}/{name} cannot be read ({error.strerror}).") from None

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is no such file.

        Raises:
            HandsOffError: the place cannot be reached.
        """
        if self.url:
            try:
                return self.asked(name, "read", lambda system, path: int(system.info(path)["size"]))
            except MissingError:
                return None
        file = Path(self.where) / name
        return file.stat().st_size if file.is_file() else None

    def remove(self, name: str) -> None:
        """Remove a file, where it is there."""
        if not self.url:
            (Path(self.where) / name).unlink(missing_ok=True)
        elif self.size(name) is not None:
            self.asked(name, "removed", lambda system, path: system.rm_file(path))

    def check(self) -> None:
        """Find out whether files can be written, before there is work.

        Raises:
            HandsOffError: they cannot.
        """
        self.write(TRIAL, b"")
        self.remove(TRIAL)

    def asked(self, name: str, done: str, ask: Callable[[Any, str], T]) -> T:
        """What the file system of the URL answers about a file.

        Raises:
            MissingError: there is no such file, or no such bucket.
            HandsOffError: it refuses, or cannot be reached.
        """
        system, root = system_of(self.where)
        where = f"{self.where.rstrip('/')}/{name}"
        try:
            return ask(system, f"{root.rstrip('/')}/{name}")
        except FileNotFoundError as error:
            said = first_line(error)
            reason = said if " " in said else "it is not there"  # some say but the path
            raise MissingError(
                f"{where} could not be {done} ({reason}): check the URL, and make its bucket where there is none."
            ) from None
        except PermissionError as error:
            raise HandsOffError(
                f"{where} could not be {done} ({first_line(error)}): use credentials that may read and write there."
            ) from None
        except Exception as error:
            raise HandsOffError(
                f"{where} could not be {done} ({first_line(error)}): check the URL, the credentials and the network, "
                "and run the same command again; it continues."
            ) from error


class MissingError(HandsOffError):
    """A file is not at its place."""


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "").rstrip(".") or type(error).__name__


def system_of(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there.

    Raises:
        HandsOffError: fsspec or what it needs for such URLs is not installed, or it knows no such URLs.
    """
    try:
        import fsspec  # noqa: PLC0415  # an extra

        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        reason = first_line(error)
        raise HandsOffError(
            f"{url} needs a package that is not installed ({reason}): pip install 'handsoff-labels[remote]'."
        ) from None
    except ValueError as error:
        raise HandsOffError(f"{url} is no URL that fsspec knows ({first_line(error)}): correct it.") from None
    return system, str(path)
