"""The way of a photo and its labels into a frame, such as a generator's: the same for every photo that meets it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import MAX_PIXELS, Frame, Framing
from handsoff.geometry.affine import Matrix
from handsoff.geometry.views import Box, Visible, fitting, warped
from handsoff.tasks.base import Label, Task

Photo = UInt8[np.ndarray, "h w 3"]
MAX_PADDED = 4 * MAX_PIXELS  # of a photo with its borders


def frame_photo(
    image: Photo, frame: Frame, framing: Framing, name: str, *, enlarge: bool = False
) -> UInt8[np.ndarray, "fh fw 3"]:
    """A photo in the frame.

    Args:
        image: upright.
        frame: (H, W) in pixels.
        framing: crop shows the middle; letterbox shows all of it between black bars; pad the same, with the edge going
            on instead of bars; stretch squashes it.
        name: of the photo, for messages.
        enlarge: whether a photo smaller than the frame is enlarged.

    Raises:
        InputError: it would have to be enlarged, and `enlarge` is not set, or is too long to be padded.
    """
    return frame_sample(image, {}, {}, frame, framing, name, enlarge=enlarge)[0]


def frame_sample(
    image: Photo,
    labels: Mapping[str, Label],
    tasks: Mapping[str, Task],
    frame: Frame,
    framing: Framing,
    name: str,
    *,
    enlarge: bool = False,
) -> tuple[UInt8[np.ndarray, "fh fw 3"], dict[str, Label]]:
    """A photo and its labels (task → label, as `tasks` understand them) in the frame, see `frame_photo`.

    The labels say nothing where a letterbox shows bars, or the frame shows nothing of the photo.

    Raises:
        InputError: as `frame_photo`.
    """
    height, width = image.shape[:2]
    scales = frame[0] / height, frame[1] / width
    if not enlarge and (max if framing in {"crop", "stretch"} else min)(scales) > 1:
        small = f"{name} is {height}x{width} pixels, smaller than the resolution {frame[0]}x{frame[1]}"
        raise InputError(f"{small}: use larger images or a lower resolution.")
    if (height, width) == frame:
        return image, dict(labels)
    if framing in {"letterbox", "pad"} and frame[0] * frame[1] > MAX_PADDED * min(scales) ** 2:
        raise InputError(f"{name} is {height}x{width} pixels, too long to be padded: crop it or take another framing.")
    whole = (0.0, 0.0, float(width), float(height))
    limit = whole if framing == "letterbox" else None
    return placed(image, labels, tasks, fitting(whole, frame, framing), frame, limit)


def part_shown(size: Frame, frame: Frame, framing: Framing) -> Box | None:
    """The part of the frame that shows a photo of this size (left, top, right, bottom in pixels); None: all of it.

    Around it are the bars of a letterbox, or the photo's edge goes on.
    """
    if framing in {"crop", "stretch"} or size == frame:
        return None
    matrix = fitting((0.0, 0.0, float(size[1]), float(size[0])), frame, framing)
    corners = np.array([[0, 0], [size[1], size[0]]]) @ matrix[:, :2].T + matrix[:, 2]
    left, top, right, bottom = (round(float(edge), 6) for edge in corners.ravel())
    return None if (left, top, right, bottom) == (0, 0, frame[1], frame[0]) else (left, top, right, bottom)


def placed(
    image: Photo,
    labels: Mapping[str, Label],
    tasks: Mapping[str, Task],
    matrix: Matrix,
    frame: Frame,
    limit: Box | None,
) -> tuple[UInt8[np.ndarray, "fh fw 3"], dict[str, Label]]:
    """A photo and its labels after `matrix` (photo → frame); beyond `limit` (if any) nothing is shown or known."""
    size: Frame = (image.shape[0], image.shape[1])
    moved = {name: tasks[name].geometry.place(label, matrix, size, frame) for name, label in labels.items()}
    if limit is not None:
        visible = Visible(matrix, limit, frame)
        moved = {name: tasks[name].geometry.hide(label, visible) for name, label in moved.items()}
    return warped(image, matrix, frame, limit), moved
