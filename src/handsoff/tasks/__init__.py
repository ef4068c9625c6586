"""The kinds of label. A new one is one file and one line here; no other module asks which task it is."""

from typing import Any

from handsoff.core.errors import UnknownNameError
from handsoff.tasks.base import Metric, Task
from handsoff.tasks.depth import Depth
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.normals import Normals
from handsoff.tasks.segmentation import Segmentation

TASKS: dict[str, type[Task]] = {task.name: task for task in (Segmentation, Keypoints, Depth, Normals)}


def task_type(name: str) -> type[Task]:
    """The task called `name`.

    Raises:
        UnknownNameError: there is no such task; the message lists those there are.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name]


def all_metrics() -> dict[str, Metric]:
    """The metrics of all tasks, by name; of each task the main one first."""
    return {name: metric for task in TASKS.values() for name, metric in task.metrics.items()}


def make_task(name: str, schema: dict[str, Any]) -> Task:
    """The task called `name` for labels described by `schema` (as a labelled folder or a dataset's manifest says it).

    Raises:
        UnknownNameError: as `task_type`.
    """
    return task_type(name)(schema)  # type: ignore[call-arg]  # every subclass of Task is made from a schema alone
