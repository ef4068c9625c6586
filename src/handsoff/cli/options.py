"""Settings on the command line: what `--help` lists, and what `--set NAME=VALUE` means."""

import json
import textwrap
import tomllib
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from handsoff.core.errors import InputError
from handsoff.engines.choice import EngineSettings
from handsoff.recipes.errors import checked
from handsoff.verbs import VERBS

WIDTH, INDENT = 92, "      "
M = TypeVar("M", bound=BaseModel)
OF_ENGINE = ("address",)  # settings of the engine that have no option of their own


def listing(verb: str) -> str:
    """All settings of a verb, for the end of its help: each as `--set` takes it, and what it means."""
    lines = ["\b", "Settings for --set, with their defaults:"]
    fields = dict(VERBS[verb].settings.model_fields)
    if VERBS[verb].shards:
        fields |= {name: EngineSettings.model_fields[name] for name in OF_ENGINE}
    for name, field in fields.items():
        lines.append(f"  {name}{shown_default(field)}")
        lines += textwrap.wrap(meaning(field), WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return "\n".join(lines)


def shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return " (needed)"
    default = field.get_default(call_default_factory=True)
    return "" if default is None else f" = {toml(default)}"


def meaning(field: FieldInfo) -> str:
    """The description of a setting as a sentence, and what can be chosen where the sentence does not say it."""
    text = field.description or ""
    sentence = f"{text[:1].upper()}{text[1:]}".rstrip(".") + "." if text else ""
    names = literals(field)
    listed = "" if not names or all(name in text for name in names) else f"One of {', '.join(names)}."
    return " ".join(filter(None, (sentence, listed)))


def literals(field: FieldInfo) -> tuple[str, ...]:
    """The choices of a setting that is one of some words."""
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def about(verb: str, name: str) -> str:
    """What `--help` says of a setting that has an option of its own."""
    field = VERBS[verb].settings.model_fields[name]
    return f"{meaning(field)} [{toml(field.default)}]"


def toml(value: Any) -> str:
    """A value as `--set` and recipes take it; text needs no quotes there, so it gets none.

    >>> toml((128, 32)), toml(True), toml("crop"), toml({"a": 0.5})
    ('[128, 32]', 'true', 'crop', "{'a' = 0.5}")
    """
    return value if isinstance(value, str) else inner_toml(value)


def inner_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"'{name}' = {inner_toml(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inner_toml, value)) + "]"
    if isinstance(value, str):
        return f"'{value}'"
    return json.dumps(value)


def settings_of(verb: str, assignments: list[str] | None, **options: object) -> BaseModel:
    """The settings of a verb from its options and its `--set`s, which count more.

    Raises:
        InputError: an unknown name or an impossible value.
    """
    if VERBS[verb].shards:
        assignments = [one for one in assignments or () if one.partition("=")[0].strip() not in OF_ENGINE]
    return validated(VERBS[verb].settings, verb, assignments, options)


def engine_of(assignments: list[str] | None, engine: str | None, workers: int | None) -> EngineSettings:
    """Which engine computes, by its options and by the `--set`s that are about it.

    Raises:
        InputError: an impossible value.
    """
    own = [one for one in assignments or () if one.partition("=")[0].strip() in OF_ENGINE]
    return validated(EngineSettings, "--engine", own, {"engine": engine, "workers": workers})


def validated(model: type[M], where: str, assignments: list[str] | None, options: Mapping[str, object]) -> M:
    """Settings from options and from `--set`s, which count more; `where` begins the sentence about a wrong one."""
    values: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for assignment in assignments or ():
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise InputError(f"--set {assignment} lacks a value: write --set NAME=VALUE.")
        field = model.model_fields.get(name)
        values[name] = text if field is not None and is_text(field.annotation) else parsed(text)
    return checked(model, values, where)


def is_text(annotation: Any) -> bool:
    """Whether a setting of this type is text, of whatever form, or left out.

    >>> is_text(Annotated[str, "a pattern"] | None), is_text(dict[str, str] | str)
    (True, False)
    """
    if get_origin(annotation) is Annotated:
        return is_text(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return all(kind is NoneType or is_text(kind) for kind in get_args(annotation))
    return annotation is str


def parsed(text: str) -> Any:
    """What TOML makes of a table or a list; all other text as it is: pydantic turns it into the setting's type."""
    if not text.startswith(("[", "{")):
        return text
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError) as error:  # not TOML, endless numbers, endless brackets
        raise InputError(f"--set …={text} is not valid TOML ({error}).") from None
    if found.keys() != {"value"}:
        raise InputError(f"--set …={text!r} says more than one value: give every setting a --set of its own.")
    return found["value"]
