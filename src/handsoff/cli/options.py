"""Settings on the command line: what `--help` lists, and what `--set NAME=VALUE` means."""

import tomllib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from handsoff.core.errors import InputError
from handsoff.recipes.errors import explained
from handsoff.verbs import VERBS


def listing(verb: str) -> str:
    """All settings of a verb, for the end of its help."""
    lines = []
    for name, field in VERBS[verb].settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else f" [{field.default}]"
        lines.append(f"  {name}{default}{f': {field.description}' if field.description else ''}")
    return "\b\nSettings for --set, with their defaults:\n" + "\n".join(lines)


def settings_of(verb: str, assignments: list[str] | None, **options: object) -> BaseModel:
    """The settings of a verb from its options and its `--set`s, which count more.

    Raises:
        InputError: an unknown name or an impossible value.
    """
    model = VERBS[verb].settings
    values: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for assignment in assignments or ():
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise InputError(f"--set {assignment} lacks a value: write --set NAME=VALUE.")
        field = model.model_fields.get(name)
        values[name] = text if field is not None and field.annotation in (str, str | None) else parsed(text)
    try:
        return model(**values)
    except ValidationError as error:
        raise explained(error, model, verb) from None


def parsed(text: str) -> Any:
    """What TOML makes of a table or a list; all other text as it is: pydantic turns it into the setting's type."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError) as error:  # not TOML, endless numbers, endless brackets
        raise InputError(f"--set …={text} is not valid TOML ({error}).") from None
