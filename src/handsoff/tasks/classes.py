"""Classes as datasets state them: their names, and tables that merge them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE

MAX_LISTED = 20  # class names in a sentence
Merge = Mapping[str, str]  # {"left_eye,right_eye": "eye", …}: names in the dataset (comma separated) → your name


def class_names(card: object, where: str) -> tuple[str, ...]:
    """The names in `classes.json`.

    Raises:
        InputError: it is missing, or not a list of 1 to 255 different names.
    """
    remedy = 'write a JSON list of class names, position = id, such as ["background", "skin"].'
    if card is None:
        raise InputError(f"{where} is missing: {remedy}")
    if not isinstance(card, list) or not all(isinstance(name, str) and name.strip() for name in card):
        raise InputError(f"{where} is not a list of names: {remedy}")
    if not 1 <= len(card) <= IGNORE:
        raise InputError(f"{where} has {len(card)} names, and 8-bit masks allow 1 to {IGNORE}: {remedy}")
    twice = sorted({name for name in card if card.count(name) > 1})
    if twice:
        raise InputError(f"{where} names {twice[0]!r} twice: give every class a name of its own.")
    return tuple(card)


def names_by_id(table: Any, where: str) -> list[Any]:
    """`id2label.json` of the Hugging Face hub as a list, position = id; missing ids get a name. Names are not checked.

    Raises:
        InputError: its keys are not ids of an 8-bit mask.
    """
    ids = {key for key in table if key.isdecimal() and int(key) <= IGNORE} if isinstance(table, dict) else set()
    if not ids or ids != table.keys():
        raise InputError(
            f'{where} is not a table of the ids 0 to {IGNORE} and their names: write {{"0": "background", …}}.'
        )
    names = {int(key): name for key, name in table.items() if int(key) != IGNORE}
    return [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]


def merge_table(merge: Merge, originals: Sequence[str], where: str) -> bytes:
    """Id in the dataset → id after merging, 255 for the classes that the table does not name.

    Raises:
        InputError: the table is empty, names a class that the dataset lacks, or names one twice.
    """
    targets = list(dict.fromkeys(merge.values()))
    if not targets or not all(target.strip() for target in targets):
        raise InputError(
            f'The merge table for {where} names no target class: write lines such as "left_eye,right_eye" = "eye".'
        )
    key_of: dict[str, str] = {}
    table = bytearray([IGNORE]) * 256
    for key, target in merge.items():
        for name in [key] if key in originals else [part.strip() for part in key.split(",")]:
            said = f"The merge table names the class {name!r}"
            if name not in originals:
                raise InputError(f"{said}, which {where} does not have: choose among {', '.join(originals)}.")
            if name in key_of:
                raise InputError(f"{said} twice, in {key_of[name]!r} and in {key!r}: keep it in one place.")
            key_of[name] = key
            table[originals.index(name)] = targets.index(target)
    return bytes(table)


def part_titles(parts: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], str]:
    """(Task, part) → what to call the part where all tasks stand together: TASK/PART where several have that name.

    >>> part_titles({"masks": ["nose", "skin"], "points": ["nose"]})
    {('masks', 'nose'): 'masks/nose', ('masks', 'skin'): 'skin', ('points', 'nose'): 'points/nose'}
    """
    every = [(task, part) for task, names in parts.items() for part in dict.fromkeys(names)]
    times = Counter(part for _, part in every)
    return {(task, part): part if times[part] == 1 else f"{task}/{part}" for task, part in every}


def shortened(classes: Sequence[str]) -> str:
    """The class names in a sentence, the first of them where there are many."""
    listed = ", ".join(classes[:MAX_LISTED])
    return f"{listed}, … ({len(classes)} in all)" if len(classes) > MAX_LISTED else listed
