"""Snapshots of diffusion models that cost nothing."""

import pytest

from handsoff.training import snapshots
from handsoff.training.diffusion import state


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MEASURED_IMAGES", 8)
    monkeypatch.setattr(snapshots, "SIDE", 2)
    monkeypatch.setattr(state, "QUICK", [20.0, 1.0, 0.0])
    monkeypatch.setattr(
        snapshots,
        "distances",
        lambda real, fake: {"fd_lite0": float((real.mean(0) - fake.mean(0)).norm()), "kd_lite0": 0.0},
    )
