"""`handsoff diagnose`: every link of a finished run measured on its own, to see where quality is lost.

Generator → inversion → labeler → selection → dataset: each can be the weakest, and the scores of an evaluation
do not say which. Label quality is measured on held-out photos: those of the validation part where a run has one.
"""

import os
import platform
from collections.abc import Generator as Steps
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handsoff.backbones.distances import distances
from handsoff.core.files import read_json, read_record, sha256, write_json
from handsoff.datasets.generated import open_generated
from handsoff.datasets.labelled import open_labelled
from handsoff.evaluation.settings import part_bounds
from handsoff.generators.contract import Generator
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.stored import OWN, load_generator
from handsoff.inspection import links
from handsoff.inspection.paths import without_paths
from handsoff.inspection.settings import DiagnoseSettings
from handsoff.inspection.steps import FinishedStep, RunReport, finished_steps, of_verb, only_step, optional_report
from handsoff.inversion.chunk import MIN_LABELLED
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.folder import REPORT, Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.learning.predictor import find_predictor, load_predictor
from handsoff.report.diagnosis import write_page
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import read_materials
from handsoff.training.diffusion.state import MEASURED

HELD_OUT = "held-out"  # the folder of the held-out photos' latents


def plan(run: Path, settings: DiagnoseSettings) -> Plan:
    """What a diagnosis is made of.

    Raises:
        InputError: `run` is not the folder of a finished `handsoff run`.
    """
    finished_steps(run)
    inputs = {"run": {"path": str(run.resolve()), "fingerprint": sha256(run / REPORT)}}
    return Plan("diagnose", inputs, settings.model_dump())


def diagnose(run: Path, out: Path, settings: DiagnoseSettings) -> Work:
    """Measure every link; `out` then holds `diagnosis.json` and, with pictures, `diagnosis.html`.

    Raises:
        InputError: `run` is not the folder of a finished `handsoff run`, or `out` holds something else.
    """
    with open_job(out, plan(run, settings)) as job:
        if not job.done:
            yield from measure(job, run, settings)
    return job.outcome


def measure(job: Job, run: Path, settings: DiagnoseSettings) -> Part:
    """Every link, and the page."""
    out = job.out
    steps = finished_steps(run)
    generator, real = yield from generator_link(steps, out, settings)
    held_out = yield from invert_held_out(steps, out, settings)
    inverted = only_step(steps, "invert")
    folders = {"labelled": None if inverted is None else inverted.folder, "held_out": held_out}
    rebuilt = {name: links.reconstruction(folder) for name, folder in folders.items() if folder is not None}
    budgets = yield from budget_links(steps, folders, real, out, settings)
    found = {"generator": generator, "reconstruction": rebuilt, "budgets": budgets}
    write_json(out / "diagnosis.json", {**circumstances(run, steps), "links": found})
    write_page(out, {name: folder / "contact.png" for name, folder in folders.items() if folder is not None})
    job.finish(budgets=list(budgets))


def generator_link(
    steps: list[FinishedStep], out: Path, settings: DiagnoseSettings
) -> Steps[Progress, None, tuple[dict[str, Any], Tensor | None]]:
    """How the generator was trained and how far its images are from its photos; and the features of those photos."""
    folder = next((step.inputs["generator"][0] for step in steps if "generator" in step.inputs), None)
    if folder is None:
        return {"not_measured": "The run has no generator."}, None
    report = optional_report(folder)
    found = {key: value for key, value in report.items() if key not in {"verb", "inputs"}}
    stated = report.get("inputs", {}).get("images")
    if stated is None or not Path(stated["path"]).exists():
        where = "they are not known" if stated is None else f"{stated['path']} does not exist"
        return {**found, "not_measured": f"The photos it was trained on cannot be read ({where})."}, None
    records = [record for step in of_verb(steps, "generate")[:1] for record in open_generated(step.folder).records()]
    plain = [record["draw"] for record in records if "edits" not in record["draw"]]
    if not plain:
        return {**found, "not_measured": "The run has no generated images to compare with photos."}, None
    generator, tuned = load_generator(folder), tuned_generator_of(steps)
    real = yield from links.photo_features(Path(stated["path"]), generator, settings.images, out / "photos.u8")
    draws = [Draw.of_record(draw) for draw in plain[: drawn_at_most(generator, len(real))]]
    fake = yield from links.drawn_features(generator, draws)
    if tuned is not None:
        found["distance_before_tuning"] = distances(real, fake)
        fake = yield from links.drawn_features(load_generator(tuned), draws)
    spread = {"photos": links.diversity(real), "generated": links.diversity(fake)}
    compared = {"photos": len(real), "generated": len(fake)}
    return {**found, "distance": distances(real, fake), "diversity": spread, "compared": compared}, real


def drawn_at_most(generator: Generator, images: int) -> int:
    """How many images are drawn to be compared: of a diffusion model, which is slow, as many as for its snapshots."""
    return min(images, MEASURED) if isinstance(generator, Diffusion) else images


def tuned_generator_of(steps: list[FinishedStep]) -> Path | None:
    """The generator that the run's inversion tuned on the labelled photos, if it did."""
    inverted = only_step(steps, "invert")
    return inverted.folder / OWN if inverted is not None and inverted.settings.get("tuning_steps") else None


