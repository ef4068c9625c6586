"""Places: whole files in a folder, in an object store and where names must be changed afterwards."""

from pathlib import Path

import pytest

from handsoff.core.errors import HandsOffError
from handsoff.core.places import MissingError, Place

KINDS = ("folder", "memory", "file")


def place(kind: str, folder: Path) -> Place:
    if kind != "folder":
        pytest.importorskip("fsspec", reason="the extra remote is not installed")
    return Place({"folder": str(folder), "memory": f"memory://{folder.name}", "file": f"file://{folder}"}[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_back_whole_and_in_parts(kind: str, tmp_path: Path) -> None:
    here = place(kind, tmp_path / "data")
    here.check()
    assert here.read("shards/a.tar") is here.size("shards/a.tar") is None
    for data in (b"an earlier one, and longer", b"0123456789"):
        here.write("shards/a.tar", data)
        assert (here.read("shards/a.tar"), here.size("shards/a.tar")) == (data, len(data))
    assert here.read("shards/a.tar", 3, 4) == b"3456"
    assert here.read("shards/a.tar", 8, 4) == b"89", "what is there"
    (tmp_path / "card.json").write_bytes(b"[]")
    here.copy(tmp_path / "card.json")
    assert here.read("card.json") == b"[]"
    for _ in range(2):
        here.remove("shards/a.tar")
    assert here.size("shards/a.tar") is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (FileNotFoundError("The specified bucket does not exist"), r"\(The specified bucket does not exist\): check"),
        (FileNotFoundError("x/b"), r"could not be written \(it is not there\)"),
        (PermissionError("Access Denied."), r"\(Access Denied\): use credentials"),
        (OSError("Connection refused\nand more"), r"\(Connection refused\): check the URL, the credentials"),
    ],
)
def test_what_a_store_refuses_is_said_in_a_sentence(
    raised: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise raised

    here = place("memory", tmp_path / "data")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", refuse)
    with pytest.raises(HandsOffError, match=said) as caught:
        here.write("b", b"1")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, MissingError) == isinstance(raised, FileNotFoundError)
