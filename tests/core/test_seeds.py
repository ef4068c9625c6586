"""Random numbers that depend on nothing but their seed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handsoff.core.errors import InputError
from handsoff.core.seeds import standard_normal, step_generator, whole


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6), st.integers(1, 20))
def test_latents_do_not_depend_on_their_company(seeds: list[int], dim: int) -> None:
    together = standard_normal(seeds, dim)
    alone = torch.cat([standard_normal([seed], dim) for seed in seeds])
    assert torch.equal(together, alone)


def test_latents_are_standard_normal_and_differ() -> None:
    z = standard_normal(range(500), 64)
    assert abs(float(z.mean())) < 0.02
    assert abs(float(z.std()) - 1) < 0.02
    assert len(torch.unique(z[:, 0])) == 500


def test_seeds_of_any_library_are_taken_and_nothing_else() -> None:
    assert [whole(seed) for seed in (3, np.int64(3), torch.tensor(3))] == [3, 3, 3]
    for seed in (-1, 0.5, "1", None):
        with pytest.raises(InputError, match="is no seed: give whole numbers from 0 on"):
            whole(seed)
    with pytest.raises(InputError, match="nothing to draw: give at least one seed"):
        standard_normal([], 3)


def test_every_step_and_process_has_its_own_stream() -> None:
    drawn = {
        float(torch.rand((), generator=step_generator(*key))) for key in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    }
    assert len(drawn) == 4
    assert torch.equal(torch.rand(3, generator=step_generator(5, 6)), torch.rand(3, generator=step_generator(5, 6)))