def invert_held_out(
    steps: list[FinishedStep], out: Path, settings: DiagnoseSettings
) -> Steps[Progress, None, Path | None]:
    """Latents of photos that no labeler was fitted to, by the run's own encoder and settings.

    The generator is the one that the run's labelers know, and is not tuned on these photos.

    None where the run did not invert, or has too few such photos.
    """
    inverted, evaluated = only_step(steps, "invert"), of_verb(steps, "evaluate")
    if inverted is None or not evaluated:
        return None
    part, labelled = evaluated[0].settings["validation_part"], inverted.inputs["labelled"][0]
    if part is None:
        part, labelled = evaluated[0].settings["test_part"], evaluated[0].inputs["test"][0]
    start, stop = part_bounds(part)
    before = InvertSettings(**inverted.settings)
    known = len(open_labelled(labelled, tasks=before.tasks).names)
    stop = min(start + settings.photos, known, *([stop] if stop else []))
    if stop - start < MIN_LABELLED:
        return None
    lent = inverted.report["inputs"].get("encoder", {}).get("path", str(inverted.folder))
    encoder = lent if before.encoder_steps else None
    changes = {"skip": start, "first": stop - start, "encoder": encoder, "tuning_steps": 0}
    generator = tuned_generator_of(steps) or inverted.inputs["generator"][0]
    work = invert(generator, labelled, out / HELD_OUT, before.model_copy(update=changes))
    yield from work
    return out / HELD_OUT


def budget_links(
    steps: list[FinishedStep],
    folders: dict[str, Path | None],
    real: Tensor | None,
    out: Path,
    settings: DiagnoseSettings,
) -> Steps[Progress, None, dict[str, Any]]:
    """Per budget and task: the labeler on its own photos and on held-out ones, what selection keeps, the arms."""
    found: dict[str, Any] = {}
    for step in of_verb(steps, "generate"):
        dataset = open_generated(step.folder)
        for folder in step.inputs["labelers"]:
            labeler = load_labeler(folder)
            fitted = next(other for other in steps if other.folder.resolve() == folder.resolve())
            budget, task = fitted.settings["first"], labeler.task.name
            pictures = out / "pictures" / f"{budget}-{task}"
            link: dict[str, Any] = yield from links.selection(labeler, dataset, settings.samples, pictures)
            link = {"selection": link, "arms": arms_of(steps, step.folder, task)}
            for name, latents in folders.items():
                if latents is not None:
                    label = "labels_on_training_photos" if name == "labelled" else "labels_on_held_out_photos"
                    first = budget if name == "labelled" else None
                    link[label] = links.label_quality(labeler, latents, first)
                    link.setdefault("share", {})[name] = links.photo_shares(labeler, latents, first)
            if folders["held_out"] is not None:
                link["label_transfer"] = transfer_of(steps, step.folder, labeler, folders["held_out"])
            found.setdefault(str(budget), {"tasks": {}})["tasks"][task] = link
        if dataset.manifest.get("aim"):
            found[str(budget)]["composition"] = dataset.manifest["aim"]
        if real is not None:
            draws = [Draw.of_record(record["draw"]) for record in dataset.records() if record["kept"]]
            materials = read_materials(dataset.folder)
            most = drawn_at_most(labeler.generator, len(real))
            fake = yield from links.drawn_features(labeler.generator, draws[:most], materials)
            found[str(budget)] |= {
                "distance_to_photos": distances(real, fake),
                "diversity": {"kept": links.diversity(fake), "photos": links.diversity(real)},
                "compared": {"kept": len(fake), "photos": len(real)},
            }
    return found


def arms_of(steps: list[FinishedStep], dataset: Path, task: str) -> dict[str, Any]:
    """What the evaluation of a dataset for a task measured, {} where the run has none."""
    for step in of_verb(steps, "evaluate"):
        if dataset.resolve() in [path.resolve() for path in step.inputs["synthetic"]]:
            metrics: dict[str, Any] = read_json(step.folder / "metrics.json")
            if metrics["task"] == task:
                return metrics
    return {}


def transfer_of(steps: list[FinishedStep], dataset: Path, labeler: Labeler, latents: Path) -> dict[str, Any]:
    """What the model of a dataset's evaluation makes of photos and of their reconstructions; {} without a model."""
    for step in of_verb(steps, "evaluate"):
        made = [path.resolve() for path in step.inputs["synthetic"]]
        folder = find_predictor(step.folder)
        if folder is not None and dataset.resolve() in made:
            predictor = load_predictor(folder)
            if (predictor.task.name, predictor.size) == (labeler.task.name, labeler.size):
                model = predictor.networks[predictor.card.best]
                return links.label_transfer(model, labeler.task, labeler.generator, latents)
    return {}


def circumstances(run: Path, steps: list[FinishedStep]) -> dict[str, Any]:
    """Machine, versions, the recipe without its paths, and the seconds of every step."""
    report = read_record(run / REPORT, RunReport)
    seconds: dict[str, Any] = {name: step.seconds for name, step in report.steps.items()}
    if "generator" not in seconds:  # it was trained before the run
        user = next((step for step in steps if "generator" in step.inputs), None)
        report_of_generator = {} if user is None else optional_report(user.inputs["generator"][0])
        if report_of_generator:
            seconds = {"generator": report_of_generator.get("training_seconds"), **seconds}
    return {
        "machine": machine(),
        "versions": {name: version(name) for name in ("handsoff-labels", "torch", "numpy")},
        "recipe": without_paths(report.recipe),
        "seconds": seconds,
    }


def machine() -> dict[str, Any]:
    """What the seconds were measured on."""
    cores, gpu = os.cpu_count(), torch.cuda.is_available()
    return {"processor": platform.machine(), "cores": cores, "gpu": gpu, "python": platform.python_version()}
