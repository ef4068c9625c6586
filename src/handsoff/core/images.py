"""Images in memory: uint8 HWC RGB at the edges, float NCHW in [-1, 1] inside."""

import io
import math
import struct

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from handsoff.core.errors import BrokenImageError, InputError
from handsoff.core.frames import MAX_PIXELS, Frame

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # what Pillow may decode: others start programs, or are rarely tried
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
ORIENTATION = 0x0112  # EXIF's tag: 1 is upright
QUARTER_TURNS = frozenset({5, 6, 7, 8})  # its values that swap height and width
PNG_ORIENTED = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # parts of a PNG that may state it
UNDECODABLE = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)
IGNORE = 255  # the mask value that is no class: it neither teaches nor counts


def open_image(data: bytes) -> Image.Image:
    """Open an encoded image of one of the `FORMATS`, for its header; whoever opens it closes it. The only way in.

    Raises:
        UnidentifiedImageError: it is none. Reading pixels may raise any of `UNDECODABLE`.
    """
    return Image.open(io.BytesIO(data), formats=FORMATS)


def reason(error: Exception) -> str:
    """Why a file cannot be decoded, for the user: Pillow names its own buffer where it does not know the format."""
    return "not a known image format" if isinstance(error, UnidentifiedImageError) else str(error)


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a png, jpg or webp file, upright (EXIF) and as RGB.

    Raises:
        BrokenImageError: `data` is not a whole image.
    """
    try:
        with open_image(data) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BrokenImageError(
                    f"{name} declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: shrink it first."
                )
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):  # Pillow would clip at 255 instead of scaling
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            return np.asarray(upright.convert("RGB"))
    except UNDECODABLE as error:
        raise BrokenImageError(f"{name} is not a readable image ({reason(error)}): remove or replace it.") from None


def image_size(data: bytes, name: str) -> Frame:
    """(H, W) of the image that `decode_image` would give, from the header of the file alone.

    The pixels are decoded only where a PNG may state its orientation after them.

    Raises:
        BrokenImageError: it is no image, or too large. An image that is cut off is not noticed.
    """
    try:
        with open_image(data) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BrokenImageError(
                    f"{name} declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: shrink it first."
                )
            stated = image.format != "PNG" or any(mark in data for mark in PNG_ORIENTED)
            turned = stated and image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
            return (image.width, image.height) if turned else (image.height, image.width)
    except UNDECODABLE as error:
        raise BrokenImageError(f"{name} is not a readable image ({reason(error)}): remove or replace it.") from None


def shows_itself(data: bytes) -> bool:
    """Whether the file's own pixels are what `decode_image` gives: no turning (EXIF), no conversion. It is readable."""
    with open_image(data) as image:
        return image.mode == "RGB" and image.getexif().get(ORIENTATION, 1) == 1


def decode_mask(data: bytes, name: str) -> UInt8[np.ndarray, "h w"]:
    """Decode a mask whose pixel values are class ids (palette or grey PNG of up to 16 bits).

    Raises:
        InputError: not a whole image, not one channel, or it holds an id that 8 bits cannot.
    """
    try:
        with open_image(data) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{name} declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}: shrink it first."
                )
            if image.mode not in ("L", "P", "1", "I", "I;16", "I;16B"):
                raise InputError(
                    f"{name} has mode {image.mode}: a mask must be an 8-bit PNG with one class id per pixel "
                    f"(mode L or P)."
                )
            return class_ids(np.asarray(image), name)  # the bits of mode 1 are the ids 0 and 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is not a readable mask ({reason(error)}): remove or replace it.") from None


def class_ids(values: Shaped[np.ndarray, "h w"], name: str) -> UInt8[np.ndarray, "h w"]:
    """Whole numbers or truths as the ids of a mask.

    Raises:
        InputError: one is negative or larger than 255.
    """
    if values.dtype != np.uint8 and values.size and (values.max() > IGNORE or values.min() < 0):
        strange = int(values.max() if values.max() > IGNORE else values.min())
        raise InputError(
            f"{name} holds the id {strange}: write class ids from 0 to {IGNORE - 1}, and {IGNORE} for what is ignored."
        )
    return values.astype(np.uint8)


def crop_box(size: Frame, frame: Frame) -> tuple[int, int, int, int]:
    """The largest centred box of `frame`'s shape in an image of `size`: (left, top, right, bottom) in pixels."""
    height, width = size
    scale = min(height / frame[0], width / frame[1])
    crop_h, crop_w = max(1, round(frame[0] * scale)), max(1, round(frame[1] * scale))
    top, left = (height - crop_h) // 2, (width - crop_w) // 2
    return left, top, left + crop_w, top + crop_h


def to_float(images: UInt8[np.ndarray, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """uint8 NHWC [0, 255] → float NCHW [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_uint8(images: Float[Tensor, "n 3 h w"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Float NCHW [-1, 1] → uint8 NHWC [0, 255], clamped and rounded."""
    scaled = images.detach().float().add(1).mul(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def tile(images: UInt8[np.ndarray, "n h w 3"], columns: int | None = None) -> UInt8[np.ndarray, "gh gw 3"]:
    """Lay images out in rows, left to right; empty places are white. Without `columns` as near to square as fits."""
    count, height, width = images.shape[:3]
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * columns, height, width, 3), 255, np.uint8)
    sheet[:count] = images
    return (
        sheet.reshape(rows, columns, height, width, 3)
        .transpose(0, 2, 1, 3, 4)
        .reshape(rows * height, columns * width, 3)
    )
