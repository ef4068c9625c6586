"""Training runs in one file."""

from pathlib import Path

import pytest
import torch
from torch import nn

from handsoff.core.errors import InputError
from handsoff.jobs.checkpoints import load_checkpoint, read_numbers, save_checkpoint


def trained(steps: int, module: nn.Linear, optimizer: torch.optim.Optimizer) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        module(torch.full((1, 3), float(step + 1))).square().sum().backward()
        optimizer.step()


def test_a_run_goes_on_exactly_where_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    trained(3, module, optimizer)
    save_checkpoint(tmp_path / "a", {"net": module}, {"adam": optimizer}, {"step": 3, "best": float("inf")})
    other = nn.Linear(3, 2)
    again = torch.optim.Adam(other.parameters(), 0.1)
    assert load_checkpoint(tmp_path / "a", {"net": other}, {"adam": again}) == {"step": 3.0, "best": float("inf")}
    trained(2, module, optimizer)
    trained(2, other, again)
    assert torch.equal(module.weight, other.weight)
    assert read_numbers(tmp_path / "a") == {"step": 3.0, "best": float("inf")}


def test_damaged_and_missing_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        read_numbers(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="not a valid safetensors file"):
        read_numbers(tmp_path / "a")
