"""What is wrong with settings, in one readable sentence."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from handsoff.core.errors import InputError, nearest
from handsoff.core.settings import stated

M = TypeVar("M", bound=BaseModel)

NOTATION = {  # what pydantic calls wrong → how the right thing is written, in a recipe and after --set
    "tuple_type": "write a list in brackets, such as [1, 2] or ['a', 'b']",
    "list_type": "write a list in brackets, such as [1, 2] or ['a', 'b']",
    "dict_type": "write a table in braces, such as {'a' = 'b'}",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "finite_number": "write a finite number",
    "string_type": "write text in quotes",
}
LONGEST = 80  # characters of a value that are worth repeating


def checked(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Settings that somebody states for one verb; in a recipe other steps may look at them (`runner.unused`).

    Args:
        model: their type.
        values: those that are stated.
        where: what the sentence about a wrong one begins with.

    Raises:
        InputError: one has an impossible value, or says nothing beside the others.
    """
    try:
        made = model(**values)
    except ValidationError as error:
        raise explained(error, model, where) from None
    idle: dict[str, str] = getattr(made, "idle", {})
    for name in stated(made, idle):
        raise InputError(f"{where}: {name} says nothing, for {idle[name]}: leave it out.")
    return made


def explained(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """The first thing that is wrong; a name that is no setting comes with the choices.

    Args:
        error: what validating `model` raised.
        model: settings or a recipe.
        where: the file, table or verb that the sentence begins with.
    """
    first = error.errors()[0]
    *outer, name = [str(part) for part in first["loc"] if part != "[key]"] or [""]
    if not outer and first["type"] == "extra_forbidden":
        return unknown(name, sorted(model.model_fields), where)
    if not outer and first["type"] == "missing":
        return InputError(f"{where} lacks {name}: {model.model_fields[name].description}.")
    if not first["loc"]:  # of several settings together: the sentence names them
        return InputError(f"{where}: {reason(first)}.")
    said = "" if first["type"] == "missing" else f" = {shortened(first['input'])}"
    return InputError(f"{where}: {'.'.join([*outer, name])}{said} cannot be: {reason(first)}.")


def reason(found: Any) -> str:
    """What is wrong with a value, or how to write it."""
    if found["type"] in NOTATION:
        return NOTATION[found["type"]]
    if found["type"] == "literal_error":
        names = found["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{nearest(str(found['input']), names)}choose one of {', '.join(names)}"
    message = found["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{message[:1].lower()}{message[1:]}"


def shortened(value: object) -> str:
    """The value as it was given, cut where it is long."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 3 * LONGEST:
        return "a number of that many digits"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def unknown(name: str, choices: Collection[str], where: str) -> InputError:
    """The sentence for a name that is no setting."""
    return InputError(f"{where} has no setting {name!r}: {nearest(name, choices)}choose one of {', '.join(choices)}.")
