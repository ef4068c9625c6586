"""Labels on their way between the browser and the session, each in the form that its editor works with.

| editor | form | media type |
|---|---|---|
| mask | PNG of class ids, 8-bit grey (a canvas whose red, green and blue are the id is read, too) | image/png |
| points | {"points": [[x, y, visibility], …]} in pixels | application/json |
| planes | float32, little-endian, row by row; 0 = not known | application/octet-stream |
| generic | the file, or the JSON entry, as the task stores it | application/octet-stream, application/json |
"""

import json
from typing import Any

import numpy as np

from handsoff.core.errors import InputError
from handsoff.core.files import parse_json
from handsoff.core.frames import Frame
from handsoff.review.session import Session
from handsoff.tasks.base import Label, Task

PNG, JSON, BYTES = "image/png", "application/json", "application/octet-stream"
FLOAT32 = np.dtype("<f4")
SENT = "The label that was sent"


def to_browser(task: Task, label: Label) -> tuple[bytes, str]:
    """A label, and its media type."""
    if task.drawing.editor == "planes":
        return label.astype(FLOAT32).tobytes(), BYTES
    stored: Any = task.storage.serialise(label)
    if task.drawing.editor == "points":
        return json.dumps({"points": stored}).encode(), JSON
    if isinstance(stored, bytes):
        return stored, PNG if task.drawing.editor == "mask" else BYTES
    return json.dumps(stored).encode(), JSON


def from_browser(session: Session, task: str, name: str, data: bytes) -> Label:
    """The label that the browser sent for a sample.

    Raises:
        NoSuchSampleError: the dataset has no such sample or kind of label.
        InputError: it is no such label, or not of the size of the image.
    """
    session.known(name, task)
    kind, size = session.tasks[task], session.size(name)
    if kind.drawing.editor == "planes":
        return planes(data, size)
    stored: Any = data
    if kind.drawing.editor == "points":
        found = parse_json(data, SENT)
        if not isinstance(found, dict) or "points" not in found:
            raise InputError(f'{SENT} has no points: send {{"points": [[x, y, visibility], …]}}.')
        stored = found["points"]
    elif not kind.locations[0].suffixes:
        stored = parse_json(data, SENT)
    return session.parse(task, stored, SENT, size)


def planes(data: bytes, size: Frame) -> Label:
    """A map of positive numbers, 0 where nothing is known."""
    if len(data) != size[0] * size[1] * FLOAT32.itemsize:
        raise InputError(f"{SENT} has {len(data)} bytes: send {size[0]} x {size[1]} numbers (float32, little-endian).")
    values = np.frombuffer(data, FLOAT32).astype(np.float32).reshape(size)
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(f"{SENT} holds numbers that are negative or not finite: send 0 where nothing is known.")
    return values
