"""What an evaluation is made of: every folder opened once, cut into its parts, and known by a fingerprint."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.frames import Frame, Framing, frame_of
from handsoff.datasets.generated import VERBS, GeneratedDataset, open_generated
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation.arms import ONLINE, PHOTOS, REAL, SYNTHETIC, pool_names
from handsoff.evaluation.lineage import original
from handsoff.evaluation.settings import EvaluateSettings, part_bounds
from handsoff.jobs.folder import require_done, verb_of
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

Fingerprint = dict[str, str]
DRAWN = {"generate", "edit"}  # verbs that make datasets of generated images


@dataclass(frozen=True)
class Inputs:
    """The labelled data of an evaluation; all labels are read as those of the first dataset.

    Attributes:
        task: which labels are compared.
        frame: the size of every image, (H, W) pixels, and framing: how photos get into it; both are the datasets'.
        real: all real samples.
        pools: "real", cut to the labels asked for, and every dataset by its name.
        photos: the datasets of labelled photos, by name; of those that were converted, what they were made from.
        labels: names of all real samples that are labels of some budget, whatever the budget of this evaluation.
        folders: the datasets by name.
        licences: the terms of the datasets that state them, by name.
        foreign: names of the datasets that may hold real photos: all but those whose images a generator drew.
        online: the only dataset that handsoff generate made, if there is one: its labeler can draw during training.
        generated: those of the datasets with a manifest, whose labels a machine made, by name.
        fingerprints: for the plan.
    """

    task: Task
    frame: Frame
    framing: Framing
    real: LabelledDataset
    pools: dict[str, LabelledDataset]
    photos: dict[str, GeneratedDataset]
    labels: tuple[str, ...]
    test: LabelledDataset
    validation: LabelledDataset | None
    folders: dict[str, Path]
    licences: dict[str, str]
    foreign: tuple[str, ...]
    online: str | None
    generated: dict[str, GeneratedDataset]
    fingerprints: dict[str, Fingerprint]


def open_inputs(
    real: Path, synthetic: Sequence[Path], test: Path, settings: EvaluateSettings, validation: Path | None
) -> Inputs:
    """Open everything and cut the parts; the validation part is one of `real` where there is no `validation`.

    Raises:
        InputError: a folder cannot be used, is not finished or lacks the task's labels, or a part of it is empty.
        MismatchError: the datasets differ, or labels cannot be read as theirs.
    """
    folders = named_datasets(synthetic)
    generated = {name: found for name, folder in folders.items() if (found := as_generated(folder))}
    task, frame, framing = agreed(folders or {REAL: real}, generated, settings)
    fingerprints: dict[Path, Fingerprint] = {}
    opened: dict[Path, LabelledDataset] = {}

    def open_once(path: Path) -> LabelledDataset:
        if path.resolve() not in opened:
            found = open_labelled(path, tasks=[task.name], corrections=settings.corrections)
            fingerprints[path.resolve()] = describe(found, settings)
            opened[path.resolve()] = open_like(path, {task.name: task.schema}, settings.corrections)
        return opened[path.resolve()]

    numbered = {"synthetic" if not index else f"synthetic {index + 1}": path for index, path in enumerate(synthetic)}
    named = {"real": real, **numbered, "test": test, **({} if validation is None else {"validation": validation})}
    for path in named.values():
        open_once(path)
    chosen = None
    if validation is not None or settings.validation_part is not None:
        chosen = open_once(validation or real).part(*part_bounds(settings.validation_part))
    tested = open_once(test).part(*part_bounds(settings.test_part))
    datasets = {name: open_once(path) for name, path in folders.items()}
    licences = {
        name: str(found.manifest["licence"]) for name, found in generated.items() if "licence" in found.manifest
    }
    drawn = [name for name, found in generated.items() if verb_of(found.folder) == "generate"]
    online = drawn[0] if len(drawn) == 1 else None
    if online in licences:
        licences[ONLINE] = licences[str(online)]
    used = open_once(real).part(*trained_on(settings))
    if settings.first is not None and len(used.names) < settings.first:
        raise InputError(f"{real} has {len(used.names)} labelled samples to learn from, not {settings.first}.")
    return Inputs(
        task, frame, framing, open_once(real),
        pools={REAL: used, **datasets},
        photos={name: open_generated(original(folders[name])) for name in folders if kind_of(folders[name]) == PHOTOS},
        labels=labels_of(open_once(real), used, tested, chosen, settings.labels_part),
        test=tested, validation=chosen, folders=folders, licences=licences,
        foreign=tuple(name for name, folder in folders.items() if verb_of(folder) not in DRAWN),
        online=online, generated=generated,
        fingerprints={name: fingerprints[path.resolve()] for name, path in named.items()},
    )  # fmt: skip


def describe(labelled: LabelledDataset, settings: EvaluateSettings) -> Fingerprint:
    """The fingerprint of a dataset; samples that a person accepted belong to it where they are learnt otherwise."""
    found = labelled.describe()
    accepted = sorted(name for name, said in labelled.reviewed.items() if said.decision == "accept")
    if accepted and settings.about_machine:
        found["fingerprint"] = hashlib.sha256(repr((found["fingerprint"], accepted)).encode()).hexdigest()
    return found


def trained_on(settings: EvaluateSettings) -> tuple[int, int | None]:
    """Which of the real samples, in sorted order, are trained on: the first, and the one after the last."""
    return settings.skip, None if settings.first is None else settings.skip + settings.first


def labels_of(
    real: LabelledDataset,
    used: LabelledDataset,
    test: LabelledDataset,
    chosen: LabelledDataset | None,
    part: str | None,
) -> tuple[str, ...]:
    """Names of the real samples that are labels of some budget, see `EvaluateSettings.labels_part`.

    Raises:
        InputError: the part of them is empty.
    """
    labels = real if test.source is real.source else used
    if part is not None:
        labels = real.part(*part_bounds(part))
    inside = [data for data in (test, chosen) if data is not None and data.source is real.source]
    others = {name for data in inside for name in data.names}
    return tuple(name for name in labels.names if name not in others)


def named_datasets(datasets: Sequence[Path]) -> dict[str, Path]:
    """The datasets by the names of their pools.

    Raises:
        InputError: two cannot be told apart, or a `job.json` is damaged.
    """
    return dict(zip(pool_names(datasets, [kind_of(folder) for folder in datasets]), datasets, strict=True))


def kind_of(folder: Path) -> str:
    """What a dataset is, by the verb that made it: labelled photos, or synthetic images like any data of no verb.

    One that was converted is what it was before.

    Raises:
        InputError: its `job.json` is damaged.
    """
    return PHOTOS if verb_of(original(folder)) == "label" else SYNTHETIC


def as_generated(folder: Path) -> GeneratedDataset | None:
    """The dataset with its manifest; None if the folder is any other labelled data.

    Raises:
        InputError: a verb began it and did not finish it.
    """
    verb = verb_of(folder)
    if verb is not None:
        require_done(folder, verb)
    return open_generated(folder) if verb in VERBS else None


def agreed(
    folders: dict[str, Path], generated: dict[str, GeneratedDataset], settings: EvaluateSettings
) -> tuple[Task, Frame, Framing]:
    """The task, image size and framing of all datasets; without any, of the real labels.

    Labelled data without a manifest is read and framed as the others say.

    Raises:
        InputError: one lacks the labels that are asked for.
        MismatchError: two generated datasets differ in labels, image size or framing.
    """
    if not generated:
        return stated_by_labels(folders, settings)
    first, *others = generated
    name = settings.task or next(iter(generated[first].tasks()))

    def same(what: str, of: Callable[[GeneratedDataset], object]) -> None:
        for other in others:
            if of(generated[other]) != of(generated[first]):
                raise MismatchError(
                    f"{folders[other]} and {folders[first]} differ in their {what}, "
                    f"{of(generated[other])} and {of(generated[first])}: evaluate them one by one."
                )

    for pool, dataset in generated.items():
        if name not in dataset.tasks():
            raise InputError(
                f"{folders[pool]} has labels for {', '.join(dataset.tasks())}, not for {name}: choose one of them."
            )
    same(f"{name} labels", lambda dataset: dataset.tasks()[name].schema)
    same("image size", lambda dataset: "x".join(map(str, dataset.manifest["image_size"])))
    same("framing", lambda dataset: dataset.manifest.get("framing", "crop"))
    manifest = generated[first].manifest
    height, width = manifest["image_size"]
    framing: Framing = manifest.get("framing", "crop")
    if settings.frame is not None and frame_of(settings.frame) != (height, width):
        raise MismatchError(
            f"{folders[first]} has images of {height}x{width}, not of {settings.frame}: leave frame out."
        )
    if settings.framing not in {None, framing}:
        raise MismatchError(f"{folders[first]} is framed by {framing}, not by {settings.framing}: leave framing out.")
    return generated[first].tasks()[name], (height, width), framing


def stated_by_labels(folders: dict[str, Path], settings: EvaluateSettings) -> tuple[Task, Frame, Framing]:
    """The same of the first labelled data without a manifest: as its labels and the settings say.

    Unless they say it, images are as large as the first one, and photos are cropped. Of real labels only those that are
    trained on count: the range of depths must not follow from the test.
    """
    pool, path = next(iter(folders.items()))
    wanted, framing = settings.task, settings.framing or "crop"
    tasks = None if wanted is None else [wanted]
    labelled = open_labelled(path, settings.labels, tasks, settings.corrections)
    name = wanted or next(iter(labelled.kinds))
    height, width = labelled.image(labelled.names[0]).shape[:2]
    frame = (height, width) if settings.frame is None else frame_of(settings.frame)
    only = replace(labelled, kinds={name: labelled.kinds[name]})
    if pool == REAL:
        only = only.part(*trained_on(settings))
    labels = only.load(frame, framing, enlarge=True)[1][name]
    schema = only.tasks[name].learning.infer_schema(labels, str(path))
    return make_task(name, schema), frame, framing
