"""What a label can be. One file and one line here per task; nothing elsewhere asks which task it is."""

from collections.abc import Callable
from typing import Any

from handsoff.core.errors import UnknownNameError
from handsoff.tasks.base import Task
from handsoff.tasks.segmentation import Segmentation

TASKS: dict[str, Callable[..., Task]] = {"segmentation": Segmentation}


def make_task(name: str, schema: dict[str, Any]) -> Task:
    """The task called `name` for labels described by `schema` (what the labelled folder says of itself).

    Raises:
        UnknownNameError: there is no such task; the message lists those there are.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name](schema)
