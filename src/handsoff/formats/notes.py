"""Sentences about what a reader left out or took in a way that is not certain, with numbers: `Dataset.notes`."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from handsoff.core.images import IMAGE_SUFFIXES
from handsoff.datasets.sources import Source
from handsoff.formats.samples import without_suffix

CONTACT = "contact.png"  # what `convert` draws beside its manifest
MANY = {"{is}": "are", "{has}": "have", "{says}": "say", "{s}": "s"}
ONE = {"{is}": "is", "{has}": "has", "{says}": "says", "{s}": ""}


def counted(where: object, count: int, sentence: str, thing: str = "object") -> list[str]:
    """[WHERE: 3 objects SENTENCE.], where {is} and {has} take the number of the count; nothing for 0."""
    if not count:
        return []
    text = f"{{s}} {sentence}"
    for verb, form in (ONE if count == 1 else MANY).items():
        text = text.replace(verb, form)
    return [f"{where}: {count:,} {thing}{text}."]


def boxes_note(where: object, count: int) -> list[str]:
    """What to tell of objects that are only boxes."""
    ending = "what no region covers there is ignored (255), neither object nor background; draw outlines to use it"
    return counted(where, count, f"{{has}} only a box: {ending}")


def unused_images(source: Source, used: Iterable[str]) -> list[str]:
    """Images of which the annotations say nothing; HandsOff's own contact sheet is none."""
    taken = {*used, CONTACT} if "manifest.json" in source.sizes else set(used)
    images = (file for file in source.sizes if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES)
    rest = [file for file in images if file not in taken]
    example = f"the first is {rest[0]}" if rest else ""
    return counted(source.path, len(rest), f"{{is}} not in the annotations, and left out ({example})", "image")


def unicode_note(where: object, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names that annotations (first of each pair) store in another Unicode form than the files (second)."""
    count = sum(differs(asked, file) for asked, file in pairs)
    return counted(
        where, count, "{is} stored in another Unicode form (NFC, NFD) than the file's name, and matched", "name"
    )


def differs(asked: str, file: str) -> bool:
    """Whether the last parts of two paths are the same text in different Unicode forms."""
    one, other = (without_suffix(PurePosixPath(path).name) for path in (asked, file))
    return one != other and unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
