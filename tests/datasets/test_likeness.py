"""Copies of photos are found by what they show, and other photos are not taken for copies."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from handsoff.core.errors import InputError
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.likeness import TOLERANCE, known, read_seen, save_seen, thumbnails


def pictures(count: int, height: int = 96, width: int = 80, seed: int = 0) -> np.ndarray:
    """Smooth random photos."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 5, 4, 3), np.uint8)
    resized = [Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC) for image in coarse]
    return np.stack([np.asarray(image.filter(ImageFilter.UnsharpMask(3))) for image in resized])


def encoded(image: np.ndarray, form: str, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def test_a_thumbnail_is_the_mean_grey_of_every_cell() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 32, 3), np.uint8)
    expected = (image @ np.array([0.299, 0.587, 0.114])).reshape(1, 16, 4, 16, 2).mean((2, 4))
    assert np.abs(thumbnails(image) - expected).max() <= 0.51


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 255))
def test_cells_of_any_size_have_the_right_weight(height: int, width: int, level: int) -> None:
    flat = np.full((2, height, width, 3), level, np.uint8)
    assert np.array_equal(thumbnails(flat), np.full((2, 16, 16), level))


@pytest.mark.parametrize(("form", "quality"), [("JPEG", 60), ("JPEG", 95), ("WEBP", 70)])
def test_copies_that_were_encoded_anew_are_known(form: str, quality: int) -> None:
    photos = pictures(20)
    copies = np.stack([encoded(photo, form, quality) for photo in photos])
    assert known(thumbnails(copies), thumbnails(photos[5:])).tolist() == [False] * 5 + [True] * 15


def test_copies_of_another_size_are_known_in_the_frame() -> None:
    photos = pictures(6, 120, 90)
    small = [np.asarray(Image.fromarray(photo).resize((72, 96), Image.Resampling.LANCZOS)) for photo in photos]

    def framed(images: list[np.ndarray] | np.ndarray) -> np.ndarray:
        return np.stack([frame_photo(image, (32, 32), "crop", "a photo") for image in images])

    assert known(thumbnails(framed(small)), thumbnails(framed(photos))).all()
    assert not known(thumbnails(framed(small)), thumbnails(framed(pictures(6, 120, 90, seed=1)))).any()


@given(st.integers(0, 2**32 - 1))
def test_one_cell_that_differs_too_much_is_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.integers(20, 236, (9, 16, 16), np.uint8)
    changes = rng.integers(-TOLERANCE, TOLERANCE + 1, seen.shape)
    copies = (seen + changes).astype(np.uint8)
    assert known(copies, seen).all()
    changes[:, rng.integers(16), rng.integers(16)] = rng.choice([-1, 1]) * (TOLERANCE + 1)
    assert not known((seen + changes).astype(np.uint8), seen).any()


def test_flat_and_black_photos_are_no_special_case() -> None:
    flat = np.stack([np.full((16, 16), level, np.uint8) for level in (0, 8, 9, 255)])
    assert known(flat, flat[:1]).tolist() == [True, True, False, False]
    assert known(flat[:0], flat).shape == (0,)
    assert not known(flat, flat[:0]).any()


def test_what_was_seen_is_kept_with_what_saw_it(tmp_path: Path) -> None:
    photos = pictures(7)
    save_seen(tmp_path, photos)
    assert np.array_equal(read_seen(tmp_path), thumbnails(photos))
    with pytest.raises(InputError, match=r"seen\.safetensors is missing"):
        read_seen(tmp_path / "elsewhere")


@pytest.mark.slow
def test_a_hundred_thousand_photos_are_compared_with_a_thousand() -> None:
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (100_000, 16, 16), np.uint8)
    assert np.flatnonzero(known(photos, photos[::100])).tolist() == list(range(0, 100_000, 100))
