"""Random numbers that depend on a seed alone, whatever the batch, the worker or the order."""

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.errors import InputError

share: ContextVar[tuple[int, int]] = ContextVar("share", default=(0, 1))  # of a batch: which, and of how many


def whole(seed: object) -> int:
    """A seed, which may be a whole number of any library.

    Raises:
        InputError: it is negative, or no whole number.
    """
    try:
        number = operator.index(seed)  # type: ignore[arg-type]  # that is what it finds out
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"{seed!r} is no seed: give whole numbers from 0 on.")
    return number


def standard_normal(seeds: Iterable[int], dim: int) -> Float[Tensor, "n dim"]:
    """Standard normal numbers, one row per seed, each from a generator of its own (cf. EDM's stacked generators).

    Raises:
        InputError: there are no seeds, or one is negative.

    >>> bool((standard_normal([7], 4) == standard_normal([3, 7], 4)[1:]).all())
    True
    """
    rows = [np.random.default_rng(whole(seed)).standard_normal(dim, dtype=np.float32) for seed in seeds]
    if not rows:
        raise InputError("There is nothing to draw: give at least one seed.")
    return torch.from_numpy(np.stack(rows))


def step_generator(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """The random stream of one training step, so that a resumed run draws what an uninterrupted one would."""
    state = np.random.SeedSequence((seed, step, stream)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


@contextmanager
def share_of_batch(rank: int, world: int) -> Iterator[None]:
    """Within, this process has the `rank`th of `world` equal shares of every batch, see `per_sample`."""
    token = share.set((rank, world))
    try:
        yield
    finally:
        share.reset(token)


def per_sample(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """Random numbers for `count` samples of a batch: they are drawn for the whole batch, and those of this share kept.

    So a sample gets the same numbers however many processes there are, as long as all have the same stream.

    Args:
        draw: gives the numbers of so many samples, the sample axis first.
        count: samples of this process's share.
    """
    rank, world = share.get()
    return draw(count * world)[rank * count : (rank + 1) * count]


@contextmanager
def seeded(seed: int | torch.Generator) -> Iterator[None]:
    """What layers draw by themselves (first weights, dropout) comes from `seed`; torch's own stream stays as it was."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed if isinstance(seed, int) else seed.initial_seed())
        yield
