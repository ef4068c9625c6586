"""`handsoff evaluate`: what the synthetic labels are worth beside the real ones, on real test photos."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.files import write_bytes, write_json
from handsoff.datasets.licences import together
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.evaluation.arms import REAL, Arm, choose_arms
from handsoff.evaluation.curve import FOLDER as CURVE
from handsoff.evaluation.curve import curve_metrics, load_curve, require_labels
from handsoff.evaluation.data import EvaluationData, load_data
from handsoff.evaluation.handover import hand_over, validation_scores
from handsoff.evaluation.inputs import Inputs, open_inputs
from handsoff.evaluation.online import require_online, with_online
from handsoff.evaluation.pseudo import refuse_idle
from handsoff.evaluation.reuse import take_over
from handsoff.evaluation.runs import WEIGHTS, Result, finished_runs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.evaluation.testing import DECIMALS, test_archive
from handsoff.evaluation.work import Context, Loaded, run_all, runs_of
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.learning.paste import find_donors
from handsoff.learning.supervised import require_usable
from handsoff.report.page import write_page
from handsoff.report.testset import LINES, TRUTH, archive_path, lines_of
from handsoff.tasks.base import Task


def plan(
    real: Path,
    synthetic: Sequence[Path],
    test: Path,
    settings: EvaluateSettings,
    validation: Path | None = None,
    before: Path | None = None,
) -> Plan:
    """What `evaluate` would do with these folders; with the runs of an earlier one it would give the same.

    Raises:
        InputError: a folder cannot be used, a part of it is empty, or an arm or a point of the curve cannot be.
        MismatchError: the datasets differ, or labels cannot be read as theirs.
    """
    if before is not None:
        require_done(before, "evaluate")
    return plan_of(open_inputs(real, synthetic, test, settings, validation), settings)


def plan_of(inputs: Inputs, settings: EvaluateSettings) -> Plan:
    require_online(inputs, choose_arms(settings, list(inputs.folders), inputs.online))
    require_labels(inputs, settings)
    refuse_idle(inputs, settings)
    return Plan("evaluate", inputs.fingerprints, settings.model_dump())


def evaluate(  # noqa: PLR0913, PLR0917  # one per input
    real: Path,
    synthetic: Sequence[Path],
    test: Path,
    out: Path,
    settings: EvaluateSettings,
    validation: Path | None = None,
    before: Path | None = None,
    engine: Engine = LOCAL,
) -> Work:
    """Train the same model on every arm's mixture.

    `out` then holds metrics.json, test.jsonl, runs, pictures of predictions, the report page, and in `model` the
    networks of the arm that is best on the validation part; with a learning curve, its runs lie in curve/.

    Real, validation and test data may be one folder: `settings` cuts it into parts, and a test image that is also a
    training or validation image is left out and counted. Finished runs survive an interruption. Photos are framed as
    the datasets' images were, and enlarged where they are smaller.

    Args:
        real: labelled photos.
        synthetic: the datasets, each a folder of `handsoff generate` or any labelled data; none for real only.
        test: labelled photos that no arm trains on.
        out: the output folder.
        settings: the same for every arm.
        validation: labelled photos that choose the best moment of a run.
        before: the report of an earlier evaluation; its runs that would come out the same are taken over.
        engine: does the runs.

    Raises:
        InputError: a folder cannot be used, a part of the data is empty, or an arm or a point of the curve cannot be.
        HandsOffError: the model cannot be had or used.
        MismatchError: the datasets differ, or labels cannot be read as theirs.
    """
    inputs = open_inputs(real, synthetic, test, settings, validation)
    with open_job(out, plan_of(inputs, settings)) as job:
        if not job.done:
            context = Context(real, tuple(synthetic), test, validation, out, settings, job.plan)
            yield from measure(job, inputs, context, before, engine)
        for folder in (out, out / CURVE):
            shutil.rmtree(folder / WEIGHTS, ignore_errors=True)
    return job.outcome


def measure(job: Job, inputs: Inputs, context: Context, before: Path | None, engine: Engine) -> Part:
    """Every run, what they say together, and the page."""
    out, settings = job.out, context.settings
    if before is not None:
        require_done(before, "evaluate")
    yield Progress(f"trying the model {settings.model}", 0, 1)
    require_usable(inputs.task, inputs.frame, settings.model)
    data = yield from load_data(inputs, settings.group, settings.confidence)
    curve = yield from load_curve(inputs, data, settings)
    arms = choose_arms(settings, list(inputs.folders), inputs.online)
    data = with_online(inputs, data, settings)
    runs = list(runs_of(arms, curve, settings.seeds))
    loaded = Loaded(inputs.task, data, curve)
    if before is not None:
        take_over(before, runs, loaded, context)
    yield from run_all(runs, loaded, context, engine)
    finished = finished_runs(out, arms, settings.seeds)
    handed_over = hand_over(inputs, data, arms, finished, out, settings)
    metrics = {**metrics_of(inputs, arms, finished, data, settings), "handed_over": handed_over}
    metrics |= curve_metrics(inputs.task, curve, arms, finished, out, settings)
    write_bytes(archive_path(out, TRUTH), test_archive(inputs.task, data.test))
    write_bytes(out / LINES, lines_of(sample_lines(data.test.names, finished)))
    write_json(out / "metrics.json", metrics)
    write_page(out, inputs.folders)
    facts = {key: value for key, value in metrics.items() if key.startswith(("n_", "excluded_"))}
    job.finish(
        seeds=list(range(settings.seeds)),
        licence=together(inputs.licences.values()),
        image_size=list(inputs.frame),
        **facts,
    )


def reviews(inputs: Inputs) -> dict[str, dict[str, int]]:
    """What a person did with the datasets whose corrections are applied; "real" and "test" are among them."""
    found = {**inputs.pools, "test": inputs.test}
    return {name: asdict(review) for name, pool in found.items() if (review := pool.review()) is not None}


def metrics_of(
    inputs: Inputs, arms: Sequence[Arm], runs: dict[str, list[Result]], data: EvaluationData, settings: EvaluateSettings
) -> dict[str, Any]:
    """What metrics.json says: arms in the order of running, and of each the shares of its pools, first and last."""
    task, sizes = inputs.task, {name: len(pool) for name, pool in data.pools.items()}
    photos = sum(sizes[name] for name in inputs.photos)
    return {
        "task": task.name,
        "arms": {arm: metrics_of_arm(results) for arm, results in runs.items()},
        "per_class": {arm: classes_of_arm(results) for arm, results in runs.items()},
        "confusion": confusion_of(task, runs),
        "support": task.scores.label_statistics(data.test.labels),
        "shares": {arm.name: {pool: list(shares) for pool, shares in arm.shares.items()} for arm in arms},
        "pools": sizes,
        "photos": list(inputs.photos),
        "reviews": reviews(inputs),
        "n_real": sizes[REAL],
        "paste": settings.paste,
        "pasted": {arm.name: [*rare(task, data, arm.shares)] for arm in arms} if settings.paste else {},
        "scarce": {} if settings.paste else rare(task, data, [REAL]),
        "n_photos": photos,
        "n_synthetic": sum(sizes.values()) - sizes[REAL] - photos,
        "n_test": len(data.test),
        "n_validation": 0 if data.validation is None else len(data.validation),
        "training": {arm: training_of_arm(results, settings.batch) for arm, results in runs.items()},
        "steps": settings.steps,
        "note": settings.note,
        "excluded_from_test": data.excluded["test"],
        "excluded_from_validation": data.excluded["validation"],
        "excluded_from_photos": data.excluded["photos"],
        "unknown_teachers": list(data.unknown),
    }


def rare(task: Task, data: EvaluationData, pools: Iterable[str]) -> dict[str, int]:
    """Classes that are pasted, or could be, as few images that people labelled show them → how many do."""
    donors = find_donors(task, [data.pool(pool) for pool in pools])
    return {} if donors is None else {task.parts[part]: len(places) for part, places in donors.places.items()}


def training_of_arm(results: Sequence[Result], batch: int) -> dict[str, list[Any]]:
    """How long each run was trained, and which of its steps counts.

    `steps` made, `images_seen`, the `step` whose weights were tested, its score on the `validation` part (empty without
    one), and `seconds` of training.
    """
    return {
        "steps": [result.steps for result in results],
        "images_seen": [result.steps * batch for result in results],
        "step": [result.step for result in results],
        "validation": validation_scores(results),
        "seconds": [result.seconds for result in results],
    }


def metrics_of_arm(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Metric → mean, spread and every run."""
    runs = {name: [result.metrics[name] for result in results] for name in results[0].metrics}
    return {name: {**spread(values), "runs": values} for name, values in runs.items()}


