"""Sizes of images, and how they get into one: without torch, for the settings of every verb."""

from typing import Literal

MAX_PIXELS = 100_000_000  # refuse absurd declared sizes before anything is allocated

Frame = tuple[int, int]  # (H, W) in pixels
Framing = Literal["crop", "letterbox", "pad", "stretch"]


def frame_of(text: str) -> Frame:
    """'64' or '256x192' (H×W) → frame.

    Raises:
        ValueError: not of that form.
    """
    sides = [int(side) for side in text.lower().split("x")]
    height, width = sides * 2 if len(sides) == 1 else sides
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError
    return height, width
