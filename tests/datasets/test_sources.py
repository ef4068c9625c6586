"""Unlabelled images: what is read, what is skipped and what is refused."""

import errno
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import BrokenImageError, HandsOffError, InputError
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image, decode_mask
from handsoff.datasets import sources
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.jobs.progress import Progress

FRAME = (8, 8)


def picture(seed: int, size: tuple[int, int] = FRAME) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def put(path: Path, data: np.ndarray | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else encoded(Image.fromarray(data)))


def declaring(width: int, height: int) -> bytes:
    """A PNG whose header says width and height, with hardly any data behind it."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def read_all(path: Path, cache: Path, frame: tuple[int, int] = FRAME) -> tuple[np.ndarray, list[Progress]]:
    steps = list(load_photos(open_source(path), frame, cache))
    return np.array(map_photos(cache, frame)), steps


def zipped(folder: Path, archive: Path, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, path.relative_to(folder))
    return archive


def test_folder_and_zip_give_the_same_images_in_sorted_order(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for seed, name in enumerate(["b.png", "a/ü 2.PNG", "a/1.png", "c.png"]):
        put(folder / name, picture(seed))
    put(folder / ".hidden.png", picture(9))
    put(folder / "__MACOSX" / "._b.png", b"resource fork")
    put(folder / "notes.txt", b"no image")
    expected = np.stack([picture(seed) for seed in (2, 1, 0, 3)])
    from_folder, steps = read_all(folder, tmp_path / "folder.u8")
    from_zip, _ = read_all(zipped(folder, tmp_path / "photos.zip"), tmp_path / "zip.u8")
    assert np.array_equal(from_folder, expected)
    assert np.array_equal(from_zip, expected)
    assert (steps[-1].done, steps[-1].total, steps[-1].note) == (4, 4, "")


def test_where_the_files_lie_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    put(tmp_path / "one" / "a.png", picture(0))
    before = open_source(tmp_path / "one").describe()
    (tmp_path / "one").rename(tmp_path / "two")
    after = open_source(tmp_path / "two").describe()
    assert after["fingerprint"] == before["fingerprint"]
    assert after["path"] == str(tmp_path / "two")
    assert (
        open_source(zipped(tmp_path / "two", tmp_path / "two.zip")).describe()["fingerprint"] == before["fingerprint"]
    )
    put(tmp_path / "two" / "b.png", picture(1))
    assert open_source(tmp_path / "two").describe()["fingerprint"] != before["fingerprint"]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_other_content_of_the_same_size_is_another_fingerprint(kind: str, tmp_path: Path) -> None:
    """One digit of a class, one pixel of a bitmap: the names and sizes stay."""
    found = []
    for text in (b"0 0.5 0.5", b"1 0.5 0.5"):
        put(tmp_path / "data" / "a.txt", text)
        put(tmp_path / "data" / "a.png", picture(0))
        path = tmp_path / "data" if kind == "folder" else zipped(tmp_path / "data", tmp_path / "data.zip")
        found.append(open_source(path).describe()["fingerprint"])
    assert found[0] != found[1]


@pytest.mark.parametrize("fault", [errno.EIO, errno.ESTALE, errno.ENOENT])
def test_a_disk_that_is_gone_for_a_moment_makes_no_other_fingerprint(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished work would be taken for that of other photos."""
    put(tmp_path / "a.png", picture(0))

    def broken(*_: object) -> int:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(sources, "checksum_of", broken)
    with pytest.raises(HandsOffError, match=r"a\.png can no longer be read .*: restore it"):
        open_source(tmp_path).describe()


def test_a_file_that_is_not_listed_is_named(tmp_path: Path) -> None:
    """A worker may list a folder later than the work did."""
    put(tmp_path / "a.png", picture(0))
    with pytest.raises(HandsOffError, match=r"b\.png is no longer there: restore it"):
        open_source(tmp_path).read("b.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_does_not_stop_the_fingerprint(tmp_path: Path) -> None:
    put(tmp_path / "a.png", picture(0))
    before = open_source(tmp_path).describe()["fingerprint"]
    (tmp_path / "a.png").chmod(0)
    assert open_source(tmp_path).describe()["fingerprint"] != before


def test_a_file_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        put(tmp_path / "photos" / name, picture(0))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert len(open_source(tmp_path / "photos").describe()["fingerprint"]) == 64
    assert np.array_equal(read_all(tmp_path / "photos", tmp_path / "cache.u8")[0], picture(0)[None])


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "store" / "deep" / "b.png", picture(1))
    put(tmp_path / "photos" / "x.png", picture(0))
    (tmp_path / "photos" / "more").symlink_to("../store")
    (tmp_path / "photos" / "again").symlink_to(tmp_path / "store" / "deep")
    (tmp_path / "photos" / "c.png").symlink_to(tmp_path / "store" / "deep" / "b.png")
    (tmp_path / "photos" / ".old").symlink_to("nowhere")
    source = open_source(tmp_path / "photos")
    assert list(source.sizes) == ["again/b.png", "c.png", "more/deep/b.png", "x.png"]
    (tmp_path / "whole").symlink_to(tmp_path / "photos")
    assert open_source(tmp_path / "whole").sizes == source.sizes


