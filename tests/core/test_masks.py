"""Ids of masks: what the file stores, whichever of its many ways it stores them in."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.images import ORIENTATION, decode_image, decode_mask
from handsoff.core.masks import Colours, voc_colour

GREY, TRUE_COLOUR, PALETTE = 0, 2, 3


def png_of(samples: np.ndarray, depth: int, kind: int = GREY, palette: list[tuple[int, ...]] | None = None) -> bytes:
    """A PNG whose samples are exactly these, in so many bits."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if depth == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    else:
        bits = (rows[..., None] >> np.arange(depth)[::-1] & 1).reshape(height, -1).astype(np.uint8)
        lines = [np.packbits(row).tobytes() for row in bits]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", bytes(value for colour in palette for value in colour)))
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def grey(*values: int) -> list[tuple[int, ...]]:
    return [(value,) * 3 for value in values]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def row(*ids: int) -> np.ndarray:
    return np.array([ids], np.uint16)


@given(st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([GREY, PALETTE]), st.integers(0, 2**32 - 1))
def test_samples_are_read_as_they_are_stored_in_every_bit_depth(depth: int, kind: int, seed: int) -> None:
    if kind == PALETTE:
        depth = min(depth, 8)
    ids = np.random.default_rng(seed).integers(0, min(2**depth, 255), (5, 7))
    palette = [voc_colour(index) for index in range(2**depth)] if kind == PALETTE else None
    assert np.array_equal(decode_mask(png_of(ids, depth, kind, palette), "a"), ids)


@given(st.sets(st.integers(0, 20), min_size=2, max_size=16), st.randoms(use_true_random=False), st.booleans())
def test_an_optimised_grey_mask_keeps_its_ids(ids: set[int], order: object, ignored: bool) -> None:  # noqa: FBT001  # drawn
    held = [*ids, *([255] if ignored else [])]
    order.shuffle(held)  # type: ignore[attr-defined]
    data = png_of(np.arange(len(held))[None], 8, PALETTE, grey(*held))
    if sorted(held) in ([0, 255], [0, 128, 255], [0, 127, 255]):
        return
    assert decode_mask(data, "a", 21)[0].tolist() == held


def test_a_ramp_for_the_eye_leaves_the_indices() -> None:
    data = png_of(row(0, 1, 2, 3), 2, PALETTE, grey(0, 85, 170, 255))
    assert decode_mask(data, "a", 4)[0].tolist() == [0, 1, 2, 3]
    for palette in (grey(0, 85, 170, 255), grey(0, 128, 255), grey(0, 127, 255), grey(0, 100, 255), grey(0, 255)):
        last = len(palette) - 1  # alone in its mask: white is no ignored pixel where the palette has more entries
        assert decode_mask(png_of(row(last, last), 8, PALETTE, palette), "a", last + 1)[0].tolist() == [last, last]
    identity = png_of(row(0, 3, 1), 8, PALETTE, grey(*range(256)))
    assert decode_mask(identity, "a", 4)[0].tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    ("palette", "count"),
    [
        (grey(0, 255), 2),  # ids 0 and 1 shown, or 0 and ignored
        (grey(0, 5, 7, 30), 20),  # ids of which one should not be there, or indices
        ([voc_colour(index) for index in (0, 15, 2)], 21),  # VOC's colours in an optimiser's order
    ],
)
def test_a_palette_of_two_meanings_is_refused(palette: list[tuple[int, ...]], count: int) -> None:
    data = png_of(np.arange(len(palette))[None], 8, PALETTE, palette)
    with pytest.raises(InputError, match=r"^a\.png has a palette in which the index 1 .* or (255|5|15) .*8-bit grey"):
        decode_mask(data, "a.png", count)


