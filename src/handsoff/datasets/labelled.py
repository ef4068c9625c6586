"""Labelled data as a folder or zip: `images/NAME.ext` and labels of one kind or several, each where its task says.

The layout may lie one folder deep (a zip made by zipping a folder). Whatever else lies there is left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.reviewed import Use
from handsoff.datasets.corrections import FOLDER, CorrectedLabel, Corrections, is_corrections
from handsoff.datasets.doubts import doubts
from handsoff.datasets.layout import GapError, Layout, called_alike, layout_of, misnamed, refuse_gaps
from handsoff.datasets.samples import LabelKind, LabelledDataset
from handsoff.datasets.sources import Source, open_source
from handsoff.tasks import TASKS, make_task, task_type
from handsoff.tasks.base import Parse, StorageLocation, Task

Options = Mapping[str, Mapping[str, Any]]  # task → what the user says about its labels, such as {"merge": …}
Schemas = Mapping[str, dict[str, Any]]  # task → schema, as in a dataset's manifest


def open_labelled(
    path: Path,
    options: Options | None = None,
    tasks: Sequence[str] | None = None,
    corrections: Use | None = None,
) -> LabelledDataset:
    """List the samples of a folder or zip; of their labels one or two are read, to see whether they make sense.

    Args:
        path: the folder or zip.
        options: what the user says about the labels, by task.
        tasks: the kinds of label that are needed; None: every kind there is.
        corrections: what to do with those of a person: apply them, unless this says "ignore" or "only".

    Raises:
        InputError: it lacks images or labels, an image and a label are without the other, a file about them is
            wrong, all masks hold 0 and 255 only, or corrections do not fit.
        UnknownNameError: there is no such task.
    """
    dataset = list_labelled(open_source(path, corrections), options, tasks)
    for why in dataset.gaps:
        raise GapError(f"{why.removesuffix('.')}, or set the task to {' or '.join(dataset.kinds)}.")
    for sentence in doubts(dataset.tasks, dataset.names, dataset.label):
        raise InputError(f"{path}: {sentence}.")
    return dataset


def list_labelled(
    source: Source, options: Options | None = None, tasks: Sequence[str] | None = None
) -> LabelledDataset:
    """As `open_labelled`, without a look at the labels; without `tasks`, kinds that some images lack are left out.

    The dataset's `gaps` say which.
    """
    for task in {**(options or {}), **dict.fromkeys(tasks or ())}:
        task_type(task)
    path = source.path
    layout = layout_of(source)
    images = layout.images()
    kinds: dict[str, LabelKind] = {}
    gaps: dict[str, list[str]] = {}  # what is missing → the tasks that are left out for it
    for task in tasks or TASKS:
        try:
            found = find_kind(layout, images, task, (options or {}).get(task, {}))
        except GapError as error:
            gaps.setdefault(str(error), []).append(task)
            continue
        if found:
            kinds[task] = found
        elif tasks:
            raise InputError(f"{path} has no labels for {task}: {wanted(task)}.")
    if gaps and (tasks or not kinds):
        raise GapError(next(iter(gaps)))
    if not kinds:
        renaming = misnamed(source)
        raise InputError(f"{path} has images but no labels: {renaming or ', or '.join(map(wanted, TASKS))}.")
    dataset = LabelledDataset(source, tuple(sorted(images)), images, kinds, gaps=gaps)
    refuse_inner_corrections(layout)
    return dataset if source.corrections is None else corrected(dataset, source.corrections)


def open_like(path: Path, schemas: Schemas, corrections: Use | None = None) -> LabelledDataset:
    """As `open_labelled`, the labels read as these schemas say: the samples become comparable with a dataset's.

    Raises:
        InputError: as `open_labelled`.
        MismatchError: the labels cannot be read so.
    """
    dataset = open_labelled(path, tasks=list(schemas), corrections=corrections)
    layout, kinds = layout_of(dataset.source), {}
    for name, kind in dataset.kinds.items():
        card, where = layout.card(kind.task.card)
        task = make_task(name, schemas[name])
        kinds[name] = replace(kind, task=task, parses=bound(task, card, where, kind.location), card=card)
    return replace(dataset, kinds=kinds)


def find_kind(layout: Layout, images: dict[str, str], task: str, options: Mapping[str, Any]) -> LabelKind | None:
    """The labels of a task at the first of its locations where there are any."""
    kind, path = task_type(task), layout.source.path
    for location in kind.locations:
        files, entries = (called_alike(images, found) for found in layout.labels(location))
        if not files:
            continue
        refuse_gaps(layout, images, files, location)
        card, where = layout.card(kind.card)
        example = next((kind.first_entry(entries[name], f"{path / files[name]}: {name}") for name in entries), None)
        made = make_task(task, kind.declare(card, where, options, example))
        if options and isinstance(card, dict | None):  # what the user says counts more than the card
            card = {**(card or {}), **options}
        return LabelKind(made, bound(made, card, where, location), location, card, files, entries)
    return None


def bound(task: Task, card: Any, where: str, location: StorageLocation) -> dict[str, Parse]:
    """How labels are read from where a dataset keeps them, and from where corrected ones are written."""
    return {
        place.folder: task.storage.bind(card, where, place) for place in dict.fromkeys((task.locations[0], location))
    }


def corrected(dataset: LabelledDataset, corrections: Corrections) -> LabelledDataset:
    """The dataset as a person left it: without rejected samples, and with corrected labels in place.

    Raises:
        InputError: as `reviewed`, or nothing is left.
    """
    found = reviewed(dataset, corrections)
    decisions = {name: record.decision for name, record in found.reviewed.items()}
    names = tuple(
        name
        for name in found.names
        if decisions.get(name) != "reject"
        if not corrections.only or decisions.get(name) == "accept" or found.touched(name)
    )
    if not names:
        why = "nobody accepted or corrected a sample of it" if corrections.only else "all of its samples are rejected"
        raise InputError(
            f"{dataset.source.path}: {why}, see {corrections.folder}: review it, or ignore the corrections."
        )
    return replace(found, names=names)


def reviewed(dataset: LabelledDataset, corrections: Corrections) -> LabelledDataset:
    """The dataset with corrected labels in place, and what was said about its samples; rejected ones stay in.

    Labels that are derived from others (normals from depth) follow the corrections of those.

    Raises:
        InputError: corrections are of samples that are not there or have another image now.
    """
    records = called_alike(dataset.images, corrections.records())
    kinds = {}
    for name, kind in dataset.kinds.items():
        labels: dict[str, CorrectedLabel] = {}
        for location in dict.fromkeys((kind.location, kind.task.locations[0])):
            labels |= called_alike(dataset.images, corrections.labels(location))
        kinds[name] = replace(kind, corrected=labels)
    touched = {name for kind in kinds.values() for name in kind.corrected}
    for name in sorted({*records, *touched} - dataset.images.keys()):
        raise InputError(
            f"{corrections.folder} has a correction of {name!r}, and {dataset.source.path} has no such sample: restore "
            f"its image, or remove {corrections.record_file(name)} and the corrected labels of that name."
        )
    for name, record in records.items():
        if dataset.source.sizes[dataset.images[name]] != record.image_bytes:
            raise InputError(
                f"{corrections.record_file(name)} was written for another image than "
                f"{dataset.source.path / dataset.images[name]}: remove it and the corrected labels of that name, or "
                "restore the image."
            )
    return replace(dataset, kinds=kinds, reviewed=records)


def refuse_inner_corrections(layout: Layout) -> None:
    """Refuse corrections that were made of a part of the dataset alone, for they would not be applied.

    Raises:
        InputError: there are such.
    """
    path = layout.source.path
    for place in dict.fromkeys((layout.top, *(f"{layout.top}{split}" for split in layout.splits))):
        if place and is_corrections(path / place / FOLDER):
            raise InputError(f"{path / place} has corrections of its own: give that folder, or move them away.")


def wanted(task: str) -> str:
    """What a dataset must hold for a task, for a sentence."""
    return f"add {' or '.join(location.example for location in task_type(task).locations)}"