@pytest.mark.parametrize("target", [".", "..", "../..", "itself"])
def test_links_in_a_circle_are_refused(tmp_path: Path, target: str) -> None:
    put(tmp_path / "photos" / "a" / "x.png", picture(0))
    (tmp_path / "photos" / "a" / "itself").symlink_to(target)
    with pytest.raises(InputError, match=r"^.*/itself (is a link to a folder that holds it|cannot be read \()"):
        open_source(tmp_path / "photos" / "a" if target == "." else tmp_path)


def test_links_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    put(tmp_path / "photos" / "x.png", picture(0))
    (tmp_path / "photos" / "y.png").symlink_to("gone.png")
    with pytest.raises(InputError, match=r"y\.png is a link that leads nowhere: restore its target"):
        open_source(tmp_path / "photos")


def test_images_of_every_known_suffix_are_read(tmp_path: Path) -> None:
    kinds = {"a.jfif": "JPEG", "b.jpe": "JPEG", "c.tif": "TIFF", "d.TIFF": "TIFF", "e.bmp": "BMP", "f.webp": "WEBP"}
    for name, kind in kinds.items():
        put(tmp_path / "photos" / name, encoded(Image.fromarray(picture(0)), kind))
    assert len(read_all(tmp_path / "photos", tmp_path / "cache.u8")[0]) == len(kinds)


def test_what_lies_there_instead_of_images_is_said(tmp_path: Path) -> None:
    for name in ("a.heic", "b.heic", "c.gif", "README"):
        put(tmp_path / "photos" / name, b"?")
    with pytest.raises(InputError, match=r"holds no images \(2 \.heic, 1 README, 1 \.gif\): give .* PNG, JPEG"):
        read_all(tmp_path / "photos", tmp_path / "cache.u8")


def test_the_centre_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((16, 40, 3), np.uint8)
    wide[:, 12:28] = (10, 200, 30)
    put(tmp_path / "photos" / "wide.png", wide)
    assert np.array_equal(read_all(tmp_path / "photos", tmp_path / "same.u8", (16, 16))[0][0], wide[:, 12:28])
    shrunk = read_all(tmp_path / "photos", tmp_path / "shrunk.u8")[0][0]
    assert (shrunk[:, 1:-1] > (0, 190, 20)).all()


def test_a_finished_cache_is_used_as_it_is(tmp_path: Path) -> None:
    put(tmp_path / "photos" / "a.png", picture(0))
    read_all(tmp_path / "photos", tmp_path / "cache.u8")
    put(tmp_path / "photos" / "a.png", b"overwritten since")
    images, steps = read_all(tmp_path / "photos", tmp_path / "cache.u8")
    assert np.array_equal(images, picture(0)[None])
    assert not steps


def test_broken_and_small_files_are_skipped_and_named(tmp_path: Path) -> None:
    for seed in range(40):
        put(tmp_path / "photos" / f"{seed:02}.png", picture(seed))
    put(tmp_path / "photos" / "05.png", picture(5, (7, 30)))
    put(tmp_path / "photos" / "11.png", encoded(Image.fromarray(picture(11)))[:60])
    images, steps = read_all(tmp_path / "photos", tmp_path / "cache.u8")
    assert np.array_equal(images, np.stack([picture(seed) for seed in range(40) if seed not in (5, 11)]))
    assert steps[-1].note.startswith("skipped 2, the last one: 11.png is not a readable image")


def test_a_damaged_zip_entry_counts_as_a_broken_file(tmp_path: Path) -> None:
    for seed in range(20):
        put(tmp_path / "photos" / f"{seed:02}.png", picture(seed))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = zipped(tmp_path / "photos", tmp_path / f"{method}.zip", method)
        with zipfile.ZipFile(archive) as file:
            entry = file.getinfo("07.png")
        data = bytearray(archive.read_bytes())
        for place in range(entry.header_offset + 36, entry.header_offset + 60):
            data[place] ^= 0xFF
        archive.write_bytes(data)
        images, steps = read_all(archive, tmp_path / f"{method}.u8")
        assert len(images) == 19
        assert "07.png cannot be read" in steps[-1].note


