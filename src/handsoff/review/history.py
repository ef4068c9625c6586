"""What every window of a review changed, so that it can take its own changes back."""

from collections import deque
from dataclasses import dataclass, field, replace

from handsoff.core.errors import InputError
from handsoff.datasets.corrections import Correction

UNDOABLE = 200  # changes of a window that can be taken back


@dataclass(frozen=True)
class Change:
    """One change of a window.

    Attributes:
        before: the record before it.
        version: of the sample as the change left it.
        label: where the change was one of a label, its task and what lay in its file before, None if there was none.
    """

    name: str
    before: Correction
    version: int
    label: tuple[str, bytes | None] | None = None


@dataclass
class History:
    """The changes of every window, the latest last."""

    windows: dict[str, deque[Change]] = field(default_factory=dict)

    def add(self, change: Change, window: str) -> None:
        self.windows.setdefault(window, deque(maxlen=UNDOABLE)).append(change)

    def pop(self, window: str) -> Change:
        """The last change of a window, which is forgotten.

        Raises:
            InputError: there is none.
        """
        if not self.windows.get(window):
            raise InputError("There is nothing to undo in this window.")
        return self.windows[window].pop()

    def regained(self, name: str, version: int, now: int) -> None:
        """Say that a sample has the version `now`, and is again as the change to `version` had left it.

        That change, of whatever window, is the newest one of the sample again. No other one is.
        """
        for done in self.windows.values():
            for index, change in enumerate(done):
                if (change.name, change.version) == (name, version):
                    done[index] = replace(change, version=now)
