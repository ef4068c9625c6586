"""Label Studio's run lengths of brush strokes: the bytes of an RGBA image in thi.ng's rle-pack, a stream of bits.

The header holds the number of bytes (32 bits), the bits of a byte - 1 (5), and four sizes of run lengths - 1 (4 each).
A run is: whether one value is repeated (1 bit), which of the four sizes the next number has (2), the number of values
- 1 (that many bits), then the repeated value or all values (8 each).
"""

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame

CHANNELS = 4  # red, green, blue, opacity
BITS = 8  # of a value
SIZES = np.array([3, 4, 8, 16])  # bits of run lengths, as rle-pack chooses them
HEAD = 53  # bits
MARKED = 255


def brush_mask(data: bytes, size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """What a brush has painted: where it is not transparent.

    Raises:
        InputError: the run lengths are damaged, or of an image of another size.
    """
    return unpack(data, CHANNELS * size[0] * size[1], where).reshape(*size, CHANNELS)[..., -1] > 0


def unpack(data: bytes, count: int, where: str) -> UInt8[np.ndarray, " n"]:
    """The unpacked bytes, whose number must be `count`.

    Raises:
        InputError: the data is damaged, ends too early, or is of another number of bytes.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    text = (bits + ord("0")).tobytes().decode()
    damaged = InputError(f"{where} has damaged run lengths: export it again.")
    if len(text) < HEAD or int(text[32:37], 2) + 1 != BITS:
        raise damaged
    if int(text[:32], 2) != count:
        raise InputError(
            f"{where} has run lengths for {int(text[:32], 2) // CHANNELS} pixels, its image has {count // CHANNELS}: "
            "give the image as it was labelled."
        )
    sizes = [int(text[start : start + 4], 2) + 1 for start in range(37, HEAD, 4)]
    values, done, position = np.empty(count, np.uint8), 0, HEAD
    while done < count:
        if position + 3 > len(text):
            raise damaged
        repeated, start = text[position] == "1", position + 3
        position = start + sizes[int(text[position + 1 : start], 2)]
        run = int(text[start:position] or "0", 2) + 1
        end = position + (BITS if repeated else BITS * run)
        if end > len(text) or done + run > count:
            raise damaged
        values[done : done + run] = np.packbits(bits[position:end])
        done, position = done + run, end
    return values


def brush_runs(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """The run lengths of a mask, white and opaque where it is true."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1]))
    lengths = CHANNELS * np.diff(starts, append=flat.size)
    longest = 1 << int(SIZES[-1])
    pieces = -(-lengths // longest)
    runs = np.full(pieces.sum(), longest)
    runs[pieces.cumsum() - 1] = lengths - (pieces - 1) * longest
    kinds = np.searchsorted(1 << SIZES[:-1], runs - 1, side="right")
    values = np.repeat(flat[starts], pieces) * MARKED
    words = (((4 | kinds) << SIZES[kinds] | (runs - 1)) << BITS) | values
    widths = 1 + 2 + SIZES[kinds] + BITS
    head = [CHANNELS * flat.size, BITS - 1, *(SIZES - 1).tolist()]
    bits = in_bits(np.array([*head, *words.tolist()]), np.array([32, 5, 4, 4, 4, 4, *widths.tolist()]))
    return [int(byte) for byte in np.packbits(bits)]


def in_bits(words: Int64[np.ndarray, " w"], widths: Int64[np.ndarray, " w"]) -> UInt8[np.ndarray, " n"]:
    """Whole numbers one after the other, each in as many bits as its width says."""
    owner = np.repeat(np.arange(len(words)), widths)
    position = np.arange(len(owner)) - (widths.cumsum() - widths)[owner]
    return ((words[owner] >> (widths[owner] - 1 - position)) & 1).astype(np.uint8)
