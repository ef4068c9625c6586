"""The runs of an evaluation: every arm with every seed, each scored once on the test samples when it is over.

Every arm gets the same pretrained model, the same rule for when it is over (`learning.schedule`) and the same
augmentation. The weights that count are the last ones or, where a validation part is given, the best on it.
"""

import hashlib
import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from handsoff.core.files import png, read_record, recorded, write_bytes, write_json
from handsoff.core.tensors import write_tensors
from handsoff.evaluation.arms import Arm
from handsoff.evaluation.data import EvaluationData
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.evaluation.testing import contact_sheet, examine, prediction_archive
from handsoff.jobs.ledger import Files, fit, read_entry, relative, write_entry
from handsoff.jobs.progress import Progress
from handsoff.learning.data import LabelledArrays, Pool
from handsoff.learning.settings import MACHINE, LearnSettings
from handsoff.learning.supervised import predictions, train_predictor
from handsoff.report.testset import archive_path
from handsoff.tasks.base import Task

UNFINISHED, WEIGHTS = "unfinished", "weights"  # folders: of runs being trained; of networks until one is handed over


@dataclass(frozen=True)
class Result:
    """One finished run, as it lies in `runs/ARM-SEED.json`.

    Attributes:
        steps: that were made, those too that were given up; step: the one whose weights were tested.
        validation: step → primary metric on the validation part.
        confusion, samples, parts: as in `Tested`; runs of earlier versions lack them.
        made_of: see the function of this name.
    """

    arm: str
    seed: int
    metrics: dict[str, float]
    per_class: dict[str, float]
    steps: int
    step: int
    validation: dict[str, float]
    seconds: float
    confusion: list[list[int]] = field(default_factory=list)
    samples: list[float | None] = field(default_factory=list)
    parts: dict[str, list[float | None]] = field(default_factory=dict)
    made_of: str = ""


def is_finished(out: Path, arm: Arm, seed: int) -> bool:
    """Whether the run's files are all there, as they were written."""
    files: Files | None = read_entry(ledger_entry(out, arm, seed))
    return files is not None and fit(files, out)


def enter(out: Path, arm: Arm, seed: int, files: Files) -> None:
    """Note in the ledger that a run is finished."""
    write_entry(ledger_entry(out, arm, seed), files)
    unfinished(out, arm, seed).unlink(missing_ok=True)


def ledger_entry(out: Path, arm: Arm, seed: int) -> Path:
    return out / "ledger" / f"{arm.name}-{seed}.json"


def unfinished(out: Path, arm: Arm, seed: int) -> Path:
    """Where a run is kept while it is trained."""
    return out / UNFINISHED / f"{arm.name}-{seed}.safetensors"


def weights_file(out: Path, arm: str, seed: int) -> Path:
    """The weights that were tested, as long as it is open which arm is handed over."""
    return out / WEIGHTS / f"{arm}-{seed}.safetensors"


def run_file(out: Path, arm: Arm, seed: int) -> Path:
    return out / "runs" / f"{arm.name}-{seed}.json"


def sheet_path(out: Path, arm: str) -> Path:
    """Predictions beside the truth, of the first run of an arm."""
    return out / "predictions" / f"{arm}.png"


def made_of(task: Task, data: EvaluationData, arm: Arm, seed: int, settings: EvaluateSettings) -> str:
    """A hash of all that a run follows from, so that equal ones come out the same; empty if samples are drawn in it."""
    pools = [data.pool(name) for name in arm.shares]
    fixed = [pool.digest for pool in pools if isinstance(pool, LabelledArrays)]
    if len(fixed) < len(pools):
        return ""
    machine = any(isinstance(pool, LabelledArrays) and pool.pseudo is not None for pool in pools)
    counts = {*LearnSettings.model_fields, "mirror"} - {*(() if machine else MACHINE)}
    facts = {
        "versions": [version(package) for package in ("handsoff-labels", "torch")],
        "task": [task.name, task.schema],
        "pools": list(zip(fixed, arm.shares.values(), strict=True)),
        "validation": None if data.validation is None else data.validation.digest,
        "test": data.test.digest,
        "settings": settings.model_dump(include=counts),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def finished_runs(out: Path, arms: Sequence[Arm], seeds: int) -> dict[str, list[Result]]:
    """Arm → its results by seed, in the order of the arms."""
    return {arm.name: [read_record(run_file(out, arm, seed), Result) for seed in range(seeds)] for arm in arms}


def run_one(
    task: Task, data: EvaluationData, arm: Arm, seed: int, out: Path, settings: EvaluateSettings
) -> Generator[Progress, None, Files]:
    """Train, choose, test, and write the run's file; before it, for the first seed, pictures of predictions.

    Returns the files that it wrote, for the ledger.
    """

    def mixture(position: float) -> list[tuple[Pool, int]]:
        return [(data.pool(pool), count) for pool, count in arm.counts(position, settings.batch).items()]

    stage = f"{arm.name.replace('_', ' ')}, run {seed + 1} of {settings.seeds}"
    half = unfinished(out, arm, seed)
    trained = yield from train_predictor(task, mixture, seed, settings, stage, data.validation, half)
    model, seconds = trained.model, round(trained.seconds, 1)
    tested = examine(task, data.test, predictions(model.eval(), task, data.test.images, mirror=settings.mirror))
    result = Result(
        arm.name, seed, tested.metrics, tested.per_class, trained.made, trained.step, trained.scores, seconds,
        tested.confusion, tested.samples, tested.parts, made_of(task, data, arm, seed, settings),
    )  # fmt: skip
    with recorded() as stamps:
        if seed == 0:
            write_bytes(archive_path(out, arm.name), prediction_archive(task, data.test, tested.labels))
            write_bytes(sheet_path(out, arm.name), png(contact_sheet(task, data.test, tested.labels)))
        write_tensors(weights_file(out, arm.name, seed), model.state_dict(), sealed=True)
        write_json(run_file(out, arm, seed), asdict(result))
    return relative(stamps, out)
