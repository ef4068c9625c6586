"""Which values of a recipe say where something lies: what a result tells of it goes without them."""

from collections.abc import Mapping
from typing import Any

from handsoff.sampling.aims import LABELLED, UNLABELLED

PATHS = ("images", "generator", "diffusion", "photos", "labelled", "test")  # of data; `output` is none
TABLE_PATHS = (
    ("train", "conditions"),
    ("invert", "photos"),
    ("invert", "encoder"),
    ("generate", "attributes"),
)  # in the tables of verbs


def without_paths(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as a report stores it, without its paths."""
    tables = {
        verb: {name: value for name, value in table.items() if (verb, name) not in TABLE_PATHS}
        for verb, table in recipe.get("tables", {}).items()
    }
    aim = tables.get("generate", {}).get("aim")
    if isinstance(aim, dict) and aim.get("match") not in {LABELLED, UNLABELLED}:
        tables["generate"]["aim"] = {name: value for name, value in aim.items() if name != "match"}
    kept = {name: value for name, value in recipe.items() if name not in {*PATHS, "output"}}
    return {**kept, "tables": tables}
