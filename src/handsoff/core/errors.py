"""The errors a user can cause and can mend: each message is one clear sentence."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class HandsOffError(Exception):
    """Bad input or a bad circumstance: which file, what is wrong, what to do. The CLI prints it and exits 2."""


class InputError(HandsOffError):
    """A file or folder the user gave cannot be used as it is."""


class UselessError(InputError):
    """Input that turned out to be of no use after work began: what was made of it is of none either, and goes."""


class BrokenImageError(InputError):
    """One file that claims to be an image and is not; readers of many images count and skip it."""


class MismatchError(HandsOffError):
    """Two inputs that do not belong together, such as a labeler and another generator."""


class UnknownNameError(HandsOffError):
    """A name that is in no registry; the message lists the choices, the nearest one first."""

    def __init__(self, kind: str, name: str, choices: Iterable[object], also: Mapping[str, str] | None = None) -> None:
        """`also`: other names, in lower case → what that choice is called here."""
        listed = sorted(map(str, choices))
        meant = nearest(name, listed, also)
        super().__init__(f"Unknown {kind} {name!r}: {meant}choose one of {', '.join(listed)}.")


def nearest(name: str, choices: Iterable[str], also: Mapping[str, str] | None = None) -> str:
    """A question after the choice that was probably meant, ending in a space; "" where none is near.

    >>> nearest("labeled", ["labelled", "output"]), nearest("voc", ["coco"], {"voc": "cvat"}), nearest("x", ["coco"])
    ('did you mean labelled? ', 'did you mean cvat? ', '')
    """
    known = {**{choice.lower(): choice for choice in choices}, **(also or {})}
    found = get_close_matches(name.lower(), known, n=1, cutoff=0.7)
    return f"did you mean {known[found[0]]}? " if found else ""