def test_colours_of_one_id_must_not_change_within_a_dataset() -> None:
    colours: Colours = {}
    red, blue = [(0, 0, 0), (250, 10, 10)], [(0, 0, 0), (10, 10, 250)]
    for _ in range(2):
        decode_mask(png_of(row(0, 1), 1, PALETTE, red), "a.png", 9, colours)
    with pytest.raises(InputError, match=r"b\.png gives the index 1 .* 10,10,250, a\.png gives it 250,10,10"):
        decode_mask(png_of(row(0, 1), 1, PALETTE, blue), "b.png", 9, colours)


def test_equal_channels_are_one() -> None:
    ids = row(0, 3, 255, 7).astype(np.uint8)
    for mode in ("RGB", "RGBA", "LA"):
        assert np.array_equal(decode_mask(saved(Image.fromarray(ids).convert(mode), "PNG"), "a"), ids)
    seen_through = Image.fromarray(ids).convert("RGBA")
    seen_through.putpixel((1, 0), (3, 3, 3, 0))
    sixteen = png_of(np.full((1, 1, 3), 700), 16, TRUE_COLOUR)
    for data in (saved(seen_through, "PNG"), sixteen, saved(Image.new("RGB", (2, 1), (1, 2, 3)), "PNG")):
        with pytest.raises(InputError, match=r"mode (RGB|RGBA)( of 16 bits)?: a mask must be"):
            decode_mask(data, "a.png")


def test_other_lossless_files_are_read_and_lossy_ones_refused() -> None:
    ids = np.tile(np.arange(0, 16, dtype=np.uint8), (8, 1))
    for kind, options in (("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {})):
        assert np.array_equal(decode_mask(saved(Image.fromarray(ids), kind, **options), "a"), ids)
    for kind, options in (("JPEG", {}), ("WEBP", {}), ("TIFF", {"compression": "jpeg"})):
        with pytest.raises(InputError, match=rf"^m is a {kind} file, which may change class ids .* as PNG"):
            decode_mask(saved(Image.fromarray(ids), kind, **options), "m")


def test_inverted_grey_and_large_ids_are_refused() -> None:
    white_is_zero = saved(Image.fromarray(row(0, 1).astype(np.uint8)), "TIFF", tiffinfo={262: 0})
    with pytest.raises(InputError, match="inverted"):
        decode_mask(white_is_zero, "a")
    with pytest.raises(InputError, match="holds the id 700"):
        decode_mask(png_of(row(700), 16), "a")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_masks_are_turned_upright_as_their_photos_are(kind: str, mode: str, orientation: int) -> None:
    ids = np.zeros((3, 5), np.uint8)
    ids[0, 1:3] = 1
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    palette = Image.fromarray(ids)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    made = {"1": Image.fromarray(ids * 255).convert("1"), "P": palette, "RGB": Image.fromarray(ids).convert("RGB")}
    mask = made.get(mode, Image.fromarray(ids.astype(np.uint16 if mode == "I;16" else np.uint8)))
    photo = saved(Image.fromarray(ids * 255).convert("RGB"), kind, exif=exif)
    shown = decode_image(photo, "photo")[..., 0] // 255
    assert np.array_equal(decode_mask(saved(mask, kind, exif=exif), "mask"), shown)


@pytest.mark.parametrize(("bits", "order"), [(2, 1), (2, 2), (4, 1), (4, 2)])
def test_ids_of_few_bits_are_read_in_either_order_of_bits(bits: int, order: int) -> None:
    ids = np.arange(8).reshape(2, 4) % 2**bits
    packed = np.packbits((ids[..., None] >> np.arange(bits)[::-1] & 1).reshape(2, -1).astype(np.uint8), axis=1)
    data = (
        packed if order == 1 else np.packbits(np.unpackbits(packed, bitorder="little").reshape(2, -1), axis=1)
    ).tobytes()
    tags = {256: 4, 257: 2, 258: bits, 259: 1, 262: 1, 266: order, 273: 134, 277: 1, 278: 2, 279: len(data)}
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items())
    whole = b"II" + struct.pack("<HIH", 42, 8, len(tags)) + entries + struct.pack("<I", 0)
    assert decode_mask(whole.ljust(134, b"\0") + data, "a").tolist() == ids.tolist()
    assert len(whole) <= 134
