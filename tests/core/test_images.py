"""Images in memory and out of files."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import TypeCheckError
from PIL import Image, ImageFile

from handsoff.core import files
from handsoff.core.errors import BrokenImageError, InputError
from handsoff.core.images import crop_box, decode_image, decode_mask, image_size, tile, to_float, to_uint8

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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
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
