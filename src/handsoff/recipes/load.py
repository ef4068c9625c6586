"""A recipe's TOML file → `Recipe`."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handsoff.core.errors import InputError
from handsoff.inspection.paths import PATHS, TABLE_PATHS
from handsoff.recipes.errors import explained, unknown
from handsoff.recipes.schema import Recipe, stated_settings
from handsoff.sampling.aims import LABELLED, UNLABELLED, read_text
from handsoff.verbs import VERBS, Verb


def load_recipe(path: Path, output: Path | None = None) -> Recipe:
    """Read a recipe; `output` takes the place of the recipe's own.

    Raises:
        InputError: it is missing, not TOML, or says something that cannot be.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a recipe, a TOML file such as recipes/faces.toml.") from None
    except (OSError, ValueError, RecursionError) as error:  # not TOML, not UTF-8, endless numbers, endless brackets
        raise InputError(f"{path} is not a readable TOML recipe ({error}).") from None
    known = Recipe.model_fields.keys() - {"tables"} | VERBS.keys() | {"budget"}
    for name in values:
        if name not in known:
            raise unknown(name, sorted(known), str(path))
    unfold(path, values)
    given = values.get("generator") is not None
    tables = {
        name: read_table(path, verb, values.pop(name), given=given) for name, verb in VERBS.items() if name in values
    }
    refuse_no_paths(path, values, tables)
    paths_beside(path, tables)
    if output is not None:
        values["output"] = output
    try:
        recipe = Recipe(**values, tables=tables)
    except ValidationError as error:
        raise explained(error, Recipe, str(path)) from None
    if (recipe.images is None) == (recipe.generator is None):
        raise InputError(
            f"{path}: give either images (a folder or zip to train a generator on) or generator (one made earlier)."
        )
    return recipe.model_copy(
        update={name: path.parent / value for name in PATHS if (value := getattr(recipe, name)) is not None}
    )


def refuse_no_paths(path: Path, values: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse empty text for a path: it would be the recipe's own folder, with all that lies there.

    Raises:
        InputError: there is such, or text that no path can have.
    """
    said = {name: values.get(name) for name in (*PATHS, "output")}
    said |= {f"[{verb}] {name}": tables.get(verb, {}).get(name) for verb, name in TABLE_PATHS}
    for name, value in said.items():
        if isinstance(value, str) and (not value or "\0" in value):
            raise InputError(f"{path}: {name} = {value!r} is no path: name a file or folder, or leave the line out.")


def paths_beside(path: Path, tables: dict[str, dict[str, Any]]) -> None:
    """Files and folders that tables name are relative to the recipe's folder, as all others."""
    for verb, name in TABLE_PATHS:
        if tables.get(verb, {}).get(name) is not None:
            tables[verb][name] = str(path.parent / tables[verb][name])
    aim = tables.get("generate", {}).get("aim")
    if isinstance(aim, str):
        with suppress(ValueError):  # what is no aim is refused with the other settings
            aim = read_text(aim)
    if isinstance(aim, dict) and aim.get("match") not in {None, LABELLED, UNLABELLED}:
        tables["generate"]["aim"] = {**aim, "match": str(path.parent / aim["match"])}


def unfold(path: Path, values: dict[str, Any]) -> None:
    """One budget or one task may be written without the list around it."""
    if "budget" in values and "budgets" in values:
        raise InputError(f"{path}: budget and budgets say the same thing, keep one of them.")
    if "budget" in values:
        values["budgets"] = values.pop("budget")
    for name, kind in (("budgets", int), ("tasks", str)):
        if isinstance(values.get(name), kind):
            values[name] = [values[name]]


def read_table(path: Path, verb: Verb, table: Any, *, given: bool) -> dict[str, Any]:
    """What a recipe says in the table of a verb: values that its settings accept, and none that a recipe owns.

    Args:
        path: the recipe, for messages.
        verb: whose table it is.
        table: what it says.
        given: whether the recipe names a generator, which has its frame already.

    Raises:
        InputError: something else.
    """
    if not isinstance(table, dict):
        raise InputError(f"{path}: {verb.name} = {table} cannot be: write a table, [{verb.name}].")
    for name, owner in verb.owned.items():
        if name in table and name == "frame" and given:
            raise InputError(f"{path}: [{verb.name}] frame follows from the generator in a recipe, leave it out.")
        if name in table:
            raise InputError(f"{path}: [{verb.name}] {name} follows from {owner} in a recipe, set that.")
    fields = verb.settings.model_fields
    texts = {name for name, value in table.items() if name in fields and fields[name].annotation is str}
    table = {name: str(value) if name in texts else value for name, value in table.items()}  # resolution = 64
    try:
        stated_settings(verb.name, table)
    except ValidationError as error:
        raise explained(error, verb.settings, f"{path}: [{verb.name}]") from None
    return table
