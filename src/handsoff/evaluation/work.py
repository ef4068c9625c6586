"""All runs of an evaluation. They know nothing of each other, so any engine may compute them."""

import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.engines.once import Once
from handsoff.evaluation.arms import REAL, Arm
from handsoff.evaluation.curve import FOLDER as CURVE
from handsoff.evaluation.curve import Curve, load_curve
from handsoff.evaluation.data import EvaluationData, load_data
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.online import with_online
from handsoff.evaluation.runs import UNFINISHED, enter, is_finished, run_one
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.folder import Plan
from handsoff.jobs.ledger import Files
from handsoff.jobs.progress import Part, Progress, run_to_end
from handsoff.tasks.base import Task


@dataclass(frozen=True)
class Run:
    """One run, a shard of the work.

    Attributes:
        seed: which of the runs of its arm.
        labels: of a point of the learning curve, else None.
    """

    arm: Arm
    seed: int
    labels: int | None = None

    def __str__(self) -> str:
        return f"{self.arm.name.replace('_', ' ')}, run {self.seed + 1}"

    def folder(self, out: Path) -> Path:
        """Where it is written."""
        return out if self.labels is None else out / CURVE


@dataclass(frozen=True)
class Context:
    """What all runs share.

    Attributes:
        plan: with the fingerprints of the inputs, so that nothing is taken for the same that is not.
    """

    real: Path
    synthetic: tuple[Path, ...]
    test: Path
    validation: Path | None
    out: Path
    settings: EvaluateSettings
    plan: Plan


@dataclass(frozen=True)
class Loaded:
    """What runs learn from."""

    task: Task
    data: EvaluationData
    curve: Curve | None

    def of(self, run: Run) -> EvaluationData:
        """The data of a run: on the curve, the first labels alone."""
        if self.curve is None or run.labels is None:
            return self.data
        return replace(self.data, pools={REAL: self.curve.first(run.labels)})


def runs_of(arms: Sequence[Arm], curve: Curve | None, seeds: int) -> Iterator[Run]:
    """Every arm with every seed, then the points of the curve."""
    for seed in range(seeds):
        yield from (Run(arm, seed) for arm in arms)
    for labels, arm in ({} if curve is None else curve.arms(arms)).items():
        yield from (Run(arm, seed, labels) for seed in range(seeds))


def run_all(runs: Sequence[Run], loaded: Loaded, context: Context, engine: Engine) -> Part:
    """Do the runs that are not in the ledger with their files whole, and enter them there.

    This process shows every step of its own runs, and of those that other processes do when each is finished.
    """
    out = context.out
    missing = [run for run in runs if not is_finished(run.folder(out), run.arm, run.seed)]
    if engine is LOCAL:
        for run in missing:
            enter(run.folder(out), run.arm, run.seed, (yield from train(run, loaded, context)))
    elif missing:
        yield Progress("training runs", 0, len(missing))
        made = zip(missing, engine.map(train_alone, missing, context), strict=True)
        for number, (run, files) in enumerate(made, start=1):
            enter(run.folder(out), run.arm, run.seed, files)
            yield Progress("training runs", number, len(missing), str(run))
    for folder in (out, out / CURVE):
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


def train(run: Run, loaded: Loaded, context: Context) -> Generator[Progress, None, Files]:
    return run_one(loaded.task, loaded.of(run), run.arm, run.seed, run.folder(context.out), context.settings)


def train_alone(run: Run, context: Context) -> Files:
    """Do one run, in a worker; the files that it wrote."""
    return run_to_end(train(run, load(context), context))


def read(context: Context) -> Loaded:
    inputs = open_inputs(context.real, list(context.synthetic), context.test, context.settings, context.validation)
    data = run_to_end(load_data(inputs, context.settings.group, context.settings.confidence))
    data = with_online(inputs, data, context.settings)
    return Loaded(inputs.task, data, run_to_end(load_curve(inputs, data, context.settings)))


load = Once(read)
