"""Files that are either whole or absent: write to a temporary name beside the target, fsync, rename."""

import errno
import hashlib
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from handsoff.core.errors import HandsOffError, InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically.

    Raises:
        HandsOffError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise disk_error(path, error) from error
        raise


def remove_halves(folder: Path) -> None:
    """Remove what `write_bytes` had half written below `folder` when its process was killed."""
    for temporary in folder.rglob(".*.part"):
        temporary.unlink(missing_ok=True)


def disk_error(path: Path, error: OSError) -> HandsOffError:
    """Say in one sentence what a failed write means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HandsOffError(
            f"The disk is full: could not write {path}. Free some space and run the same command again; it continues."
        )
    return HandsOffError(f"Could not write {path} ({error.strerror}). Choose another output folder with -o.")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: the folder is not complete, make it again.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); restore it or make the folder again.") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, atomically."""
    write_bytes(path, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}))


def read_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the named tensors whose names begin with `prefix`; the others are not read.

    Raises:
        InputError: the file is missing or not safetensors.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: the folder is not complete, make it again.")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118  # no dict
    except SafetensorError as error:
        raise InputError(f"{path} is not a valid safetensors file ({error}); make the folder again.") from None


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