def test_too_many_broken_files_are_refused_early_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(39):
        put(tmp_path / "photos" / f"{seed:02}.png", picture(seed) if seed not in (1, 2) else b"not an image")
    opened: list[str] = []

    def counted(data: bytes, name: str, enough: Frame | None = None) -> np.ndarray:
        opened.append(name)
        return decode_image(data, name, enough)

    monkeypatch.setattr(sources, "decode_image", counted)
    monkeypatch.setattr(sources, "CHUNK", 4)
    with pytest.raises(
        InputError,
        match=r"More than 5% of the 39 images in .*photos cannot be used. The first: 01.png is not a readable image",
    ):
        read_all(tmp_path / "photos", tmp_path / "made" / "cache.u8")
    assert not list((tmp_path / "made").iterdir())
    assert len(opened) <= 4, "images are decoded a chunk ahead, not all at once"


def test_many_chunks_keep_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK", 3)
    for seed in range(10):
        put(tmp_path / "photos" / f"{seed:02}.png", picture(seed))
    images, steps = read_all(tmp_path / "photos", tmp_path / "cache.u8")
    assert np.array_equal(images, np.stack([picture(seed) for seed in range(10)]))
    assert [step.done for step in steps] == [10]


def test_images_smaller_than_the_resolution_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "photos" / "small.png", picture(0))
    with pytest.raises(
        InputError,
        match=r"small.png is 8x8 pixels, smaller than the resolution 16x16: use larger images or a lower resolution",
    ):
        read_all(tmp_path / "photos", tmp_path / "made" / "cache.u8", (16, 16))
    assert not list((tmp_path / "made").iterdir())


def test_what_is_no_source_of_images_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "texts" / "notes.txt", b"no image")
    with pytest.raises(InputError, match="texts holds no images"):
        read_all(tmp_path / "texts", tmp_path / "cache.u8")
    with pytest.raises(InputError, match=r"notes.txt is neither a folder nor a readable zip"):
        open_source(tmp_path / "texts" / "notes.txt")
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_source(tmp_path / "nowhere")
    assert not (tmp_path / "cache.u8").exists()


UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture(3, (5, 9))
    assert np.array_equal(
        decode_image(encoded(Image.fromarray(stored), exif=exif), "a.png"), UPRIGHT[orientation](stored)
    )


def rgb(image: Image.Image, kind: str = "PNG") -> list[int]:
    decoded = decode_image(encoded(image, kind), "a")
    assert decoded.dtype == np.uint8
    assert decoded.shape == (4, 6, 3)
    assert (decoded == decoded[0, 0]).all()
    return decoded[0, 0].tolist()


def test_every_kind_of_image_becomes_rgb() -> None:
    size = (6, 4)
    assert rgb(Image.new("L", size, 100)) == [100, 100, 100]
    assert rgb(Image.new("LA", size, (100, 255))) == [100, 100, 100]
    assert rgb(Image.new("1", size, 1)) == [255, 255, 255]
    assert rgb(Image.new("RGBA", size, (1, 2, 3, 255))) == [1, 2, 3]
    assert rgb(Image.new("RGB", size, (1, 2, 3)).quantize(2)) == [1, 2, 3]
    assert rgb(Image.fromarray(np.full((4, 6), 0x8040, np.uint16))) == [128, 128, 128]
    red, green, blue = rgb(Image.new("CMYK", size, (0, 255, 255, 0)), "JPEG")
    assert red > 240
    assert max(green, blue) < 60
    assert rgb(Image.new("L", size, 100), "WEBP") == [100, 100, 100]


def test_absurd_declared_sizes_are_refused_before_anything_is_allocated() -> None:
    for width, height in ((60_000, 60_000), (10_001, 10_000)):  # and no warning of Pillow's, which a test would raise
        with pytest.raises(
            BrokenImageError, match=rf"huge\.png .*\(it declares {width}x{height} pixels, .*: shrink it"
        ):
            decode_image(declaring(width, height), "huge.png")


EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010F], EXIF[0x011A] = 6, "maker", 72.0
WHOLE = [encoded(Image.fromarray(picture(0, (12, 9))), kind, exif=EXIF) for kind in ("PNG", "JPEG", "WEBP")]


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged EXIF
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 10_000),
)
def test_damaged_bytes_give_an_image_or_the_one_error(data: bytes, changes: list[tuple[int, int]], end: int) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    damaged = damaged[: end if end < len(damaged) else None]
    try:
        assert decode_image(bytes(damaged), "a").dtype == np.uint8
    except BrokenImageError as error:
        assert str(error).startswith("a ")  # noqa: PT017  # most damage is refused, some is not seen
    try:
        assert decode_mask(bytes(damaged), "a").ndim == 2
    except InputError as error:
        assert str(error).startswith("a ")  # noqa: PT017
