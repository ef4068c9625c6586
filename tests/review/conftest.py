"""Datasets under review in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from browsing import Review, discs, launched, served


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture
def start(browser: Any) -> Iterator[Callable[..., Review]]:
    """Opens a review of a dataset; everything is closed afterwards."""
    with ExitStack() as closing:

        def begin(folder: Path, labeler: Path | None = None) -> Review:
            review = Review(folder, closing.enter_context(served(folder, labeler)), browser, None, closing)
            review.page = review.window()
            return review

        yield begin


@pytest.fixture
def review(tmp_path: Path, start: Callable[..., Review]) -> Review:
    return start(discs(tmp_path / "data"))
