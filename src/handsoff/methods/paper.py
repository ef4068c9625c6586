"""HandsOff in the paper's plain form (Xu et al., CVPR 2023): the same steps as the default, with its own settings."""

from collections.abc import Iterator

from handsoff.methods import handsoff
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step

SETTINGS: Tables = {
    "invert": {"encoder_steps": 0, "prior": 0.0},
    "fit": {"features": ["generator"], "balance": 0.0, "networks": 0},
    "generate": {"strata": "none"},
}


def steps(recipe: Recipe) -> Iterator[Step]:
    """As the default without labelled photos, and with `SETTINGS` wherever the recipe itself says nothing."""
    yield from handsoff.steps(recipe.with_defaults(SETTINGS), photos=False)
