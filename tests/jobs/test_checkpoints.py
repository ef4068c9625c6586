"""Checkpoints: a run goes on exactly where it was."""

from pathlib import Path

import pytest
import torch
from torch import nn

from handsoff.core.errors import InputError
from handsoff.core.files import read_tensors
from handsoff.jobs.checkpoints import load_checkpoint, read_numbers, save_checkpoint


def player(seed: int) -> tuple[nn.Linear, torch.optim.Adam]:
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    return model, torch.optim.Adam(model.parameters(), 0.1)


def step(model: nn.Linear, optimizer: torch.optim.Adam) -> None:
    optimizer.zero_grad()
    model(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()


def test_a_loaded_run_takes_the_same_next_step(tmp_path: Path) -> None:
    model, optimizer = player(0)
    step(model, optimizer)
    save_checkpoint(tmp_path / "run", {"model": model}, {"optimizer": optimizer}, {"step": 1, "best": float("inf")})
    step(model, optimizer)
    other, other_optimizer = player(1)
    numbers = load_checkpoint(tmp_path / "run", {"model": other}, {"optimizer": other_optimizer})
    assert numbers == {"step": 1.0, "best": float("inf")}
    step(other, other_optimizer)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_numbers_are_read_without_the_weights(tmp_path: Path) -> None:
    model, optimizer = player(0)
    save_checkpoint(tmp_path / "run", {"model": model}, {"optimizer": optimizer}, {"step": 7})
    assert read_numbers(tmp_path / "run") == {"step": 7.0}
    assert list(read_tensors(tmp_path / "run", "numbers.")) == ["numbers.step"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"half")
    with pytest.raises(InputError, match="run is not a valid safetensors file"):
        read_numbers(tmp_path / "run")
    with pytest.raises(InputError, match="is missing"):
        read_numbers(tmp_path / "nothing")
