"""Views of a photo: matrices (2, 3) from positions in it to positions in a frame, pixels' edges at whole numbers."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import crop_box
from handsoff.geometry.affine import TIE, Matrix, box_matrix

Box = tuple[float, float, float, float]  # left, top, right, bottom
STRAIGHT = 1e-9  # a matrix that turns less does not turn
POINT_TIE = 1e-3  # of a pixel: points are 32-bit floats, and one on a border may be rounded to beyond it
MAX_BORDER = 4  # times a photo's longer side: no frame reaches farther beyond it


def scaled_to(frame: Frame, longer: int) -> Frame:
    """The frame of the same shape whose longer side is `longer` pixels.

    >>> scaled_to((256, 192), 64)
    (64, 48)
    """
    scale = longer / max(frame)
    return max(1, round(frame[0] * scale)), max(1, round(frame[1] * scale))


def after(second: Matrix, first: Matrix) -> Matrix:
    """The matrix of doing `first`, then `second`."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def fitting(region: Box, frame: Frame, framing: Framing) -> Matrix:
    """The matrix that brings a region of a photo into the frame.

    crop cuts the region to the frame's shape, stretch squashes it, pad and letterbox show all of it and what is around.
    """
    left, top, right, bottom = region
    if framing == "stretch":
        return box_matrix(region, frame)
    across, down = (right - left) / frame[1], (bottom - top) / frame[0]
    if framing == "crop" and all(value == int(value) for value in region):
        cut = crop_box((int(bottom - top), int(right - left)), frame)
        return box_matrix((left + cut[0], top + cut[1], left + cut[2], top + cut[3]), frame)
    size = min(across, down) if framing == "crop" else max(across, down)
    x, y = (left + right) / 2, (top + bottom) / 2
    half = size * frame[1] / 2, size * frame[0] / 2
    return box_matrix((x - half[0], y - half[1], x + half[0], y + half[1]), frame)


def warped(
    image: UInt8[np.ndarray, "h w 3"], matrix: Matrix, frame: Frame, limit: Box | None
) -> UInt8[np.ndarray, "fh fw 3"]:
    """The photo in the frame, smoothly resized; beyond `limit` black, beyond the photo its edge goes on."""
    if np.abs(matrix[[0, 1], [1, 0]]).max() > STRAIGHT or matrix[0, 0] < 0:
        image, matrix = upright(image, matrix)
    across, down = matrix[0, 0], matrix[1, 1]
    corners = (
        -matrix[0, 2] / across,
        -matrix[1, 2] / down,
        (frame[1] - matrix[0, 2]) / across,
        (frame[0] - matrix[1, 2]) / down,
    )
    box = [round(float(value), 9) for value in corners]  # whole numbers come out whole
    height, width = image.shape[:2]
    border = [max(0, math.ceil(value)) for value in (-box[1], box[3] - height, -box[0], box[2] - width)]
    if max(border) > MAX_BORDER * max(height, width):
        raise InputError("A photo is framed by places far outside of it: correct align, around or margin.")
    if max(border):
        image = np.pad(image, ((border[0], border[1]), (border[2], border[3]), (0, 0)), mode="edge")
    inner = (box[0] + border[2], box[1] + border[0], box[2] + border[2], box[3] + border[0])
    found = np.asarray(
        Image.fromarray(image).resize(
            (frame[1], frame[0]), Image.Resampling.LANCZOS, box=clipped(inner, image.shape[1], image.shape[0])
        )
    )
    return found if limit is None else np.where(Visible(matrix, limit, frame).pixels()[..., None], found, np.uint8(0))


def clipped(box: Box, width: int, height: int) -> Box:
    """The same box without what rounding put outside."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))


def upright(image: UInt8[np.ndarray, "h w 3"], matrix: Matrix) -> tuple[UInt8[np.ndarray, "nh nw 3"], Matrix]:
    """The photo turned as the matrix turns it, at its own scale, and the matrix that is left to do."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    turn = matrix[:, :2] / scale
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ turn.T
    low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
    back = np.linalg.inv(turn)
    rest = back @ low
    border = max(height, width)  # the edge goes on beyond the photo here too
    padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
    values = (back[0, 0], back[0, 1], rest[0] + border, back[1, 0], back[1, 1], rest[1] + border)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    turned = Image.fromarray(padded).transform(size, Image.Transform.AFFINE, values, Image.Resampling.BICUBIC)
    return np.asarray(turned), np.column_stack([np.eye(2) * scale, matrix[:, 2] + scale * low])


@dataclass(frozen=True)
class Visible:
    """Which part of a frame shows the part `limit` of a photo; elsewhere are bars.

    Attributes:
        matrix: photo → frame.
        limit: in the photo; what lies on its border is inside.
        frame: (H, W) of the frame.
    """

    matrix: Matrix
    limit: Box
    frame: Frame

    @classmethod
    def of_box(cls, box: Box, frame: Frame) -> "Visible":
        """The part of the frame within a box of it."""
        return cls(np.eye(2, 3), box, frame)

    def pixels(self) -> Bool[np.ndarray, "h w"]:
        """The frame's pixels whose centres lie in that part; a centre on the right or lower border does not."""
        y, x = np.mgrid[: self.frame[0], : self.frame[1]] + 0.5
        across, down = self.back(np.stack([x, y], -1))
        left, top, right, bottom = self.limit
        across, down = across + TIE, down + TIE
        return (across >= left) & (across < right) & (down >= top) & (down < bottom)

    def shows(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Which points (x, y) of the frame lie in that part or on its border; the first pixel's centre is (0, 0)."""
        across, down = self.back(points.astype(np.float64) + 0.5)
        left, top, right, bottom = self.limit
        slack = POINT_TIE / np.sqrt(abs(np.linalg.det(self.matrix[:, :2])))  # in the photo's pixels
        inside = (across >= left - slack) & (across <= right + slack) & (down >= top - slack) & (down <= bottom + slack)
        return np.asarray(inside)

    def back(self, places: Float[np.ndarray, "*n 2"]) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
        """Where places of the frame are in the photo: across, down."""
        found = (places - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T
        return found[..., 0], found[..., 1]
