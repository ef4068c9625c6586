"""`handsoff evaluate`: what the synthetic labels are worth beside the real ones, on real test photos."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, write_json
from handsoff.core.frames import Frame
from handsoff.datasets.labelled import LabelledDataset, open_labelled, open_like
from handsoff.evaluation.arms import ARMS, Result, finished_runs, run_arms
from handsoff.evaluation.settings import EvaluateSettings, group_of, part_bounds
from handsoff.jobs.folder import Plan, open_job, require_done
from handsoff.jobs.progress import Progress, Work
from handsoff.learning.data import EvaluationData, LabelledArrays, load_arrays, without
from handsoff.learning.supervised import require_usable
from handsoff.report.page import write_page
from handsoff.tasks import make_task
from handsoff.tasks.base import Task


@dataclass(frozen=True)
class Packs:
    """The labelled data of an evaluation, all read as the dataset's labels are, cut to the parts asked for.

    Attributes:
        labels: names of everything in the real pack that may be a label of some budget, whatever the budget of this one.
    """

    real: LabelledDataset
    labels: tuple[str, ...]
    synthetic: LabelledDataset
    test: LabelledDataset
    validation: LabelledDataset | None


def evaluate(
    real: Path, synthetic: Path, test: Path, out: Path, settings: EvaluateSettings, validation: Path | None = None
) -> Work:
    """Train on `real`, on `synthetic` and on both; `out` then holds metrics.json, runs, predictions and the report page.

    Real, validation and test data may be one pack: `settings` cuts it into parts, and a test image that is also a
    training or validation image is left out and counted. Finished runs survive an interruption. Images smaller than
    the dataset's resolution are enlarged.

    Raises:
        InputError: `synthetic` is no finished dataset, or a part of the data is empty.
        HandsOffError: the model cannot be had or used.
        MismatchError: the labels cannot be read as the dataset's.
    """
    report = require_done(synthetic, "generate")
    manifest = read_json(synthetic / "manifest.json")
    task = evaluated_task(manifest, synthetic, settings)
    packs = open_packs(task, real, synthetic, test, validation, settings)
    sources = {
        "real": open_labelled(real, tasks=[task.name]),
        "synthetic": packs.synthetic,
        "test": open_labelled(test, tasks=[task.name]),
    }
    if validation is not None:
        sources["validation"] = open_labelled(validation, tasks=[task.name])
    inputs = {name: pack.describe() for name, pack in sources.items()}
    job = open_job(out, Plan("evaluate", inputs, settings.model_dump()))
    if job.done:
        return job.outcome
    with job.undone_if_refused():
        height, width = manifest["resolution"]
        yield Progress(f"trying the model {settings.model}", 0, 1)
        require_usable(task, (height, width), settings.model)
        data = yield from read_packs(packs, task.name, (height, width), settings.group)
    yield from run_arms(task, data, out, settings)
    metrics = metrics_of(task.name, finished_runs(out, settings), data, settings)
    write_json(out / "metrics.json", metrics)
    write_page(out, synthetic)
    facts = {key: value for key, value in metrics.items() if key.startswith(("n_", "excluded_"))}
    job.finish(
        seeds=list(range(settings.seeds)),
        licence=manifest.get("licence", report.get("licence")),
        resolution=[height, width],
        **facts,
    )
    return job.outcome


def evaluated_task(manifest: dict[str, Any], dataset: Path, settings: EvaluateSettings) -> Task:
    """The task asked for, as the dataset has it.

    Raises:
        InputError: it has no such labels.
    """
    schemas = manifest["tasks"]
    name = settings.task or next(iter(schemas))
    if name not in schemas:
        raise InputError(f"{dataset} has labels for {', '.join(schemas)}, not for {name}: choose one of them.")
    return make_task(name, schemas[name])


def open_packs(
    task: Task, real: Path, synthetic: Path, test: Path, validation: Path | None, settings: EvaluateSettings
) -> Packs:
    """Open everything and cut the parts; the validation part comes from the real pack where it has none of its own."""

    def opened(path: Path, start: int = 0, stop: int | None = None) -> LabelledDataset:
        return open_like(path, {task.name: task.schema}).part(start, stop)

    chosen = None
    if validation is not None or settings.validation_part is not None:
        chosen = opened(validation or real, *part_bounds(settings.validation_part))
    tested = opened(test, *part_bounds(settings.test_part))
    others = {*tested.names, *(chosen.names if chosen else ())}
    whole = opened(real)
    labels = tuple(name for name in whole.names if name not in others)
    return Packs(whole.part(0, settings.first), labels, opened(synthetic), tested, chosen)


def read_packs(packs: Packs, task: str, frame: Frame, group: str | None) -> Generator[Progress, None, EvaluationData]:
    """Read all of it at the dataset's resolution, and take out of validation and test what was seen before.

    Raises:
        InputError: nothing is left of one of them.
    """
    excluded = {"validation": 0, "test": 0}

    def kept(pack: LabelledDataset, role: str, used: Iterable[str]) -> LabelledDataset:
        known = {group_of(group, name) for name in used} if group else set()
        names = tuple(name for name in pack.names if group_of(group, name) not in known)
        excluded[role] += len(pack.names) - len(names)
        if not names:
            raise InputError(
                f"No {role} samples are left (all of them are of groups that were trained or chosen on): give other data, or other parts of it."
            )
        return replace(pack, names=names)

    real = yield from load_arrays(packs.real, task, frame, "real samples")
    synthetic = yield from load_arrays(packs.synthetic, task, frame, "synthetic samples")
    used, chosen, seen = [real], None, [*packs.real.names, *packs.labels]
    if packs.validation is not None:
        pack = kept(packs.validation, "validation", seen)
        chosen = yield from load_arrays(pack, task, frame, "validation samples")
        chosen, count = without(chosen, real)
        excluded["validation"] += count
        used.append(chosen)
        seen += pack.names
    test = yield from load_arrays(kept(packs.test, "test", seen), task, frame, "test samples")
    test, count = without(test, *used)
    excluded["test"] += count
    for name, samples in {"real": real, "synthetic": synthetic, "validation": chosen, "test": test}.items():
        refuse_empty(name, samples, excluded.get(name, 0))
    return EvaluationData(real, synthetic, test, chosen, excluded)


def refuse_empty(name: str, samples: LabelledArrays | None, excluded: int) -> None:
    if samples is not None and len(samples) == 0:
        reason = (
            f"all {excluded} of its images are training or validation images"
            if excluded
            else "the part asked for is empty"
        )
        raise InputError(f"No {name} samples are left ({reason}): give other data, or other parts of it.")


def metrics_of(
    task: str, runs: dict[str, list[Result]], data: EvaluationData, settings: EvaluateSettings
) -> dict[str, Any]:
    """What metrics.json says."""
    arms, classes = {}, {}
    for arm in ARMS:
        scores = [run.metrics for run in runs[arm]]
        arms[arm] = {
            name: {**spread([score[name] for score in scores]), "runs": [score[name] for score in scores]}
            for name in scores[0]
        }
        names = dict.fromkeys(name for run in runs[arm] for name in run.per_class)
        classes[arm] = {
            name: spread([run.per_class[name] for run in runs[arm] if name in run.per_class]) for name in names
        }
    return {
        "task": task, "arms": arms, "per_class": classes, "n_real": len(data.real), "n_synthetic": len(data.synthetic), "n_test": len(data.test),
        "n_validation": 0 if data.validation is None else len(data.validation), "steps": settings.steps,
        "note": settings.note, "excluded_from_test": data.excluded["test"], "excluded_from_validation": data.excluded["validation"],
    }  # fmt: skip


def spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation over the seeds (of the runs themselves, not an estimate: 0 for one seed)."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values))}
