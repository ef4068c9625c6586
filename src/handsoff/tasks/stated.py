"""What a dataset's card and the user state about labels: which names there are, and where a wrong one stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from handsoff.core.errors import InputError, nearest


def stated(
    card: Mapping[str, Any] | None, where: str, options: Mapping[str, Any], known: Sequence[str], task: str
) -> dict[str, Any]:
    """What the card at `where` says, and what the user says, which counts more.

    Raises:
        InputError: one of them has a name that is not in `known`.
    """
    for said, place in ((card or {}, where), (options, said_by_user(task))):
        strange = next((name for name in said if name not in known), None)
        if strange is not None:
            raise InputError(
                f"{place} has no setting {strange!r}: {nearest(strange, known)}choose one of {', '.join(known)}."
            )
    return {**(card or {}), **options}


def said_by_user(task: str) -> str:
    """What users know their options of a task by, in a recipe and after `--set`."""
    return f"labels.{task}"


def home(name: str, where: str, options: Mapping[str, Any], task: str) -> str:
    """Where a setting is stated: among the user's options, else in the card at `where`."""
    return said_by_user(task) if name in options else where
