"""Settings of an evaluation that say nothing, or too much at once."""

import pytest

from handsoff.core.errors import InputError
from handsoff.evaluation.settings import group_of


def test_the_first_parentheses_name_the_group_and_a_name_without_a_match_is_its_own() -> None:
    assert [group_of(r"(\w+)-(\d)?", name) for name in ("ann-1", "ann-x", "bob")] == ["ann", "ann", "bob"]
    assert [group_of(r"^\w", name) for name in ("ann", "-")] == ["a", "-"]
    assert group_of(None, "ann") == "ann"


@pytest.mark.parametrize("pattern", [r"img-(\d+)?", r"id(\d+)|img", r"(\d*)"])
def test_names_are_never_one_group_because_the_expression_takes_nothing_from_them(pattern: str) -> None:
    with pytest.raises(InputError, match="matches img-x and takes nothing from it, so all such names would be one"):
        group_of(pattern, "img-x")
