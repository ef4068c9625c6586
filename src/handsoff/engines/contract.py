"""What every engine does: one function over many shards."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

S = TypeVar("S")  # a shard
C = TypeVar("C")  # the context
R = TypeVar("R")  # a result


@runtime_checkable
class Engine(Protocol):
    """Computes shards, wherever and in whatever order; the results come in the order of the shards.

    A shard and the context, which is the same for all shards, are small picklable data: folders and settings. The
    function is found by its name in its module. It loads what it needs once per worker (`functools.lru_cache`), writes
    its result to a file whose name follows from the shard, under a temporary name first, and returns something small
    such as that file's path. A shard that is computed twice gives the same bytes, so an engine may repeat it.
    """

    def map(self, function: Callable[[S, C], R], shards: Iterable[S], context: C) -> Iterator[R]:
        """`function(shard, context)` of every shard. What the function raises is raised here."""
        ...
