"""A sample is its seed: the same seed gives the same numbers whatever the batch, the worker or the order."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def latents(seeds: Iterable[int], dim: int) -> Float[Tensor, "n dim"]:
    """Standard normal z, one row per seed, each from a generator of its own (cf. EDM's stacked generators)."""
    rows = [np.random.default_rng(seed).standard_normal(dim, dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def step_generator(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """The random stream of one training step, so that a resumed run draws what an uninterrupted one would."""
    state = np.random.SeedSequence((seed, step, stream)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
