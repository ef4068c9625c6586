"""Images in memory: uint8 HWC RGB at the edges, float NCHW in [-1, 1] inside."""

import io
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from handsoff.core.errors import BrokenImageError, InputError
from handsoff.core.frames import MAX_PIXELS, Frame
from handsoff.core.masks import Colours, stored_ids

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # what Pillow may decode: others start programs, or are rarely tried
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"})
COPIED_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})  # files that every tool can show go on as they are
READABLE = "PNG, JPEG, WebP, BMP or TIFF"
BACKGROUND = "white"  # what lies behind the transparent parts of a photo
LARGE = 2**24  # pixels: images above are decoded one at a time, for each takes hundreds of megabytes
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
ANOTHER_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)  # what Pillow's formats raise on others' files
IGNORE = 255  # the mask value that is no class: it neither teaches nor counts
one_large_image = threading.Lock()


def open_image(data: bytes) -> Image.Image:
    """Open an encoded image of one of the `FORMATS`, for its header; whoever opens it closes it. The only way in.

    `Image.open` is not used: it warns about sizes that are allowed here, and one cannot ask it not to in a thread.

    Raises:
        UnidentifiedImageError: it is none. Reading pixels may raise any of `UNDECODABLE`.
        DecompressionBombError: it declares more than `MAX_PIXELS`.
    """
    Image.init()
    for name in FORMATS:
        factory, accepts = Image.OPEN[name]
        if accepts is not None and accepts(data[:16]) is not True:
            continue
        try:
            image = factory(io.BytesIO(data), "")
        except ANOTHER_FORMAT:
            continue
        if image.width * image.height > MAX_PIXELS:
            image.close()
            raise Image.DecompressionBombError(
                f"it declares {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}"
            )
        return image
    raise UnidentifiedImageError


@contextmanager
def opened(data: bytes, name: str, what: str) -> Iterator[Image.Image]:
    """An image while it is read; what goes wrong meanwhile is said in one sentence.

    Raises:
        BrokenImageError: it is no image, damaged, or too large.
    """
    try:
        with open_image(data) as image, one_large_image if image.width * image.height > LARGE else nullcontext():
            yield image
    except UNDECODABLE as error:
        raise BrokenImageError(f"{name} is not a readable {what} ({reason(error)}): {remedy(error)} it.") from None


def reason(error: Exception) -> str:
    """Why a file cannot be decoded, for the user: Pillow names its own buffer where it does not know the format."""
    return "not a known image format" if isinstance(error, UnidentifiedImageError) else str(error)


def remedy(error: Exception) -> str:
    return "shrink" if isinstance(error, Image.DecompressionBombError) else "remove or replace"


def decode_image(data: bytes, name: str, enough: Frame | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Decode an image file, upright (EXIF) and as RGB; what is transparent is shown on white.

    Args:
        data: of a PNG, JPEG, WebP, BMP or TIFF (its first page).
        name: for messages.
        enough: a JPEG of more than `LARGE` pixels may be read at a half, a quarter or an eighth of its size, as long as
            both sides are at least twice as long as the longer one of `enough`.

    Raises:
        BrokenImageError: `data` is not a whole image, or its numbers have no known range.
    """
    with opened(data, name, "image") as image:
        if enough is not None and image.width * image.height > LARGE:
            image.draft("RGB", (2 * max(enough), 2 * max(enough)))
        return as_rgb(image, name)


def decode_colours(data: bytes, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """As `decode_image`, for images whose colours are numbers: what is transparent keeps them.

    Raises:
        BrokenImageError: as `decode_image`, or it is a JPEG, which does not keep them.
    """
    with opened(data, name, "image") as image:
        if image.format == "JPEG":
            raise BrokenImageError(f"{name} is a JPEG file, which changes numbers when it is saved: export it as PNG.")
        if image.mode in ("RGBA", "LA"):
            image.putalpha(255)
        image.info.pop("transparency", None)
        return as_rgb(image, name)


def as_rgb(image: Image.Image, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels upright, as RGB of 8 bits, on white."""
    if image.mode in ("I", "F"):
        raise BrokenImageError(
            f"{name} holds {'whole' if image.mode == 'I' else 'real'} numbers of 32 bits, whose range no one states: "
            "save it with 8 or 16 bits per channel."
        )
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):  # Pillow would clip at 255 instead of scaling, and forget the transparent value
        values = np.asarray(image)
        grey = (values >> 8).astype(np.uint8)
        if isinstance(image.info.get("transparency"), int):
            grey[values == image.info["transparency"]] = 255
        return grey[..., None].repeat(3, -1)
    if not image.has_transparency_data:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    photo = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", photo.size, BACKGROUND), photo).convert("RGB"))


def image_size(data: bytes, name: str) -> Frame:
    """(H, W) of the image that `decode_image` would give, from the header of the file alone.

    The pixels are decoded only where a PNG may state its orientation after them.

    Raises:
        BrokenImageError: it is no image, or too large. An image that is cut off is not noticed.
    """
    with opened(data, name, "image") as image:
        stated = image.format != "PNG" or any(mark in data for mark in PNG_ORIENTED)
        stated = stated and image.format != "TIFF"  # Pillow has turned the size of those already
        turned = stated and image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
        return (image.width, image.height) if turned else (image.height, image.width)


def shows_itself(data: bytes) -> bool:
    """Whether the file's own pixels are what `decode_image` gives: not turned (EXIF), converted or transparent."""
    with open_image(data) as image:
        return image.mode == "RGB" and not image.has_transparency_data and image.getexif().get(ORIENTATION, 1) == 1


def decode_mask(
    data: bytes, name: str, count: int | None = None, colours: Colours | None = None
) -> UInt8[np.ndarray, "h w"]:
    """Decode a mask whose pixels are class ids: the samples that a PNG, BMP or TIFF stores, whatever its bit depth.

    Args:
        data: of one channel, with or without a palette, or of channels that are all equal.
        name: for messages.
        count: of classes, where it is known: it can tell what a palette of greys means.
        colours: what the palettes of the dataset's other masks give ids, see `masks.Colours`; is added to.

    Raises:
        InputError: not a whole image, lossy, not one channel, ambiguous, or it holds an id that 8 bits cannot.
    """
    with opened(data, name, "mask") as image:
        return class_ids(stored_ids(image, name, count, colours), name)


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
