"""The comparison: the same model trained on real labels, on synthetic ones and on both, several times each.

Every arm gets the same pretrained model, the same number of steps, the same schedule and the same augmentation. The
weights that count are the last ones or, where a validation part is given, the best of four in the second half on it.
Test samples are read once, when a run is over.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import nn

from handsoff.core.files import png, read_json, write_bytes, write_json
from handsoff.core.images import tile
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import Part
from handsoff.learning.data import EvaluationData, LabelledArrays
from handsoff.learning.supervised import Choice, evaluated, predictions, train_predictor
from handsoff.tasks.base import Task

ARMS = ("real_only", "synthetic_only", "real_plus_synthetic")
SHOWN = 8  # test samples in a prediction sheet


@dataclass(frozen=True)
class Result:
    """One finished run, as it lies in `runs/ARM-SEED.json`.

    Attributes:
        step: the step whose weights were tested; validation: step → its primary metric on the validation part.
    """

    arm: str
    seed: int
    metrics: dict[str, float]
    per_class: dict[str, float]
    steps: int
    step: int
    validation: dict[str, float]
    seconds: float


def run_arms(task: Task, data: EvaluationData, out: Path, settings: EvaluateSettings) -> Part:
    """Every arm with every seed; runs that are in `out/runs` already are left as they are."""
    for seed in range(settings.seeds):
        for arm in ARMS:
            if not run_file(out, arm, seed).is_file():
                yield from run_one(task, data, arm, seed, out, settings)


def run_file(out: Path, arm: str, seed: int) -> Path:
    return out / "runs" / f"{arm}-{seed}.json"


def finished_runs(out: Path, settings: EvaluateSettings) -> dict[str, list[Result]]:
    """Arm → its results by seed."""
    return {arm: [Result(**read_json(run_file(out, arm, seed))) for seed in range(settings.seeds)] for arm in ARMS}


def run_one(task: Task, data: EvaluationData, arm: str, seed: int, out: Path, settings: EvaluateSettings) -> Part:
    """Train, choose, test, and write the run's file (and, for the first seed, a sheet of predictions before it)."""
    began = time.monotonic()
    choice = Choice(data.validation)
    stage = f"{arm.replace('_', ' ')}, run {seed + 1} of {settings.seeds}"
    model = yield from train_predictor(
        task, lambda step: mixture(arm, step, data, settings), seed, settings, stage, choice
    )
    scores = evaluated(model, task, data.test)
    if seed == 0:
        write_bytes(out / "predictions" / f"{arm}.png", png(sheet(model, task, data.test)))
    seconds = round(time.monotonic() - began, 1)
    step = choice.step or settings.steps
    write_json(
        run_file(out, arm, seed),
        asdict(Result(arm, seed, scores["metrics"], scores["per_class"], settings.steps, step, choice.scores, seconds)),
    )


def mixture(arm: str, step: int, data: EvaluationData, settings: EvaluateSettings) -> list[tuple[LabelledArrays, int]]:
    """How many real and synthetic samples make the batch of this step."""
    if arm == "real_only":
        return [(data.real, settings.batch)]
    if arm == "synthetic_only":
        return [(data.synthetic, settings.batch)]
    position = step / max(settings.steps - 1, 1)
    reals = round(
        settings.batch * (settings.real_share_start + (settings.real_share_end - settings.real_share_start) * position)
    )
    return [(data.real, reals), (data.synthetic, settings.batch - reals)]


def sheet(model: nn.Module, task: Task, samples: LabelledArrays) -> UInt8[np.ndarray, "gh gw 3"]:
    """Three rows over samples spread evenly: image, truth, prediction."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, SHOWN).round().astype(int))
    images, truths = samples.images[chosen], samples.labels[chosen]
    model.eval()
    predicted = np.concatenate(list(predictions(model, task, images)))
    model.train()
    return tile(
        np.concatenate([images, task.drawing.draw(images, truths), task.drawing.draw(images, predicted)]), len(chosen)
    )
