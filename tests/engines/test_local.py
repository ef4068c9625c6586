"""The local engine: in order, one at a time, only when asked."""

import pytest

from handsoff.engines.contract import Engine
from handsoff.engines.local import LocalEngine


def test_results_come_in_order_and_nothing_is_computed_before_it_is_asked_for() -> None:
    computed: list[int] = []

    def double(shard: int, context: list[int]) -> int:
        context.append(shard)
        return 2 * shard

    results = LocalEngine().map(double, iter([3, 1, 2]), computed)
    assert computed == []
    assert next(results) == 6
    assert computed == [3]
    assert list(results) == [2, 4]
    assert computed == [3, 1, 2]


def test_what_the_function_raises_is_raised_where_the_results_are_read() -> None:
    results = LocalEngine().map(lambda shard, context: context // shard, [1, 0], 6)
    assert next(results) == 6
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_it_is_an_engine() -> None:
    assert isinstance(LocalEngine(), Engine)