def classes_of_arm(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Class or point → mean, spread and every run, of those that scored it."""
    names = dict.fromkeys(name for result in results for name in result.per_class)
    runs = {name: [result.per_class[name] for result in results if name in result.per_class] for name in names}
    return {name: {**spread(values), "runs": values} for name, values in runs.items()}


def confusion_of(task: Task, runs: dict[str, list[Result]]) -> dict[str, Any]:
    """The parts, and of each arm how often each (row) was taken for each (column), summed over the runs."""
    summed = {arm: np.sum([result.confusion for result in results], 0).tolist() for arm, results in runs.items()}
    return {"parts": list(task.parts), "arms": summed} if all(summed.values()) else {}


def sample_lines(names: Sequence[str], runs: dict[str, list[Result]]) -> list[dict[str, Any]]:
    """Of every test sample, per arm, the means of its scores over the runs."""

    def means(columns: Iterable[list[float | None]], index: int) -> float | None:
        values = [column[index] for column in columns if column]
        known = [value for value in values if value is not None]
        return round(float(np.mean(known)), DECIMALS) if known else None

    def line(index: int) -> dict[str, Any]:
        scores = {arm: means([run.samples for run in found], index) for arm, found in runs.items()}
        parts = {
            arm: {part: means([run.parts.get(part, []) for run in found], index) for part in found[0].parts}
            for arm, found in runs.items()
        }
        return {"scores": scores, "parts": parts}

    return [{"name": name, **line(index)} for index, name in enumerate(names)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation over the seeds (of the runs themselves, not an estimate: 0 for one seed)."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values))}
