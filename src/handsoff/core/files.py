"""Files that are either whole or absent: write to a temporary name beside the target, fsync, rename."""

import errno
import hashlib
import io
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from handsoff.core.errors import HandsOffError, InputError

T = TypeVar("T")
Stamp = list[Any]  # size in bytes and SHA-256 of a file's content
NAME_BYTES = 255  # of a file or folder, in every file system that is in use
HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]  # this machine among those that share a disk
HALF = re.compile(r"\..+\.(?:([0-9a-f]{6})-)?(\d+)\.part")  # the temporary name of `write_bytes`: who gave it
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half a character, as JSON escapes it
UNUSABLE = {  # what the system says of a path → what that means for whoever gave it
    errno.EACCES: "may not be used by you: change its permissions, or choose another",
    errno.EPERM: "may not be changed: change its permissions, or choose another",
    errno.EROFS: "lies on a disk that can only be read: choose another folder",
    errno.ENAMETOOLONG: "has a longer name than a file or folder may have: shorten it",
    errno.ELOOP: "leads through a link that goes in a circle: correct or remove the link",
    errno.ENOTDIR: "leads through a file as if that were a folder: correct the path",
    errno.EISDIR: "is a folder, and a file is needed: give a file",
}
stamps_now: ContextVar[dict[Path, Stamp] | None] = ContextVar("stamps_now", default=None)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically.

    Raises:
        InputError: no file can have this name.
        HandsOffError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    with whole_file(path) as file:
        file.write(data)
    stamps = stamps_now.get()
    if stamps is not None:
        stamps[path] = [len(data), hashlib.sha256(data).hexdigest()]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text of many lines atomically, each as it comes: not all of them need to fit into memory.

    Raises:
        InputError, HandsOffError: as `write_bytes`.
    """
    with whole_file(path) as file:
        for line in lines:
            file.write(line.encode() + b"\n")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when all of it is on the disk.

    Raises:
        InputError, HandsOffError: as `write_bytes`.
    """
    if not path.name:
        raise InputError(f"{path} {UNUSABLE[errno.EISDIR]}.")
    refuse_unwritable([path.name], str(path.parent))
    temporary = half_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise disk_error(path, error) from error
        raise


@contextmanager
def recorded() -> Iterator[dict[Path, Stamp]]:
    """Size and hash of every file that `write_bytes` writes within, in this thread."""
    stamps: dict[Path, Stamp] = {}
    token = stamps_now.set(stamps)
    try:
        yield stamps
    finally:
        stamps_now.reset(token)


def half_of(path: Path) -> Path:
    """The temporary name of a file that is being written; a long name is shortened, for it becomes longer."""
    end = f".{HOST}-{os.getpid()}.part"
    fits = len(os.fsencode(path.name)) + len(end) < NAME_BYTES
    name = path.name if fits else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f".{name}{end}")


def remove_halves(folder: Path) -> None:
    """Remove what dead processes, and other machines, had half written below `folder`.

    What a living process writes there stays.
    """
    for temporary in folder.rglob(".*.part"):
        found = HALF.fullmatch(temporary.name)
        if found and not (found[1] in {None, HOST} and writes(int(found[2]))):
            temporary.unlink(missing_ok=True)


def writes(process: int) -> bool:
    """Whether another process of this number lives, which may be writing."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def refuse_unwritable(names: Iterable[str], where: str) -> None:
    """Refuse names (with or without folders, as `a/b`) that no file can have.

    Args:
        names: what files are to be called.
        where: where the names come from, for the sentence.

    Raises:
        InputError: a name is not UTF-8, or a part of it is longer than 255 bytes.
    """
    for name in names:
        try:
            longest = max(len(part.encode()) for part in name.split("/"))
        except UnicodeEncodeError:
            raise InputError(f"{where}: the name {name!a} is not UTF-8: rename it.") from None
        if longest > NAME_BYTES or "\0" in name:
            raise InputError(
                f"{where}: the name {name[:40]!r}… has {longest} bytes, and a file's name may have {NAME_BYTES}: "
                "shorten it."
            )


def disk_error(path: Path, error: OSError) -> HandsOffError:
    """Say in one sentence what a failed write means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HandsOffError(
            f"The disk is full: could not write {path}. Free some space and run the same command again; it continues."
        )
    return HandsOffError(f"Could not write {path} ({error.strerror}). Choose another output folder with -o.")


def path_error(error: OSError) -> HandsOffError | None:
    """Say in one sentence what is wrong with a path that no one checked; None where it may be a bug."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_error(Path(str(error.filename or "the output")), error)
    if error.errno not in UNUSABLE or not isinstance(error.filename, str | bytes):
        return None
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= NAME_BYTES else f"{name[:40]}…"
    return InputError(f"{shown} {UNUSABLE[error.errno]}.")


def read_failure(where: str, error: OSError) -> HandsOffError:
    """Why a file that was there when it was listed cannot be read: what is wrong with it, or with its disk or network.

    The latter may pass, so it is no `InputError`: whoever leaves out what cannot be used does not leave out this.
    """
    if isinstance(error, PermissionError) or error.errno is None:
        return InputError(f"{where} cannot be read ({error.strerror or error}): replace it.")
    return HandsOffError(
        f"{where} can no longer be read ({error.strerror}): restore it, then run the same command again."
    )


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: the folder is not complete, make it again.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): make the folder again.") from None
    return parse_json(data, str(path), "restore it or make the folder again")


class TwiceError(ValueError):
    """An object of a JSON file has a key twice, of which Python's parser would keep the last."""


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs.

    Raises:
        TwiceError: two have the same key.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def parse_json(data: bytes, where: str, remedy: str = "correct it") -> Any:
    """The content of a JSON file, whatever is in it.

    Raises:
        InputError: it is not JSON, nested too deeply, or holds numbers or characters that cannot be, or a key twice.
    """
    try:
        text = data.decode(json.detect_encoding(data))
        value = json.loads(text, object_pairs_hook=once_each)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeEncodeError as error:
        reason = f"it holds half a character, {error.object[error.start]!a}"
    except UnicodeDecodeError as error:
        reason = (
            f"it is not a text in UTF-8, {error.reason} at byte {error.start}; save it as UTF-8, for older tools on "
            "Windows write other encodings, such as GBK"
        )
    except json.JSONDecodeError as error:
        reason = str(error)
    except TwiceError as error:
        reason = f"it holds {str(error)!r} twice in one object"
    except ValueError:
        reason = "it holds a number of thousands of digits"
    else:
        return value
    raise InputError(f"{where} is not valid JSON ({reason}): {remedy}.")


def read_record(path: Path, kind: type[T]) -> T:
    """Read JSON that must have the shape of a class: a dataclass, or `dict` for any object.

    Raises:
        InputError: the file is missing, not JSON, or of another shape.
    """
    value = read_json(path)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"])
        raise InputError(f"{path} is damaged ({place}{first['msg']}): restore it or make the folder again.") from None


def png(image: UInt8[np.ndarray, "h w *c"]) -> bytes:
    """Encode a uint8 image (HWC RGB or HW) as PNG, fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def tiff(values: Float32[np.ndarray, "h w"]) -> bytes:
    """Encode a map of numbers as an uncompressed TIFF, exactly."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    return buffer.getvalue()


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_hash(card: Path) -> str:
    """Hash of a card and of all tensors beside it: of all that decides what a model says."""
    digest = hashlib.sha256()
    for file in [card, *sorted(card.parent.glob("*.safetensors"))]:
        digest.update(f"{file.name} {sha256(file)}\n".encode())
    return digest.hexdigest()
