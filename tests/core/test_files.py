"""Files: written whole or not at all, read back, and said in a sentence where they are wrong."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from handsoff.core import files
from handsoff.core.errors import HandsOffError, InputError


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


def test_json_and_tensors_come_back(tmp_path: Path) -> None:
    value = {"name": "é", "numbers": [1, 2.5, None]}
    files.write_json(tmp_path / "deep" / "a.json", value)
    assert files.read_json(tmp_path / "deep" / "a.json") == value
    tensors = {
        "a": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "b": torch.tensor(3),
        "c": torch.zeros(2, dtype=torch.bfloat16),
    }
    files.write_tensors(tmp_path / "a.safetensors", tensors)
    back = files.read_tensors(tmp_path / "a.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("read", [files.read_json, files.read_tensors])
def test_missing_and_broken_files_are_said_in_one_sentence(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(InputError, match="missing"):
        read(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"\xff\xfe not what it says")
    with pytest.raises(InputError, match=r"is not (a )?valid"):
        read(tmp_path / "broken")


# images
