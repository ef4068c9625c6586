"""Which classes and points change places in the mirror, by the sides in their names."""

import re
from collections.abc import Sequence

SIDE = re.compile(r"left|right|(?<![a-z0-9])[lr](?![a-z0-9])", re.IGNORECASE)  # left_eye, RightEar, eye.L, l_brow
OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}
SIDE_WORD = re.compile(r"(?:(?<![A-Za-z])(?i:left|right)|Left|Right)(?![a-z])")  # but not: bright, cleft, leftover


def mirrored_names(names: Sequence[str]) -> list[int]:
    """Position → position in the mirror: left_eye ↔ right_eye where both exist, the others stay.

    Sides are spelt left and right or l and r; upper and lower case count only where names differ in nothing else.

    >>> mirrored_names(["nose", "left_eye", "right_eye", "left_ear"])
    [0, 2, 1, 3]
    >>> mirrored_names(["Left eye", "Right Eye", "L brow", "R brow"])
    [1, 0, 3, 2]
    """
    lower = [name.lower() for name in names]
    keys = lower if len(set(lower)) == len(names) else list(names)
    place = {key: index for index, key in enumerate(keys)}
    return [place.get(SIDE.sub(opposite, key), index) for index, key in enumerate(keys)]


def opposite(side: re.Match[str]) -> str:
    return OPPOSITE.get(side.group(), side.group())


def lone_sides(names: Sequence[str]) -> list[str]:
    """The names with the word left or right that have no partner: what they are in the mirror has no name.

    >>> lone_sides(["left_eye", "right_eye", "left_ear", "bright"])
    ['left_ear']
    """
    partners = mirrored_names(names)
    return [name for index, name in enumerate(names) if partners[index] == index and SIDE_WORD.search(name)]
