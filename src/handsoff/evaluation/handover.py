"""The model that an evaluation hands over: all networks of the arm that is best on the validation part, with a card."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from handsoff.core.files import write_bytes
from handsoff.core.tensors import read_tensors
from handsoff.datasets.card import CARD
from handsoff.datasets.licences import together
from handsoff.datasets.likeness import save_seen
from handsoff.evaluation.arms import REAL, Arm
from handsoff.evaluation.data import EvaluationData
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.model_card import model_card
from handsoff.evaluation.runs import Result, weights_file
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.learning.predictor import FOLDER, PredictorCard, save_predictor
from handsoff.tasks.base import Task

Chooser = Literal["validation", "nothing"]


def hand_over(
    inputs: Inputs,
    data: EvaluationData,
    arms: Sequence[Arm],
    finished: Mapping[str, Sequence[Result]],
    out: Path,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """Write the model of the best arm to `out`/model, with thumbnails of the photos that it must not be tested on.

    Returns:
        What `metrics.json` says of it: `arm`, `by` ("validation", or "nothing" where there is no validation part),
        `metric`, and the means of `validation` (None without it) and `test` over its networks.
    """
    arm, by = choose(inputs.task, arms, finished)
    card = card_of(inputs, data, arm, finished[arm.name], settings)
    networks = [read_tensors(weights_file(out, arm.name, seed)) for seed in range(settings.seeds)]
    folder = out / FOLDER
    save_photos(folder, data, [name for name in inputs.foreign if name in arm.shares])
    write_bytes(folder / CARD, model_card(inputs.task, card, sizes(arm, data), by, mirror=settings.mirror).encode())
    save_predictor(folder, networks, card)
    validation = float(np.mean(card.validation)) if card.validation else None
    return {
        "arm": arm.name, "by": by, "metric": card.metric, "validation": validation, "test": float(np.mean(card.test)),
    }  # fmt: skip


def save_photos(folder: Path, data: EvaluationData, foreign: Sequence[str]) -> None:
    """Write thumbnails of all photos that a model knows: real labels, validation, test, and of datasets with photos."""
    learnt = [data.pools[REAL], *([] if data.validation is None else [data.validation])]
    others = [data.pools[name].images for name in foreign]
    save_seen(
        folder,
        np.concatenate([samples.images for samples in learnt]),
        tested=data.test.images,
        unlabelled=np.concatenate(others) if others else None,
    )


def choose(task: Task, arms: Sequence[Arm], finished: Mapping[str, Sequence[Result]]) -> tuple[Arm, Chooser]:
    """The arm whose runs are best on validation in the mean, the first of equal ones.

    Test scores never choose. Without a validation part nothing can: then it is the last arm, as a rule the one of all
    data together.
    """
    if not all(run.validation for arm in arms for run in finished[arm.name]):
        return arms[-1], "nothing"
    return max(arms, key=lambda arm: worth(task, np.mean(validation_scores(finished[arm.name])))), "validation"


def validation_scores(runs: Sequence[Result]) -> list[float]:
    """What the weights that count score on the validation part; empty where there is none."""
    return [run.validation[str(run.step)] for run in runs if run.validation]


def worth(task: Task, score: float | np.floating[Any]) -> float:
    """A score turned so that higher is better, and one that is no number is worst."""
    lower = next(iter(task.metrics.values())).lower_is_better
    return (-float(score) if lower else float(score)) if math.isfinite(score) else -math.inf


def sizes(arm: Arm, data: EvaluationData) -> dict[str, int]:
    """Pool → its samples, of the pools that an arm learns from and that have a size."""
    return {pool: len(data.pools[pool]) for pool in arm.shares if pool in data.pools}


def card_of(
    inputs: Inputs, data: EvaluationData, arm: Arm, runs: Sequence[Result], settings: EvaluateSettings
) -> PredictorCard:
    """What `model.json` says."""
    metric, validation = next(iter(runs[0].metrics)), validation_scores(runs)
    return PredictorCard(
        task=inputs.task.name,
        schema=inputs.task.schema,
        network=settings.model,
        networks=settings.seeds,
        best=max(range(len(validation)), key=lambda seed: worth(inputs.task, validation[seed]), default=0),
        image_size=list(inputs.frame),
        framing=inputs.framing,
        licence=together(map(inputs.licences.get, arm.shares)),
        arm=arm.name,
        metric=metric,
        validation=validation,
        test=[run.metrics[metric] for run in runs],
        examples=sizes(arm, data).get(REAL, 0),
    )
