"""One process: shard after shard, each when its result is asked for."""

from collections.abc import Callable, Iterable, Iterator

from handsoff.engines.contract import C, Engine, R, S


class LocalEngine:
    """Computes in the process that asks.

    >>> list(LocalEngine().map(lambda shard, context: shard * context, [1, 2, 3], 10))
    [10, 20, 30]
    """

    def map(self, function: Callable[[S, C], R], shards: Iterable[S], context: C) -> Iterator[R]:
        for shard in shards:
            yield function(shard, context)


LOCAL: Engine = LocalEngine()
