"""Ledgers: what they vouch for is there, as it was written, or they say nothing."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.core.files import recorded, write_bytes
from handsoff.jobs.ledger import fit, read_entry, relative, write_entry

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(TREES, st.data())
def test_an_entry_comes_back_and_a_damaged_one_does_not(content: object, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as made:
        entry = Path(made) / "entry.json"
        assert read_entry(entry) is None
        write_entry(entry, content)
        assert read_entry(entry) == content
        whole = entry.read_bytes()
        entry.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 3))])
        assert read_entry(entry) is None
        place = data.draw(st.integers(0, len(whole) - 1))
        entry.write_bytes(whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :])
        assert read_entry(entry) in (None, content)


def test_keys_and_tuples_are_those_that_json_knows(tmp_path: Path) -> None:
    write_entry(tmp_path / "a.json", {10: (1, 2), 9: ()})
    assert read_entry(tmp_path / "a.json") == {"10": [1, 2], "9": []}


@pytest.mark.parametrize("value", [b"", b"[]", b"null", b'{"content": 1}', b'{"content": 1, "sha256": 2}', b"[" * 9999])
def test_what_is_no_entry_is_none(tmp_path: Path, value: bytes) -> None:
    (tmp_path / "a.json").write_bytes(value)
    assert read_entry(tmp_path / "a.json") is None


def test_files_fit_as_long_as_they_are_what_was_written(tmp_path: Path) -> None:
    with recorded() as stamps:
        write_bytes(tmp_path / "deep" / "a", b"one")
        write_bytes(tmp_path / "b", b"old")
        write_bytes(tmp_path / "b", b"two")
    write_bytes(tmp_path / "c", b"not recorded")
    files = json.loads(json.dumps(relative(stamps, tmp_path)))
    assert files.keys() == {"deep/a", "b"}
    assert fit(files, tmp_path)
    for wrong in (b"tw", b"twi", b""):
        (tmp_path / "b").write_bytes(wrong)
        assert not fit(files, tmp_path)
    (tmp_path / "b").unlink()
    assert not fit(files, tmp_path)
