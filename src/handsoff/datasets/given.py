"""Attributes that people give: a JSON of a number or a word per image, {name: {attribute: number or word}}."""

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import parse_json

LARGEST = sys.float_info.max  # whole numbers may be larger, and are none that can be computed with
GIVEN = "attributes.json"  # beside the `images/` of a labelled folder
Values = Mapping[str, Mapping[str, Any]]  # name of an image → attribute → number or word


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def read_given(file: Path) -> Any:
    """What a file holds that somebody named.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        form = '{"NAME": {"attribute": number or word}, …}'
        raise InputError(f"{file} cannot be read ({error.strerror}): name a JSON file of the form {form}.") from None
    return parse_json(data, str(file))


def check_given(found: Any, where: str, names: Collection[str]) -> Values:
    """The content of such a file, once it is known to tell every attribute of every image.

    Args:
        found: what the file holds.
        where: its path, for the sentences.
        names: of the images.

    Raises:
        InputError: it is no such table, lacks an attribute of some images, or mixes numbers and words in one.
    """
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise InputError(f'{where} is missing or no table: write {{"NAME": {{"attribute": number or word}}, …}}.')
    for attribute in dict.fromkeys(attribute for entry in found.values() for attribute in entry):
        values = {name: found.get(name, {}).get(attribute) for name in names}
        missing = [name for name, value in values.items() if not (is_number(value) or isinstance(value, str))]
        if missing:
            raise InputError(
                f"{where} has no {attribute} for {len(missing)} of {len(names)} images, the first is "
                f"{missing[0]}: give a number or a word for each."
            )
        if len({is_number(value) for value in values.values()}) > 1:
            raise InputError(f"{where}: {attribute} is a number in some images and a word in others: make it one kind.")
    return found
