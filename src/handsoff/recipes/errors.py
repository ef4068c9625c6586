"""What pydantic found wrong, in one readable sentence."""

from pydantic import BaseModel, ValidationError

from handsoff.core.errors import InputError


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
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    said = "" if first["type"] == "missing" else f" = {first['input']}"
    return InputError(f"{where}: {'.'.join([*outer, name])}{said} cannot be: {message[:1].lower()}{message[1:]}.")


def unknown(name: str, choices: list[str], where: str) -> InputError:
    """The sentence for a name that is no setting."""
    return InputError(f"{where} has no setting {name!r}: choose one of {', '.join(choices)}.")
