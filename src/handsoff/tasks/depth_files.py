"""Depth maps in files of many formats, checked."""

import io
import lzma
import struct
import sys
import zipfile
import zlib

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image, ImageOps

from handsoff.core import arrays
from handsoff.core.errors import InputError
from handsoff.core.frames import MAX_PIXELS, Frame
from handsoff.core.images import open_image, reason
from handsoff.core.masks import is_lossy

PARTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)  # what zipfile raises about broken parts, EOFError and RuntimeError too
UNREADABLE = (*arrays.UNREADABLE, OSError, RuntimeError, Image.DecompressionBombError, *PARTS)


class NamelessError(Exception):
    """An npz of several arrays, none of them called depth."""


def positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


def read_depth(data: bytes, where: str, size: Frame, scale: float | None) -> Float[np.ndarray, "h w"]:
    """A depth map as stored; NaN and infinity become 0, not known, which may be all of it.

    Args:
        data: of the file.
        where: for messages.
        size: of its image.
        scale: what one step of a whole number is; None where nobody states it.

    Raises:
        InputError: not a depth map of this size, negative, or of 8 bits without a scale.
    """
    values = read_values(data, where)
    if values.dtype == np.uint8 and scale is None:
        raise InputError(
            f"{where} has 8 bits, as pictures for the eye have, in which what is near may be bright: write distances "
            "with 16 bits or as floats, or state in depth.json with scale what one step is."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        depth = values.astype(np.float32) * np.float32((scale or 1.0) if values.dtype.kind in "ui" else 1.0)
    if depth.shape != size:
        shape = "x".join(map(str, depth.shape)) or "a single number"
        raise InputError(
            f"{where} is {shape}, its image {size[0]}x{size[1]} pixels (upright): make the depth map as large "
            f"as the image."
        )
    depth = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=-1.0).astype(np.float32)
    if (depth < 0).any():
        raise InputError(f"{where} holds negative depths: write positive distances, and 0 where there is none.")
    return depth


def read_values(data: bytes, where: str) -> Shaped[np.ndarray, "..."]:
    """The numbers of a file of any of the formats, which it is recognised by.

    Raises:
        InputError: it is none of them.
        HandsOffError: it is OpenEXR, and that package is missing.
    """
    try:
        values = next((read for magic, read in FORMATS.items() if data.startswith(magic)), image_values)(data)
    except NamelessError:
        raise InputError(f"{where} has no array named depth: write one with numpy.savez(file, depth=array).") from None
    except UNREADABLE as error:
        raise InputError(
            f"{where} is not a readable depth map ({reason(error)}): write a 16-bit PNG, or an npz with an "
            f"array named depth."
        ) from None
    if values.dtype.kind not in "fui":
        raise InputError(f"{where} holds {values.dtype} instead of numbers: write floats.")
    return values


def image_values(data: bytes) -> Shaped[np.ndarray, "h w"]:
    """The numbers of an image of one channel, upright (EXIF)."""
    with open_image(data) as image:
        if is_lossy(image):
            raise ValueError(f"{image.format}, which may change depths when it is saved")
        if image.mode not in {"L", "I", "I;16", "I;16B", "F"}:
            raise ValueError(f"mode {image.mode}, not one channel of 16 bits")
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"more than {MAX_PIXELS:,} pixels")
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image).astype({"F": np.float32, "L": np.uint8}.get(image.mode, np.int64))


def npz_values(data: bytes) -> Shaped[np.ndarray, "..."]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > 8 * MAX_PIXELS:
            raise ValueError(f"more than {MAX_PIXELS:,} numbers")
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        if len(held.files) != 1 and "depth" not in held.files:
            raise NamelessError
        return np.asarray(held[held.files[0] if len(held.files) == 1 else "depth"])


FORMATS = {  # how files begin; all others are images
    b"PK": npz_values, arrays.NPY: arrays.npy_values, arrays.PFM: arrays.pfm_values, arrays.EXR: arrays.exr_values,
}  # fmt: skip
