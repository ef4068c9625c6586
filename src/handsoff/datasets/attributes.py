"""What one labelled image shows, in numbers: the parts of its labels, and attributes.

Each attribute is a small function of the image and its labels, and one line in `ATTRIBUTES`. What an image does not
tell, such as the place of an object that nobody sees, is left out of its numbers.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from handsoff.geometry.surfaces import from_depth, vectors
from handsoff.tasks.base import Label, Task

Photo = UInt8[np.ndarray, "h w 3"]
Tasks = Mapping[str, Task]
Labels = Mapping[str, Label]
Numbers = dict[str, Any]
GREY = (0.299, 0.587, 0.114)  # Rec. 601
KNOWN = 100  # pixels with a normal that a light direction needs


@dataclass(frozen=True)
class Attribute:
    """One number per image.

    Attributes:
        about: what it is, with its unit and range.
        measure: gives it; None where the image does not tell.
        can: whether labels of these tasks tell it.
    """

    about: str
    measure: Callable[[Photo, Labels, Tasks], float | None]
    can: Callable[[Tasks], bool]


def grey(image: Photo) -> Float[np.ndarray, "h w"]:
    return image @ np.array(GREY) / 255


def brightness(image: Photo, labels: Labels, tasks: Tasks) -> float:  # noqa: ARG001  # as all attributes
    return float(grey(image).mean())


def sharpness(image: Photo, labels: Labels, tasks: Tasks) -> float:  # noqa: ARG001  # as all attributes
    """Mean length of the gradient, over the spread of the greys: neither brightness nor contrast counts."""
    values = grey(image)
    down, across = np.gradient(values)
    return float(np.hypot(down, across).mean() / max(values.std(), 1e-6))


def object_task(tasks: Tasks) -> Task | None:
    """The task that tells where the object is: the first one whose labels have parts."""
    return next((task for task in tasks.values() if task.parts), None)


def places(labels: Labels, tasks: Tasks) -> Float[np.ndarray, "n 2"]:
    """(x, y) of all pixels or points of the object."""
    task = object_task(tasks)
    if task is None:
        return np.zeros((0, 2))
    parts = [part for part in task.parts if part != task.background]
    return np.concatenate([task.geometry.locations(labels[task.name], part) for part in parts])


def object_size(image: Photo, labels: Labels, tasks: Tasks) -> float | None:
    """The share of the image that is not background; of points, that of the box around them."""
    found, task = places(labels, tasks), object_task(tasks)
    if not len(found) or task is None:
        return None
    area = len(found) if task.background else float(np.prod(np.ptp(found, axis=0) + 1))
    return float(area / (image.shape[0] * image.shape[1]))


def place(axis: int) -> Callable[[Photo, Labels, Tasks], float | None]:
    """The mean x (axis 0) or y (axis 1) of the object, 0 to 1 from left to right or from top to bottom."""

    def measure(image: Photo, labels: Labels, tasks: Tasks) -> float | None:
        found = places(labels, tasks)
        return float((found[:, axis].mean() + 0.5) / image.shape[1 - axis]) if len(found) else None

    return measure


def normals_of(labels: Labels, tasks: Tasks) -> Float[np.ndarray, "h w 3"] | None:
    """Unit vectors, 0 where not known; of labels that have them or depth."""
    if "normals" in tasks:
        return vectors(labels["normals"])
    return from_depth(labels["depth"], 1.0) if "depth" in tasks else None


def light(axis: int) -> Callable[[Photo, Labels, Tasks], float | None]:
    """Where the light comes from: x (right, axis 0) or y (up, axis 1) of the unit vector to it.

    Lambert's law, grey = a·n + b, is solved for a over the known pixels of the object by least squares.
    """

    def measure(image: Photo, labels: Labels, tasks: Tasks) -> float | None:
        normals = normals_of(labels, tasks)
        if normals is None:
            return None
        known = (normals != 0).any(-1)
        task = object_task(tasks)
        if task is not None and task.background:
            spots = np.rint(places(labels, tasks)).astype(int)
            seen = np.zeros_like(known)
            seen[spots[:, 1], spots[:, 0]] = True
            known &= seen
        if known.sum() < KNOWN:
            return None
        terms = np.column_stack([normals[known], np.ones(int(known.sum()))])
        direction = np.linalg.lstsq(terms, grey(image)[known], rcond=None)[0][:3]
        length = float(np.linalg.norm(direction))
        return float(direction[axis] / length) if length > 0 else None

    return measure


def turn(image: Photo, labels: Labels, tasks: Tasks) -> float | None:  # noqa: ARG001  # as all attributes
    """How far the points without a partner in the mirror lie beside the middle of those with one, in their distance.

    0 from the front, positive when the object is turned to the image's right. It grows with the yaw and is no angle.
    """
    task = tasks["keypoints"]
    points, pairs = labels["keypoints"], task.schema["mirror"] or []
    paired = {index for pair in pairs for index in pair}
    alone = [index for index in range(len(points)) if index not in paired and points[index, 2] > 0]
    seen = [pair for pair in pairs if (points[pair, 2] > 0).all()]
    if not alone or not seen:
        return None
    ends = points[np.array(seen), 0]
    apart = float(np.abs(ends[:, 0] - ends[:, 1]).mean())
    return float(points[alone, 0].mean() - ends.mean()) / apart if apart > 0 else None


def always(tasks: Tasks) -> bool:  # noqa: ARG001  # as `Attribute.can`
    return True


def has_object(tasks: Tasks) -> bool:
    return object_task(tasks) is not None


def has_surface(tasks: Tasks) -> bool:
    return bool({"normals", "depth"} & tasks.keys())


def has_pairs(tasks: Tasks) -> bool:
    return "keypoints" in tasks and bool(tasks["keypoints"].schema["mirror"])


ATTRIBUTES = {
    "brightness": Attribute("mean grey, 0 to 1", brightness, always),
    "sharpness": Attribute("mean gradient over the spread of the greys, per pixel", sharpness, always),
    "size": Attribute("share of the image that the object fills", object_size, has_object),
    "x": Attribute("centre of the object from left to right, 0 to 1", place(0), has_object),
    "y": Attribute("centre of the object from top to bottom, 0 to 1", place(1), has_object),
    "light_x": Attribute("x of the unit vector to the light, -1 (left) to 1", light(0), has_surface),
    "light_y": Attribute("y of the unit vector to the light, -1 (below) to 1", light(1), has_surface),
    "turn": Attribute("how far the object is turned to the right, 0 from the front", turn, has_pairs),
}


def available(tasks: Tasks) -> list[str]:
    """The attributes that labels of these tasks tell."""
    return [name for name, attribute in ATTRIBUTES.items() if attribute.can(tasks)]


def describe(image: Photo, labels: Labels, tasks: Tasks, names: Collection[str], *, measures: bool) -> Numbers:
    """The numbers of one image, for its record.

    Args:
        image: RGB.
        labels: task → its label.
        tasks: of the labels.
        names: of the attributes that are wanted.
        measures: whether the attributes also have what `Scores.measures` says of every label.

    Returns:
        `shows` {task: {part: share of the pixels, or 1 for a point}} and, where any are known, `attributes`.
    """
    found: dict[str, Any] = {"shows": {name: tasks[name].scores.shows(label) for name, label in labels.items()}}
    told = {name: ATTRIBUTES[name].measure(image, labels, tasks) for name in names}
    known = {name: round(value, 6) for name, value in told.items() if value is not None}
    if measures:
        for name, label in labels.items():
            known |= tasks[name].scores.measures(label)
    return {**found, "attributes": known} if known else found
