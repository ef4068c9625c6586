"""Room on a disk: measured, told in short, and refused in one sentence where it is too little."""

from pathlib import Path

import pytest

from handsoff.core.disk import free_bytes, require_space, require_space_for_rest, size, used_bytes
from handsoff.core.errors import HandsOffError


def test_free_space_is_that_of_the_disk_where_a_folder_will_lie(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(free_bytes(tmp_path), rel=0.1)


def test_used_space_counts_every_file_and_at_least_what_it_holds(tmp_path: Path) -> None:
    assert used_bytes(tmp_path) == 0
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(bytes(10_000))
    (tmp_path / "b").write_bytes(b"x")
    assert 10_001 <= used_bytes(tmp_path) < 100_000


def test_too_little_space_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handsoff.core.disk.free_bytes", lambda _: 5_000_000)
    require_space(tmp_path, 4_999_999)
    with pytest.raises(HandsOffError, match=r"needs about 6\.5 MB more, and its disk has 5 MB free"):
        require_space(tmp_path, 6_500_000)
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    require_space_for_rest(tmp_path, 10, 10)
    require_space_for_rest(tmp_path, 0, 10)
    with pytest.raises(HandsOffError, match="free some space"):
        require_space_for_rest(tmp_path, 10, 100)


def test_sizes_are_short() -> None:
    assert [size(count) for count in (0, 999, 1000, 1_234_567, 999_999_999, 5e12)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "1.2 MB",
        "1 GB",
        "5 TB",
    ]
