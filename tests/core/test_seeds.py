"""Random numbers that depend on nothing but their seed."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from handsoff.core.seeds import standard_normal, step_generator


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


def test_every_step_and_process_has_its_own_stream() -> None:
    drawn = {
        float(torch.rand((), generator=step_generator(*key))) for key in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    }
    assert len(drawn) == 4
    assert torch.equal(torch.rand(3, generator=step_generator(5, 6)), torch.rand(3, generator=step_generator(5, 6)))
