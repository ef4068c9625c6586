"""Arrays in the files of other tools, each checked before it takes memory.

After NumPy enhancement proposal 1 (npy), Debevec's description of the portable float map (pfm), and OpenEXR's technical
introduction.
"""

import importlib
import io
import math
import re
import tempfile
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy.lib import format as npy

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.frames import MAX_PIXELS
from handsoff.core.images import class_ids

NPY, PFM, EXR = npy.MAGIC_PREFIX, b"Pf", b"\x76\x2f\x31\x01"  # how the files begin
PFM_HEADER = re.compile(rb"Pf\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[\d.]{1,20}(?:[eE][-+]?\d{1,3})?)(?:\r\n|\s)")
EXR_DEPTH = ("z", "depth")  # the last part of a channel's name
UNREADABLE = (
    ValueError,
    TypeError,
    SyntaxError,
    KeyError,
    IndexError,
    MemoryError,
    RecursionError,
    OverflowError,
    EOFError,
    tokenize.TokenError,
)


def npy_mask(data: bytes, name: str) -> UInt8[np.ndarray, "h w"]:
    """A mask of class ids from an npy file of whole numbers or truths.

    Raises:
        InputError: it is not that, not two-dimensional, or holds an id that no 8-bit mask can.
    """
    try:
        values = npy_values(data)
    except UNREADABLE as error:
        raise InputError(f"{name} is not a readable array ({error}): save it with numpy.save.") from None
    if values.dtype.kind not in "uib" or values.ndim != 2:  # noqa: PLR2004  # rows and columns
        held = f"an array of {values.dtype} with the shape {values.shape}"
        raise InputError(
            f"{name} holds {held}: a mask must be a two-dimensional array of whole numbers, one class id per pixel."
        )
    return class_ids(values, name)


def npy_values(data: bytes) -> Shaped[np.ndarray, "..."]:
    """The array of an npy file, not copied.

    Raises:
        ValueError: it is none, holds Python objects, or declares more than its bytes; other errors of
            `UNREADABLE` where its header is damaged.
    """
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"version {version[0]} of the format is for arrays of records")
    shape, by_columns, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if min(shape, default=0) < 0 or math.prod(shape) > MAX_PIXELS:
        raise ValueError(f"it declares the shape {shape}, more than {MAX_PIXELS:,} numbers")
    return np.frombuffer(data, dtype, math.prod(shape), file.tell()).reshape(shape, order="F" if by_columns else "C")


def pfm_values(data: bytes) -> Shaped[np.ndarray, "h w"]:
    """The numbers of a portable float map of one channel, the first row on top.

    Of its scale only the sign counts, which states the order of the bytes.

    Raises:
        ValueError: it is not a whole one.
    """
    header = PFM_HEADER.match(data)
    if header is None:
        raise ValueError("a portable float map without its size")
    width, height, scale = header.groups()
    size = int(height), int(width)
    if len(data) - header.end() != 4 * math.prod(size):
        raise ValueError(
            f"{len(data) - header.end()} bytes instead of the {4 * math.prod(size)} of {size[1]}x{size[0]} pixels"
        )
    order = "<f4" if scale.startswith(b"-") else ">f4"
    return np.frombuffer(data, order, offset=header.end()).reshape(size)[::-1]


def exr_values(data: bytes) -> Shaped[np.ndarray, "h w"]:
    """The channel of an OpenEXR image that is called Z or depth (in whichever layer), or its only one.

    Raises:
        HandsOffError: the package OpenEXR is missing.
        ValueError: it is not a whole image, too large, or has no such channel.
    """
    try:
        openexr: Any = importlib.import_module("OpenEXR")
    except ImportError:
        raise HandsOffError(
            "OpenEXR images need the package OpenEXR: install it with pip install 'handsoff-labels[exr]'."
        ) from None
    with tempfile.TemporaryDirectory() as folder:  # OpenEXR reads files
        file = Path(folder, "map.exr")
        file.write_bytes(data)
        try:
            for part in openexr.File(str(file), separate_channels=True, header_only=True).parts:
                (left, top), (right, bottom) = ([int(side) for side in corner] for corner in part.header["dataWindow"])
                if (right - left + 1) * (bottom - top + 1) * len(part.header["channels"]) > MAX_PIXELS:
                    raise ValueError(f"more than {MAX_PIXELS:,} numbers")
            whole = openexr.File(str(file), separate_channels=True)
            channels = whole.channels() if whole.parts else {}  # none where the pixels are damaged
        except RuntimeError:  # its text names the temporary file
            channels = {}
    if not channels:
        raise ValueError("not a whole OpenEXR image")
    fitting = [name for name in channels if len(channels) == 1 or name.rpartition(".")[2].lower() in EXR_DEPTH]
    if len(fitting) != 1:
        raise ValueError(f"it has the channels {', '.join(channels)} and not exactly one called Z")
    return np.array(channels[fitting[0]].pixels)
