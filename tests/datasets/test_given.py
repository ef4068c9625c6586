"""Attributes that people give: what is no table of numbers and words is refused in a sentence."""

import pytest

from handsoff.core.errors import InputError
from handsoff.datasets.given import check_given


@pytest.mark.parametrize("value", [None, True, [1], float("nan"), float("inf"), 10**400])
def test_what_is_neither_a_number_nor_a_word_is_refused(value: object) -> None:
    assert check_given({"a": {"age": 30}, "b": {"age": 2.5}}, "attributes.json", ["a", "b"])
    with pytest.raises(InputError, match=r"attributes\.json has no age for 1 of 2 images, the first is b"):
        check_given({"a": {"age": 30}, "b": {"age": value}}, "attributes.json", ["a", "b"])
