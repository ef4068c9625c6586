"""Zips from other machines, and zips that lie."""

import struct
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path

import pytest

from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source


def zip_of(path: Path, files: dict[bytes | str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """A zip with these names; bytes are written as they are, without saying in which encoding."""
    raw = [name if isinstance(name, bytes) else name.encode() for name in files]
    with zipfile.ZipFile(path, "w", method) as archive:
        for index, data in enumerate(files.values()):
            archive.writestr(chr(65 + index) * len(raw[index]), data)
    content = path.read_bytes()
    for index, name in enumerate(raw):
        content = content.replace(chr(65 + index).encode() * len(name), name)
    path.write_bytes(content)
    return path


def test_windows_paths_are_folders(tmp_path: Path) -> None:
    archive = zip_of(
        tmp_path / "w.zip", {b"set\\images\\a.png": b"1", b"set\\masks\\a.png": b"22", b".\\b.png": b"333"}
    )
    source = open_source(archive)
    assert source.sizes == {"b.png": 3, "set/images/a.png": 1, "set/masks/a.png": 2}
    assert source.read("set/masks/a.png") == b"22"


@pytest.mark.parametrize("name", [b"..\\a.png", b"a\\..\\..\\b", b"../a.png", b"/a.png", b"\\a.png", b"C:\\a.png"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(InputError, match="which leads out of it"):
        open_source(zip_of(tmp_path / "out.zip", {name: b"1"}))


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [("utf-8", "größe.png", None), ("gbk", "照片一.png", "GBK"), ("cp437", "été.png", "cp437")],
)
def test_names_without_an_encoding(tmp_path: Path, encoding: str, name: str, said: str | None) -> None:
    source = open_source(zip_of(tmp_path / "names.zip", {name.encode(encoding): b"1", b"plain.png": b"2"}))
    assert set(source.sizes) == {name, "plain.png"}
    assert source.read(name) == b"1"
    assert [f"1 names in {tmp_path / 'names.zip'} state no encoding and were read as {said}, such as {name}"] * bool(
        said
    ) == [note.partition(":")[0] for note in source.notes]


def test_names_that_say_that_they_are_utf8_stay(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "é.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"1")
    assert list(open_source(tmp_path / "a.zip").sizes) == [name]


def test_an_entry_larger_than_it_declares_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(300 * 2**20))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 300 * 2**20), struct.pack("<I", 1000)))
    source = open_source(path)
    assert source.sizes == {"a.png": 1000}
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.png cannot be read \(Bad CRC-32"):
        source.read("a.png")
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png declares 314,572,800 bytes, more than 200 times"):
        open_source(path).read("a.png")


def test_a_path_twice_an_encrypted_zip_and_rare_methods_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 'images/a\.png' twice"):
        open_source(zip_of(tmp_path / "twice.zip", {b"images/a.png": b"1", b"images\\a.png": b"2"}))
    locked = zip_of(tmp_path / "locked.zip", {b"a.png": b"1"})
    content = bytearray(locked.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(content)
    with pytest.raises(InputError, match=r"locked\.zip is encrypted"):
        open_source(locked)
    rare = zip_of(tmp_path / "rare.zip", {b"a.png": b"1"}, zipfile.ZIP_BZIP2)
    with pytest.raises(InputError, match="rare method"):
        open_source(rare).read("a.png")


def test_links_in_a_zip_are_left_out_and_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr("a.png", b"1")
        link = zipfile.ZipInfo("more.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    source = open_source(tmp_path / "links.zip")
    assert list(source.sizes) == ["a.png"]
    assert source.notes == (
        f"1 links in {tmp_path / 'links.zip'} were left out, for example 'more.png': zip the files themselves.",
    )
