"""All that a reviewer works with: the session, the queue, pictures, and the labeler that learns from it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import HandsOffError, InputError
from handsoff.review.queue import Queue, open_queue
from handsoff.review.session import Session
from handsoff.review.thumbnails import Thumbnails
from handsoff.tasks.base import Task


@dataclass
class Desk:
    """What the server holds."""

    session: Session
    queue: Queue
    thumbnails: Thumbnails
    stopped: threading.Event = field(default_factory=threading.Event)

    def facts(self) -> dict[str, Any]:
        """What the page must know of the dataset."""
        session = self.session
        names = session.dataset.names
        return {
            "name": session.dataset.source.path.resolve().name,
            "count": len(names),
            "size": list(session.size(names[0])),
            "tasks": {name: described(task) for name, task in session.tasks.items()},
            "orders": self.queue.orders(),
            "labeler": False,
            "decided": session.counts(),
            "corrected": sum(bool(tasks) for tasks in session.corrected.values()),
            "indexed": len(self.queue.shows),
        }

    def uncertainty(self, task: str, name: str) -> Float[np.ndarray, "h w"] | None:
        """The uncertainty of every pixel of a label in [0, 1], None where it is not known."""
        self.session.known(name, task)
        return None if self.session.generated is None else self.session.generated.uncertainty_map(name, task)

    def regions(self, task: str, name: str) -> bytes:
        raise InputError("There are no regions yet.")

    def suggest(self, count: int) -> list[str]:
        raise InputError("There are no suggestions yet.")

    def start_refit(self, first: list[str]) -> str:
        raise InputError("There is no labeler: start handsoff review with one.")

    def refit_state(self) -> dict[str, Any]:
        return {"state": "none", "progress": 0.0, "note": "", "before": None, "after": None}

    def look_at_all(self) -> None:
        """Find out which parts every sample shows; runs beside the server."""
        for name in self.session.dataset.names:
            if self.stopped.is_set():
                return
            if name not in self.queue.shows:
                try:
                    self.queue.look_at(name)
                except HandsOffError:
                    self.queue.shows[name] = {}  # whoever opens the sample is told what is wrong


def described(task: Task) -> dict[str, Any]:
    """What the page must know of a task."""
    colours = dict(task.drawing.legend())
    return {
        "editor": task.drawing.editor,
        "schema": task.schema,
        "parts": [{"name": part, "colour": colours.get(part, "")} for part in task.parts],
        "background": task.background,
    }


def open_desk(session: Session, labeler: Path | None = None) -> Desk:  # noqa: ARG001  # comes next
    return Desk(session, open_queue(session), Thumbnails(session))
