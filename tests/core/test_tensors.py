"""Tensors in files: written whole, sealed and finite, read back, and said in a sentence where they are wrong."""

import math
from pathlib import Path

import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.tensors import read_tensors, write_tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_sealed_tensors_come_back_and_no_damaged_ones_do(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"a": torch.ones(3, 2).to(dtype), "b": torch.tensor(1).to(dtype), "c": torch.ones(0, 3).to(dtype)}
    write_tensors(tmp_path / "a", tensors, sealed=True)
    back = read_tensors(tmp_path / "a")
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    data = (tmp_path / "a").read_bytes()
    for wrong in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), data.replace(b'"a"', b'"d"')):
        (tmp_path / "a").write_bytes(wrong)
        with pytest.raises(InputError, match="make the folder again"):
            read_tensors(tmp_path / "a")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_neither_written_nor_read(tmp_path: Path, number: float) -> None:
    """Networks that diverged would give labels without a word."""
    wrong = {"a": torch.tensor([1.0, number])}
    with pytest.raises(HandsOffError, match="a would hold numbers that are not finite"):
        write_tensors(tmp_path / "a", wrong)
    assert not (tmp_path / "a").exists()
    write_tensors(tmp_path / "a", wrong, gaps=["a"])
    assert torch.equal(read_tensors(tmp_path / "a", gaps=["a"])["a"].isfinite(), torch.tensor([True, False]))
    with pytest.raises(InputError, match="a: a holds numbers that are not finite"):
        read_tensors(tmp_path / "a")
    best = {"numbers.best": torch.tensor(math.inf)}
    write_tensors(tmp_path / "b", best)
    assert read_tensors(tmp_path / "b") == best


def test_tensors_come_back(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "b": torch.tensor(3),
        "c": torch.zeros(2, dtype=torch.bfloat16),
    }
    write_tensors(tmp_path / "a.safetensors", tensors)
    back = read_tensors(tmp_path / "a.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def test_missing_and_broken_files_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        read_tensors(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"\xff\xfe not what it says")
    with pytest.raises(InputError, match="is not a valid"):
        read_tensors(tmp_path / "broken")
