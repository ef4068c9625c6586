"""What shards need besides themselves, loaded once per worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

W = TypeVar("W")


class Once(Generic[W]):
    """Loads what belongs to a context, and keeps it until another context comes.

    >>> square = Once(lambda context: context**2)
    >>> with square.having(3, "nine"):
    ...     square(3), square(4)
    ('nine', 16)
    """

    def __init__(self, load: Callable[[Any], W]) -> None:
        self.load = load
        self.held: list[tuple[Any, W]] = []  # at most one

    def __call__(self, context: Any) -> W:
        """What belongs to the context."""
        if not self.held or self.held[0][0] != context:
            self.forget()  # before more is loaded
            self.held.append((context, self.load(context)))
        return self.held[0][1]

    def forget(self) -> None:
        """Let go of what is held."""
        self.held.clear()

    @contextmanager
    def having(self, context: Any, loaded: W) -> Iterator[None]:
        """Within, this process has it already."""
        self.held[:] = [(context, loaded)]
        try:
            yield
        finally:
            self.forget()
