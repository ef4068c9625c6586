"""Photos of any shape in the generator's frame (cropped, letterboxed, cut around objects, or aligned), and back again.

What was done to an image is one matrix (`geometry.affine`), kept in `samples.jsonl`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.framing import placed
from handsoff.formats.samples import LabelledImage
from handsoff.formats.settings import ConvertSettings
from handsoff.geometry.affine import Matrix
from handsoff.geometry.views import STRAIGHT, Box, after, fitting
from handsoff.tasks.base import Label, Task

Points = Float[np.ndarray, "n 2"]


class NothingThereError(InputError):
    """An image lacks the parts by which it is to be framed: it is left out."""


def framed(sample: LabelledImage, tasks: Mapping[str, Task], settings: ConvertSettings) -> LabelledImage:
    """The image and its labels in the frame of the settings; without a frame, as large as the visible region.

    The matrix from photo to frame is kept in `account["to_frame"]`.

    Raises:
        NothingThereError: the image lacks the parts to crop around or to align by.
    """
    frame, matrix, limit = view(sample, tasks, settings)
    image, labels = placed(sample.image, sample.labels, tasks, matrix, frame, limit)
    account = {"file": sample.file, "size": list(sample.size), "to_frame": matrix.tolist()}
    return replace(sample, image=image, labels=labels, data=b"", box=None, account={**sample.account, **account})


def view(
    sample: LabelledImage, tasks: Mapping[str, Task], settings: ConvertSettings
) -> tuple[Frame, Matrix, Box | None]:
    """The frame, the matrix from photo to frame, and the part of the photo that may be visible (None: all of it)."""
    stretch = settings.aspect if settings.aspect and sample.size[0] == sample.size[1] else 1.0
    true = np.array([[stretch, 0, 0], [0, 1, 0.0]])  # photo as stored → photo with square pixels
    if settings.align:
        if settings.size is None:
            raise InputError("align needs the size of the frame: give frame = 'HxW'.")
        return settings.size, alignment(sample, tasks, settings.align, true, settings.size), None
    left, top, right, bottom = region = shown(sample, tasks, settings, stretch)
    frame = settings.size or (max(1, round(bottom - top)), max(1, round(right - left)))
    limit = (left / stretch, top, right / stretch, bottom) if settings.framing == "letterbox" else None
    return frame, after(fitting(region, frame, settings.framing), true), limit


def restored(task: Task, label: Label, account: Mapping[str, Any], frame: Frame) -> Label:
    """A label in the frame, placed back in its photo; what the frame did not show is unlabelled.

    Args:
        task: of the label.
        label: of the size of `frame`.
        account: the sample's line in `samples.jsonl`.
        frame: (H, W) of the converted images.
    """
    matrix = np.array(account["to_frame"])
    turned = np.linalg.inv(matrix[:, :2])
    back = np.column_stack([turned, -turned @ matrix[:, 2]])
    size: Frame = (account["size"][0], account["size"][1])
    return task.geometry.place(label, back, frame, size)


def shown(sample: LabelledImage, tasks: Mapping[str, Task], settings: ConvertSettings, stretch: float) -> Box:
    """The part of the photo (with square pixels) that the frame shows."""
    height, width = sample.size
    if settings.around is None:
        return 0.0, 0.0, width * stretch, float(height)
    box = sample.box if settings.around == "box" else extent(sample, tasks, settings.around)
    if box is None:
        raise NothingThereError(f"{sample.name} has no {settings.around} to crop around.")
    left, top, right, bottom = box[0] * stretch, box[1], box[2] * stretch, box[3]
    across, down = settings.margin * (right - left), settings.margin * (bottom - top)
    inside = (
        max(left - across, 0.0),
        max(top - down, 0.0),
        min(right + across, width * stretch),
        min(bottom + down, float(height)),
    )
    if inside[2] - inside[0] < 1 or inside[3] - inside[1] < 1:
        raise NothingThereError(f"{sample.name} has no {settings.around} inside the photo.")
    return inside


def extent(sample: LabelledImage, tasks: Mapping[str, Task], around: str) -> Box | None:
    """The box around the named classes and points ("labels": around all but the background); None if there are none."""
    names = [name.strip() for name in around.split(",")]
    points = [locations(sample, tasks, name) for name in (everything(tasks) if around == "labels" else names)]
    found = np.concatenate([np.zeros((0, 2)), *points])
    if not len(found):
        return None
    (left, top), (right, bottom) = found.min(0), found.max(0)
    return float(left - 0.5), float(top - 0.5), float(right + 0.5), float(bottom + 0.5)


def everything(tasks: Mapping[str, Task]) -> list[str]:
    """All parts but the background."""
    return [part for task in tasks.values() for part in task.parts if part != task.background]


def locations(sample: LabelledImage, tasks: Mapping[str, Task], part: str) -> Points:
    """Where a part (class, point) is, in the photo: the centres of its pixels, or the point if it can be seen.

    Raises:
        InputError: no task has a class or point of this name.
    """
    found = [
        task.geometry.locations(sample.labels[name], part) + 0.5 for name, task in tasks.items() if part in task.parts
    ]
    if not found:
        raise InputError(
            f"No class and no point of the dataset is called {part!r}: "
            "correct around or align, or use 'labels' or 'box'."
        )
    return np.concatenate(found)


def alignment(
    sample: LabelledImage,
    tasks: Mapping[str, Task],
    align: Mapping[str, tuple[float, float]],
    true: Matrix,
    frame: Frame,
) -> Matrix:
    """The rotation, scale and shift that bring the anchors nearest to their targets (Umeyama 1991, without reflection).

    An anchor is the mean of its points and of the middles of its classes; its target is (across, down) as fractions of
    the frame.

    Raises:
        InputError: no class or point has the name of an anchor.
        NothingThereError: fewer than two anchors are in the image, or they coincide.
    """
    here, there = [], []
    for names, target_location in align.items():
        found = [locations(sample, tasks, name.strip()) for name in names.split(",")]
        middles = [points.mean(0) for points in found if len(points)]
        if middles:
            here.append(true[:, :2] @ np.mean(middles, 0) + true[:, 2])
            there.append(np.array(target_location) * [frame[1], frame[0]])
    source, target = np.array(here).reshape(-1, 2), np.array(there).reshape(-1, 2)
    spread = source - source.mean(0) if len(source) > 1 else np.zeros((1, 2))
    if not (spread**2).sum() > STRAIGHT:
        raise NothingThereError(f"{sample.name} shows fewer than two of the anchors it is to be aligned by.")
    # With points as complex numbers, rotation and scale are one factor.
    a, b = spread @ [1, 1j], (target - target.mean(0)) @ [1, 1j]
    factor = (a.conj() * b).sum() / (np.abs(a) ** 2).sum()
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    if not abs(factor) > STRAIGHT:
        raise NothingThereError(f"{sample.name} has anchors that no turn brings near their targets.")
    return after(np.column_stack([turn, target.mean(0) - turn @ source.mean(0)]), true)
