"""Images in memory and out of files."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import TypeCheckError
from PIL import Image, ImageFile

from handsoff.core import files, images
from handsoff.core.errors import BrokenImageError, InputError
from handsoff.core.images import (
    crop_box,
    decode_colours,
    decode_image,
    decode_mask,
    image_size,
    shows_itself,
    tile,
    to_float,
    to_uint8,
)

pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3)))


def test_annotations_are_checked_in_tests() -> None:
    with pytest.raises(TypeCheckError):
        tile(np.zeros((2, 4, 4, 1), np.uint8))


# files


@given(pictures)
def test_float_and_back_is_the_same_image(images: np.ndarray) -> None:
    inside = to_float(images)
    assert inside.min() >= -1
    assert inside.max() <= 1
    assert np.array_equal(to_uint8(inside), images)


def test_to_uint8_clamps_and_rounds() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 1.0, 7.0, -1 + 0.6 / 127.5]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_uint8(values)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 1]


@given(pictures)
def test_png_round_trip(images: np.ndarray) -> None:
    assert np.array_equal(decode_image(files.png(images[0]), "a.png"), images[0])
    assert np.array_equal(decode_mask(files.png(images[0, ..., 0]), "a.png"), images[0, ..., 0])


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 500), st.integers(0, 500))
def test_crop_box_is_inside_centred_of_the_frames_shape_and_largest(
    frame: tuple[int, int], more_h: int, more_w: int
) -> None:
    height, width = frame[0] + more_h, frame[1] + more_w
    left, top, right, bottom = crop_box((height, width), frame)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left, bottom - top)[0 if right - left == width else 1] == (
        width if right - left == width else height
    )
    assert abs(left - (width - right)) <= 1
    assert abs(top - (height - bottom)) <= 1
    scale = min(height / frame[0], width / frame[1])
    assert abs((bottom - top) - frame[0] * scale) <= 0.5
    assert abs((right - left) - frame[1] * scale) <= 0.5


def test_orientation_transparency_and_grey_become_upright_rgb() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), "a.jpg").shape == (8, 4, 3)
    for mode in ("L", "LA", "RGBA", "P", "1"):
        buffer = io.BytesIO()
        Image.new(mode, (5, 3)).save(buffer, "PNG")
        assert decode_image(buffer.getvalue(), "a.png").shape == (3, 5, 3)


def test_what_is_no_image_is_said() -> None:
    good = files.png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    mask = files.png(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8))
    for image, ids in ((b"", b""), (b"GIF?", b"GIF?"), (good[: len(good) // 2], mask[: len(mask) // 2])):
        with pytest.raises(BrokenImageError, match=r"^bad\.png is not a readable image"):
            decode_image(image, "bad.png")
        with pytest.raises(InputError, match=r"^bad\.png is not a readable mask"):
            decode_mask(ids, "bad.png")
    with pytest.raises(InputError, match="mode RGB: a mask must be"):
        decode_mask(good, "bad.png")


def test_absurd_sizes_are_refused_before_anything_is_allocated() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    with pytest.raises(BrokenImageError):
        decode_image(buffer.getvalue(), "huge.png")


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def clear_and_opaque() -> dict[str, tuple[bytes, int]]:
    """Photos of two pixels, the left one transparent above a dark colour, and the value of the right one."""
    dark = Image.new("RGBA", (2, 1), (10, 10, 10, 0))
    dark.putpixel((1, 0), (40, 40, 40, 255))
    grey = Image.fromarray(np.array([[10, 40]], np.uint8))
    deep = Image.fromarray(np.array([[10 << 8, 40 << 8]], np.uint16))
    return {
        "RGBA": (saved(dark), 40),
        "LA": (saved(dark.convert("LA")), 40),
        "WebP": (saved(dark, "WEBP", lossless=True, exact=True), 40),
        "TIFF": (saved(dark, "TIFF"), 40),
        "palette": (saved(grey.convert("P"), transparency=10), 40),
        "one grey": (saved(grey, transparency=10), 40),
        "one colour": (saved(grey.convert("RGB"), transparency=(10, 10, 10)), 40),
        "one grey of 16 bits": (saved(deep, transparency=10 << 8), 40),
    }


@pytest.mark.parametrize("kind", clear_and_opaque())
def test_what_is_transparent_is_white(kind: str) -> None:
    data, opaque = clear_and_opaque()[kind]
    assert decode_image(data, kind)[0].tolist() == [[255] * 3, [opaque] * 3]
    assert not shows_itself(data), "a viewer may show what lies under it"


@pytest.mark.parametrize("kind", clear_and_opaque())
def test_colours_that_are_numbers_stay_where_they_are_transparent(kind: str) -> None:
    data, opaque = clear_and_opaque()[kind]
    assert decode_colours(data, kind)[0].tolist() == [[10] * 3, [opaque] * 3]


def test_half_transparent_pixels_are_mixed_with_white_and_opaque_ones_stay() -> None:
    rng = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    opaque = Image.fromarray(rng).convert("RGBA")
    assert np.array_equal(decode_image(saved(opaque), "a"), rng)
    assert decode_image(saved(Image.new("RGBA", (1, 1), (0, 0, 0, 51))), "a")[0, 0].tolist() == [204] * 3


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_without_a_range_are_no_photo(mode: str) -> None:
    with pytest.raises(BrokenImageError, match=r"a\.tif holds .* numbers of 32 bits"):
        decode_image(saved(Image.new(mode, (3, 3)), "TIFF"), "a.tif")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_every_known_format_is_read_and_others_are_not(kind: str) -> None:
    picture = Image.new("RGB", (4, 3), (200, 100, 50))
    assert abs(decode_image(saved(picture, kind, quality=100), "a").astype(int) - (200, 100, 50)).max() <= 6
    for strange in ("EPS", "GIF", "PPM", "ICO"):  # an EPS would start Ghostscript
        with pytest.raises(BrokenImageError, match="not a known image format"):
            decode_image(saved(picture, strange), "a")


def test_no_other_way_leads_to_pillow() -> None:
    package = Path(images.__file__).parents[1]
    openers = [
        file
        for file in package.rglob("*.py")
        if any(ast.unparse(node) == "Image.open" for node in ast.walk(ast.parse(file.read_text())))
    ]
    assert not openers, "handsoff.core.images.open_image knows which formats are safe"


def test_a_huge_jpeg_is_read_smaller_where_that_is_enough() -> None:
    data = saved(Image.new("RGB", (9999, 9999), (90, 90, 90)), "JPEG")
    photo = decode_image(data, "huge.jpg", (64, 48))
    assert photo.shape == (1250, 1250, 3)
    assert abs(photo.astype(int) - 90).max() <= 2
    assert decode_image(data, "huge.jpg", (640, 640)).shape == (2500, 2500, 3)
    small = saved(Image.new("RGB", (900, 700)), "JPEG")
    assert decode_image(small, "small.jpg", (8, 8)).shape == (700, 900, 3)


def test_tile_lays_rows_out_left_to_right() -> None:
    images = np.stack([np.full((2, 3, 3), value, np.uint8) for value in range(5)])
    sheet = tile(images)
    assert sheet.shape == (4, 9, 3)
    assert sheet[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert tile(images, 5).shape == (2, 15, 3)
    assert tile(images, 1).shape == (10, 3, 3)


# seeds


def encoded(kind: str, orientation: int | None) -> bytes:
    """A photo of 30 rows and 50 columns, its orientation stated by EXIF."""
    photo, exif = Image.fromarray(np.zeros((30, 50, 3), np.uint8)), Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    photo.save(buffer, kind, exif=exif.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
def test_the_size_in_the_header_is_that_of_the_upright_image(kind: str, orientation: int | None) -> None:
    data = encoded(kind, orientation)
    assert (
        image_size(data, "a") == decode_image(data, "a").shape[:2] == ((50, 30) if (orientation or 1) > 4 else (30, 50))
    )


def test_the_size_is_read_without_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, turned = encoded("PNG", None), encoded("JPEG", 6)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert image_size(plain, "a") == (30, 50)
    assert image_size(turned, "a") == (50, 30)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["L", "P", "RGB", "RGBA", "I;16"]))
def test_the_size_in_the_header_is_that_of_the_decoded_image(height: int, width: int, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    assert image_size(buffer.getvalue(), "a") == (height, width) == decode_image(buffer.getvalue(), "a").shape[:2]


@given(st.binary(max_size=60))
def test_what_is_no_image_has_no_size(data: bytes) -> None:
    with pytest.raises(BrokenImageError, match="a is not a readable image"):
        image_size(data, "a")
