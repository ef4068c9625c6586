"""Results in the order of the shards, from a pool of workers that compute them in any order."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

R_co = TypeVar("R_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)
S = TypeVar("S")
R = TypeVar("R")
AHEAD = 4  # shards per worker that may be begun while an earlier one is not done: this bounds memory and lost work


@runtime_checkable
class Pool(Protocol[S_contra, R_co]):
    """Workers that compute shards.

    Attributes:
        size: how many shards it computes at once.
    """

    size: int

    def begin(self, number: int, shard: S_contra) -> None:
        """Have a free worker compute a shard."""
        ...

    def finished(self) -> Iterable[tuple[int, R_co]]:
        """Wait a moment; the shards that are done by then, perhaps none: number and result of each."""
        ...

    def end(self) -> None:
        """Give up what is being computed."""
        ...


def in_order(pool: Pool[S, R], shards: Iterable[S]) -> Iterator[R]:
    """The result of every shard; a shard is begun only when it is at most `AHEAD` per worker before its turn."""
    numbered = enumerate(shards)
    done: dict[int, R] = {}
    begun = running = turn = 0
    more = True
    try:
        while True:
            while more and running < pool.size and begun < turn + AHEAD * pool.size:
                following = next(numbered, None)
                if following is None:
                    more = False
                else:
                    pool.begin(*following)
                    begun, running = begun + 1, running + 1
            if turn in done:
                yield done.pop(turn)
                turn += 1
            elif not running:
                return
            else:
                for number, result in pool.finished():
                    done[number] = result
                    running -= 1
    finally:
        pool.end()
