"""Files: written whole or not at all, read back, and said in a sentence where they are wrong."""

import errno
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from handsoff.core import files
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import HOST, half_of


def opener_that_fails(number: int) -> Callable[[Path, str], io.FileIO]:
    class Full(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            super().write(data[:3])
            raise OSError(number, os.strerror(number))

    def opened(path: Path, mode: str) -> io.FileIO:
        return Full(path, mode)

    return opened


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "Permission denied")])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    monkeypatch.setattr(Path, "open", opener_that_fails(number))
    with pytest.raises(HandsOffError, match=said):
        files.write_json(target, {"new": 2})
    monkeypatch.undo()
    assert files.read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_that_cannot_reach_the_disk_is_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HandsOffError, match="Could not write"):
        files.write_bytes(tmp_path / "a", b"data")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(tmp_path / "a", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(HandsOffError, match="Could not write"):
        files.write_bytes(tmp_path / "a" / "b" / "c", b"data")


def test_a_long_name_can_be_written_and_one_that_is_too_long_is_said(tmp_path: Path) -> None:
    longest = "é" * 125 + ".json"
    files.write_json(tmp_path / longest, 1)
    assert [file.name for file in tmp_path.iterdir()] == [longest]
    with pytest.raises(InputError, match="has 257 bytes, and a file's name may have 255: shorten it"):
        files.write_json(tmp_path / f"éé{longest[1:]}", 1)
    for name in ("a\ud800", os.fsdecode(b"\xff.png")):
        with pytest.raises(InputError, match="is not UTF-8: rename it"):
            files.write_bytes(tmp_path / name, b"")
    assert [file.name for file in tmp_path.iterdir()] == [longest]


def test_halves_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    ours, living = half_of(Path("a.json")).name, f".a.json.{HOST}-{os.getppid()}.part"
    elsewhere = f".a.json.0a1b2c-{os.getppid()}.part"
    dead = [".job.json.4194305.part", elsewhere, f".b.{10**40}.part", f"deep/{ours}"]
    kept = [f"deep/{living}", ".c.part", "d.4194305.part", ".e.x.part"]
    for name in [*dead, *kept]:
        (tmp_path / name).write_bytes(b"half")
    files.remove_halves(tmp_path)
    assert sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()) == sorted(
        kept
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5_000, "thousands of digits"),
        (b'["a\\ud800"]', r"half a character, '\\ud800'"),
        (b'["\xed\xa0\x80"]', "not a text in UTF-8"),
        (b"{", "Expecting property name"),
        (b"", "Expecting value"),
        (b'{"a": [[1, 1]], "b": 1, "a": [[5, 5]]}', "'a' twice in one object"),
    ],
)
def test_json_of_every_kind_of_wrong_is_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json is not valid JSON \(.*{reason}.*\): restore it") as said:
        files.read_json(tmp_path / "a.json")
    assert "\n" not in str(said.value)


def test_json_may_escape_whole_characters(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'["\\ud83d\\ude00"]')
    assert files.read_json(tmp_path / "a.json") == ["\N{GRINNING FACE}"]
    with pytest.raises(InputError, match="cannot be read"):
        files.read_json(tmp_path)


@dataclass
class Record:
    names: list[str]
    sizes: dict[str, int]


@pytest.mark.parametrize(
    ("content", "place"),
    [("[]", "Input should be"), ('{"names": 1, "sizes": {}}', "names: "), ('{"names": []}', "sizes: "), ("null", "")],
)
def test_a_record_of_another_shape_is_damaged(tmp_path: Path, content: str, place: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=rf"a\.json is damaged \({place}.*\): restore it"):
        files.read_record(tmp_path / "a.json", Record)
    (tmp_path / "a.json").write_text('{"names": ["a"], "sizes": {"a": 1}}')
    assert files.read_record(tmp_path / "a.json", Record) == Record(["a"], {"a": 1})


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"name": "é", "numbers": [1, 2.5, None]}
    files.write_json(tmp_path / "deep" / "a.json", value)
    assert files.read_json(tmp_path / "deep" / "a.json") == value


def test_missing_and_broken_json_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        files.read_json(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"\xff\xfe not what it says")
    with pytest.raises(InputError, match="is not valid"):
        files.read_json(tmp_path / "broken")


# images
