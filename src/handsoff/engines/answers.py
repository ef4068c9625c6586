"""What a worker sends back: the result of a shard, or why there is none."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.engines.contract import C, R, S

KINDS = (InputError, MismatchError, HandsOffError)  # of errors that a user can mend
SHOWN = 100  # letters of a shard's name


@dataclass(frozen=True)
class Failure:
    """An exception as plain data, since not every exception survives pickling.

    Attributes:
        kind: what is raised by whoever asked for the shard.
        sentence: its message.
        trace: where it was raised, "" where the user can mend it.
    """

    kind: type[HandsOffError]
    sentence: str
    trace: str = ""


def answer(function: Callable[[S, C], R], shard: S, context: C) -> R | Failure:
    """What the function returns, or why it does not; for the worker."""
    try:
        return function(shard, context)
    except HandsOffError as error:
        return Failure(next(kind for kind in KINDS if isinstance(error, kind)), str(error))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told where the shard was asked for
        return Failure(HandsOffError, f"{type(error).__name__}: {error}", traceback.format_exc())


def result(found: R | Failure, shard: object) -> R:
    """The result in an answer; for whoever asked.

    Raises:
        HandsOffError: there is none. The sentence names the shard; a note says where a bug was raised.
    """
    if not isinstance(found, Failure):
        return found
    if not found.trace:
        raise found.kind(f"{named(shard)}: {found.sentence}")
    error = HandsOffError(
        f"{named(shard)} failed in a worker ({found.sentence}): --engine local shows where this comes from."
    )
    error.add_note(found.trace)
    raise error


def lost(shard: object, times: int, how: str) -> HandsOffError:
    """The error for a shard whose workers died."""
    return HandsOffError(
        f"{named(shard)} ended its worker {times} times ({how}), as when memory is short: run the same command again "
        "with fewer --workers; it continues."
    )


def named(shard: object) -> str:
    """A shard for people.

    >>> named("photos 0 to 63")
    'photos 0 to 63'
    """
    text = str(shard)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
