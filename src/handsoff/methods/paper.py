"""HandsOff in the paper's plain form (Xu et al., CVPR 2023): the same steps as the default, with its own settings."""

from collections.abc import Iterator

from handsoff.methods import handsoff
from handsoff.recipes.schema import Recipe, Step

SETTINGS = {
    "invert": {"encoder_steps": 0, "prior": 0.0},
    "fit": {"perception": False, "balance": 0.0, "trust": 0.0, "networks": 0},
}


def steps(recipe: Recipe) -> Iterator[Step]:
    """As the default, with `SETTINGS` wherever the recipe itself says nothing."""
    yield from handsoff.steps(recipe.with_defaults(SETTINGS))
