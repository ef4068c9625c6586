"""BigDatasetGAN (Li et al. 2022, arXiv 2201.04684): a few labels per class of a class-conditional generator.

As DatasetGAN, people (here an oracle) label generated images. A convolutional head reads the feature maps and knows the
class. Beside the dataset there is an arm that draws new samples at every step.
"""

from collections.abc import Iterator

from handsoff.evaluation.arms import SYNTHETIC, default_arms, online_arms
from handsoff.methods import datasetgan
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step

SETTINGS: Tables = {"fit": {"features": ["generator"], "head": "conv", "networks": 0}}
ARMS = tuple(arm.name for arm in (*default_arms([SYNTHETIC]), *online_arms()))


def steps(recipe: Recipe) -> Iterator[Step]:
    """As DatasetGAN, with the other head, all of the generator's variety, and the arms that draw online."""
    yield from datasetgan.annotated_steps(recipe.with_defaults(SETTINGS), ARMS)
