"""What is evaluated in these tests."""

from pathlib import Path

import pytest

from discs import blobs, write_dataset, write_labelled


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("labelled") / "real", blobs(16, seed=1))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "synthetic", blobs(12, seed=2))
