"""Latents of several batches in one: photos that were inverted, and samples that were drawn."""

import torch

from handsoff.generators.latents import RESIDUAL, UNKNOWN, Latents, join_latents


def batch(count: int, condition: torch.Tensor | None = None, residual: torch.Tensor | None = None) -> Latents:
    tensors = {"ws": torch.randn(count, 3, 2)}
    return Latents(tensors if residual is None else {**tensors, RESIDUAL: residual}, condition)


def test_batches_that_are_alike_are_joined_as_they_are() -> None:
    parts = [batch(n, torch.arange(n), torch.randn(n, 2, 4, 4)) for n in (2, 3)]
    joined = join_latents(parts)
    assert list(joined.tensors) == ["ws", RESIDUAL]
    for name, values in joined.tensors.items():
        assert torch.equal(values, torch.cat([part.tensors[name] for part in parts]))
    assert joined.condition is not None
    assert joined.condition.tolist() == [0, 1, 0, 1, 2]
    plain = join_latents([batch(2), batch(1)])
    assert (list(plain.tensors), plain.condition, len(plain)) == (["ws"], None, 3)


def test_what_has_no_residual_gets_one_of_zeros() -> None:
    residual = torch.randn(2, 5, 4, 4)
    for parts in ([batch(2, residual=residual), batch(3)], [batch(3), batch(2, residual=residual)]):
        joined = join_latents(parts)
        first = RESIDUAL in parts[0].tensors
        assert joined.tensors[RESIDUAL].shape == (5, 5, 4, 4)
        assert torch.equal(joined.tensors[RESIDUAL][:2] if first else joined.tensors[RESIDUAL][3:], residual)
        assert not joined.tensors[RESIDUAL][2:].any() if first else not joined.tensors[RESIDUAL][:3].any()


def test_of_what_has_no_condition_none_is_known() -> None:
    classes = join_latents([batch(2), batch(2, torch.tensor([1, 0])), batch(1)]).condition
    assert classes is not None
    assert not classes.is_floating_point()
    assert classes.tolist() == [UNKNOWN, UNKNOWN, 1, 0, UNKNOWN]
    attributes = join_latents([batch(1, torch.tensor([[0.5, 2.0]])), batch(2)]).condition
    assert attributes is not None
    assert attributes[0].tolist() == [0.5, 2.0]
    assert attributes[1:].isnan().all()
    assert attributes.shape == (3, 2)
