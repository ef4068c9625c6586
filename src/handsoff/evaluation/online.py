"""Samples that a labeler draws while a predictor trains: new ones at every step, beside a dataset that stays as it is.

The arms `online_only` and `real_plus_online` take them (online sampling: BigDatasetGAN, Li et al. 2022). A
step's samples follow from its seeds alone, so that a run that goes on draws the same. None is dropped: there is no set
of which they could be the most uncertain ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import weights_hash
from handsoff.datasets.generated import GeneratedDataset
from handsoff.evaluation.arms import ONLINE, Arm, choose_arms
from handsoff.evaluation.data import EvaluationData
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.generators.conditions import Asked
from handsoff.jobs.folder import JOB, recorded_plan
from handsoff.labeling.labeler import CARD, Labeler, load_labeler, read_card
from handsoff.learning.data import LabelledArrays
from handsoff.learning.semi import confidence_weights
from handsoff.sampling.draws import uniform_draws
from handsoff.synthesis.samples import label_draws
from handsoff.tasks.base import PoolLabels

SEEDS = 2**31  # from the first beyond those of the dataset


@dataclass(frozen=True)
class OnlinePool:
    """Samples of a labeler by their seeds, as a pool of that many samples.

    Attributes:
        first: the first seed.
        labels: those of the fixed dataset, which show how often each class occurs.
        least: confidence below which a pixel does not count; None: all count alike.
    """

    labeler: Labeler
    first: int
    psi: float
    condition: Asked | None
    guidance: float | None
    labels: PoolLabels
    least: float | None = None

    def __len__(self) -> int:
        return SEEDS

    def take(self, index: Int64[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> LabelledArrays:
        """Draw and label the samples of these places."""
        seeds = [self.first + int(place) for place in index]
        draws = uniform_draws(self.labeler.generator.conditions, seeds, self.psi, self.condition, self.guidance)
        task, samples = self.labeler.task.name, [*label_draws([self.labeler], draws)]
        weights = None
        if self.least is not None:
            weights = np.stack([confidence_weights(sample.uncertainty[task], self.least) for sample in samples])
        images, labels = (np.stack(found) for found in zip(*((s.image, s.labels[task]) for s in samples), strict=True))
        return LabelledArrays(images, labels, (), weights, np.ones(len(images), bool))


def require_online(inputs: Inputs, arms: Sequence[Arm]) -> None:
    """Whether there is a labeler to draw from, if an arm asks for it.

    Raises:
        InputError: it is not where the dataset says.
        MismatchError: another one lies there.
    """
    if any(ONLINE in arm.shares for arm in arms):
        labeler_of(inputs)


def with_online(inputs: Inputs, data: EvaluationData, settings: EvaluateSettings) -> EvaluationData:
    """The data with samples to be drawn, where an arm asks for them: by the labeler of the only generated dataset.

    Raises:
        InputError, MismatchError: as `require_online`.
    """
    arms = choose_arms(settings, list(inputs.folders), inputs.online)
    if not any(ONLINE in arm.shares for arm in arms):
        return data
    dataset, folder = labeler_of(inputs)
    made: dict[str, Any] = recorded_plan(dataset.folder).settings
    first, labels = int(made["seed"]) + int(dataset.manifest["drawn"]), data.pools[str(inputs.online)].labels
    labeler = load_labeler(folder)
    drawn = made["psi"], made["condition"], made.get("guidance")  # datasets of before guidance do not state it
    return replace(data, online=OnlinePool(labeler, first, *drawn, labels, settings.confidence))


def labeler_of(inputs: Inputs) -> tuple[GeneratedDataset, Path]:
    """The dataset, and the folder of the labeler that made its labels of the task."""
    dataset = inputs.generated[str(inputs.online)]
    given = recorded_plan(dataset.folder).inputs
    for name, source in given.items():
        folder = Path(source["path"])
        if not name.startswith("labeler"):
            continue
        if not (folder / CARD).is_file():
            raise InputError(f"{dataset.folder} was labelled by {folder}, which is gone: leave out the online arms.")
        if read_card(folder)["task"] == inputs.task.name:
            if weights_hash(folder / CARD) != source["fingerprint"]:
                raise MismatchError(f"{folder} is another labeler than that of {dataset.folder}: generate again.")
            return dataset, folder
    raise InputError(f"{dataset.folder / JOB} names no labeler for {inputs.task.name}: leave out the online arms.")
