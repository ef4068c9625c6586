"""Whole ways from images and labels to a dataset and its report, each a short list of steps. One line per method."""

from collections.abc import Callable, Iterator

from handsoff.methods import (
    bigdatasetgan,
    datasetgan,
    ddpm,
    editgan,
    frozen_features,
    handsoff,
    paper,
    self_training,
    transfer,
)
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step

METHODS: dict[str, Callable[[Recipe], Iterator[Step]]] = {
    "handsoff": handsoff.steps,
    "handsoff-paper": paper.steps,
    "datasetgan": datasetgan.steps,
    "datasetgan-control": datasetgan.control_steps,
    "editgan": editgan.steps,
    "bigdatasetgan": bigdatasetgan.steps,
    "self-training": self_training.steps,
    "transfer": transfer.steps,
    "frozen-features": frozen_features.steps,
    "ddpm-features": ddpm.features_steps,
    "datasetddpm": ddpm.dataset_steps,
    "gan-ddpm": ddpm.both_steps,
}
