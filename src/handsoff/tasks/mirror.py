"""Which classes and points change places in the mirror, by the sides in their names."""

import re
from collections.abc import Collection, Sequence

LETTER = r"(?<![a-z0-9\u00c0-\u024f])[lr](?![a-z0-9\u00c0-\u024f'\u2019])"  # eye.L, l_brow, but not: wall, Öl, l'eau
SIDE = re.compile(rf"left|right|{LETTER}", re.IGNORECASE)  # left_eye, RightEar
SIDE_LETTER = re.compile(LETTER, re.IGNORECASE)
OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l", "L": "R", "R": "L"}
SIDE_WORD = re.compile(r"(?:(?<![A-Za-z])(?i:left|right)|Left|Right)(?![a-z])")  # but not: bright, cleft, leftover
JOINED = re.compile(r"^(?:left|right)|(?:left|right)$", re.IGNORECASE)  # lefteye, EYERIGHT, where others are paired so
CAMEL = re.compile(r"(?<=[a-z])[LR](?![A-Za-z])|(?<![A-Za-z])[LR](?=[A-Z][a-z])")  # eyeL, LEye, but not: URL, LAB
JEWELLERY = {"ear_r", "neck_l"}  # CelebAMask-HQ's earring and necklace


def mirrored_names(names: Sequence[str]) -> list[int]:
    """Position → position in the mirror: left_eye ↔ right_eye where both exist, the others stay.

    Sides are spelt left and right or l and r; upper and lower case count only where names differ in nothing else, and
    where a capital is all that tells a side from a word.

    >>> mirrored_names(["nose", "left_eye", "right_eye", "left_ear"])
    [0, 2, 1, 3]
    >>> mirrored_names(["Left eye", "Right Eye", "L brow", "R brow"])
    [1, 0, 3, 2]
    >>> mirrored_names(["eyeL", "eyeR", "LBrow", "RBrow"])
    [1, 0, 3, 2]
    """
    lower = [name.lower() for name in names]
    keys = lower if len(set(lower)) == len(names) else list(names)
    place = {key: index for index, key in enumerate(keys)}
    partners = [place.get(SIDE.sub(opposite, key), index) for index, key in enumerate(keys)]
    exact = {name: index for index, name in enumerate(names) if partners[index] == index}
    return [
        exact.get(CAMEL.sub(opposite, name), index) if partner == index else partner
        for index, (name, partner) in enumerate(zip(names, partners, strict=True))
    ]


def opposite(side: re.Match[str]) -> str:
    return OPPOSITE.get(side.group(), side.group())


def lone_sides(names: Sequence[str]) -> list[str]:
    """The names with a side, in words or letters, that have no partner: what they are in the mirror has no name.

    >>> lone_sides(["left_eye", "right_eye", "left_ear", "bright"])
    ['left_ear']
    >>> lone_sides(["l_eye", "r_eye", "l_ear", "r"])
    ['l_ear']
    >>> lone_sides(["lefteye", "righteye", "leftear", "skin"])
    ['leftear']
    """
    partners, lower = mirrored_names(names), {name.lower() for name in names}
    paired = [name for index, name in enumerate(names) if partners[index] != index]
    alone = [name for index, name in enumerate(names) if partners[index] == index]
    joined = any(not SIDE_WORD.search(name) and JOINED.search(name) for name in paired)
    camel = any(CAMEL.search(name) for name in paired)
    return [
        name
        for name in alone
        if SIDE_WORD.search(name)
        or letter_is_side(name.lower(), lower)
        or (joined and JOINED.search(name))
        or (camel and CAMEL.search(name))
    ]


def letter_is_side(name: str, names: Collection[str]) -> bool:
    """Whether a name has the letter l or r for left or right; all names in lower case.

    It has not where the letter is all of it, where an l stands beside a u (l_lip and u_lip: lower and upper), and in
    CelebAMask-HQ's earring and necklace, ear_r and neck_l, unless other names end in a side.
    """
    letter = SIDE_LETTER.search(name)
    if letter is None or letter.group() == name:
        return False
    is_lower = letter.group() == "l" and f"{name[: letter.start()]}u{name[letter.end() :]}" in names
    jewels = name in JEWELLERY and {other for other in names if other.endswith(("_l", "_r"))} <= JEWELLERY
    return not (is_lower or jewels)
