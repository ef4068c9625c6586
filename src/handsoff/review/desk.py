"""All that a reviewer works with: the session, the queue, pictures, and the labeler that learns from it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import HandsOffError, InputError
from handsoff.review.guard import MOST_BYTES
from handsoff.review.painting import Painting, open_painting
from handsoff.review.queue import Queue, open_queue
from handsoff.review.refit import Refit, RefitState, open_refit
from handsoff.review.session import NoSuchSampleError, Session
from handsoff.review.snapping import regions
from handsoff.review.suggestions import Suggestions
from handsoff.review.thumbnails import Thumbnails
from handsoff.tasks.base import Task


@dataclass
class Desk:
    """What the server holds."""

    session: Session
    queue: Queue
    thumbnails: Thumbnails
    suggestions: Suggestions
    refit: Refit | None = None
    painting: Painting | None = None
    choosing: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def facts(self) -> dict[str, Any]:
        """What the page must know of the dataset."""
        session = self.session
        names = session.dataset.names
        follows = None if self.painting is None else self.painting.task
        tasks = {
            name: {**described(name, task, self.queue.titles), "follows": name == follows}
            for name, task in session.tasks.items()
        }
        return {
            "id": session.identity,
            "name": session.dataset.source.path.resolve().name,
            "count": len(names),
            "size": list(session.size(names[0])),
            "tasks": tasks,
            "orders": self.queue.orders(),
            "labeler": self.refit is not None,
            "decided": session.counts(),
            "corrected": sum(map(bool, list(session.corrected.values()))),
            "indexed": len(self.queue.shows),
            "most_bytes": MOST_BYTES,
        }

    def uncertainty(self, task: str, name: str) -> Float[np.ndarray, "h w"] | None:
        """The uncertainty of every pixel of a label in [0, 1], None where it is not known."""
        self.session.known(name, task)
        return None if self.session.generated is None else self.session.generated.uncertainty_map(name, task)

    def regions(self, task: str, name: str) -> bytes:
        """The region of every pixel of a mask, uint16 little-endian, row by row; see `snapping`.

        Raises:
            NoSuchSampleError: there is no such mask.
        """
        label = self.session.label(task, name)
        if self.session.tasks[task].drawing.editor != "mask":
            raise NoSuchSampleError(f"Labels for {task} are no masks, and have no regions.")
        return regions(label, self.uncertainty(task, name)).astype("<u2").tobytes()

    def suggest(self, count: int) -> list[str]:
        """The samples to correct next, and the order "suggested"."""
        with self.choosing:
            self.queue.suggested = self.suggestions.next(count)
        return self.queue.suggested

    def start_refit(self, first: list[str]) -> str:
        """Begin to fit the labeler again.

        Raises:
            InputError: there is none, or as `Refit.start`.
        """
        if self.refit is None:
            raise InputError("There is no labeler to fit again: start handsoff review with one, DATASET LABELER.")
        return self.refit.start(first)

    def refit_state(self) -> dict[str, Any]:
        return (RefitState() if self.refit is None else self.refit.state).record()

    def painter(self) -> Painting:
        """What lets images follow painted masks.

        Raises:
            InputError: they cannot.
        """
        if self.painting is None:
            raise InputError(
                "Images follow painted masks where handsoff generate drew them from a w space: start handsoff review "
                "with that dataset and its labeler, DATASET LABELER."
            )
        return self.painting

    def stop(self) -> None:
        """End what runs in the background, at its next step."""
        self.stopped.set()
        if self.painting is not None:
            self.painting.stop()
        if self.refit is not None:
            self.refit.stopped.set()
            if self.refit.thread is not None:
                self.refit.thread.join()

    def look_at_all(self) -> None:
        """Find out which parts every sample shows; runs beside the server."""
        for name in self.session.dataset.names:
            if self.stopped.is_set():
                return
            if name not in self.queue.shows:
                self.look_at(name)

    def look_at(self, name: str) -> None:
        """Find out which parts a sample shows; of one with a label that cannot be read, none."""
        try:
            self.queue.look_at(name)
        except HandsOffError:
            self.queue.shows[name] = {}  # whoever opens that label is told what is wrong


def described(name: str, task: Task, titles: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the page must know of a task."""
    colours = dict(task.drawing.legend())
    return {
        "editor": task.drawing.editor,
        "schema": task.schema,
        "parts": [{"name": part, "title": titles[name, part], "colour": colours.get(part, "")} for part in task.parts],
        "background": task.background,
    }


def open_desk(session: Session, labeler: Path | None = None) -> Desk:
    """A desk for a session, with what learns from it.

    Raises:
        InputError: the labeler cannot be used.
        MismatchError: it does not belong to the dataset.
    """
    queue = open_queue(session)
    refit = None if labeler is None else open_refit(session, queue, labeler)
    painting = None if labeler is None else open_painting(session, labeler)
    return Desk(session, queue, Thumbnails(session), Suggestions(queue), refit, painting)
