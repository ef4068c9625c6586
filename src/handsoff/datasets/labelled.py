"""Labelled data as a folder or zip: `images/NAME.ext` and labels of one kind or several, each where its task says.

The layout may lie one folder deep (a zip made by zipping a folder). Whatever else lies there is left alone.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import png, write_bytes, write_json, write_lines
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import decode_image, image_size
from handsoff.core.reviewed import Use
from handsoff.datasets.corrections import FOLDER, CorrectedLabel, Correction, Corrections, Review, is_corrections
from handsoff.datasets.doubts import doubts
from handsoff.datasets.framing import frame_sample
from handsoff.datasets.layout import GapError, Layout, called_alike, layout_of, misnamed, refuse_gaps
from handsoff.datasets.sources import Source, open_source
from handsoff.tasks import TASKS, make_task, task_type
from handsoff.tasks.base import Label, Labels, Parse, StorageLocation, Task

Options = Mapping[str, Mapping[str, Any]]  # task → what the user says about its labels, such as {"merge": …}
Schemas = Mapping[str, dict[str, Any]]  # task → schema, as in a dataset's manifest


@dataclass(frozen=True)
class LabelKind:
    """One kind of label of a dataset.

    Attributes:
        task: what the labels are.
        parses: location's folder → what reads this dataset's labels there as labels of `task`.
        location: the one of the task's locations that they are read from.
        card: what the dataset (and its user) says about them.
        files: sample name → the file that holds its label.
        entries: sample name → its label in that file, where one JSON file holds all of them.
        corrected: sample name → the label that a person made instead.
    """

    task: Task
    parses: dict[str, Parse]
    location: StorageLocation
    card: Any
    files: dict[str, str]
    entries: dict[str, Any]
    corrected: dict[str, CorrectedLabel] = field(default_factory=dict)

    @property
    def derived(self) -> bool:
        """Whether the labels are made from labels of another kind, such as normals from depth."""
        return self.location != self.task.locations[0]


@dataclass(frozen=True)
class LabelledDataset:
    """Images with their labels.

    Attributes:
        source: the folder or zip.
        names: sample names (NAME), sorted.
        images: name → file in the source.
        kinds: task → its labels.
        reviewed: sample name → what a person said about it, rejected samples too, where corrections are applied.
    """

    source: Source
    names: tuple[str, ...]
    images: dict[str, str]
    kinds: dict[str, LabelKind]
    reviewed: dict[str, Correction] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"LabelledDataset({str(self.source.path)!r}, {len(self.names)} samples, {', '.join(self.kinds)})"

    @property
    def tasks(self) -> dict[str, Task]:
        return {name: kind.task for name, kind in self.kinds.items()}

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """The image of one sample, upright.

        Raises:
            InputError: it is not a whole image.
        """
        file = self.images[name]
        return decode_image(self.source.read(file), str(self.source.path / file))

    def sample(self, name: str) -> tuple[UInt8[np.ndarray, "h w 3"], dict[str, Label]]:
        """Image and labels of one sample, by task.

        Raises:
            InputError: one of them is not whole, or they do not go together.
        """
        image = self.image(name)
        size: Frame = (image.shape[0], image.shape[1])
        return image, {task: self.parsed(kind, name, size) for task, kind in self.kinds.items()}

    def parsed(self, kind: LabelKind, name: str, size: Frame) -> Label:
        """One label of one sample whose image is of `size`.

        Raises:
            InputError: it is not whole, or not of this size.
        """
        if name in kind.corrected:
            label = kind.corrected[name]
            return kind.parses[label.location.folder](label.read(), str(label.file), size)
        place = str(self.source.path / kind.files[name])
        where = f"{place}: {name}" if kind.entries else place
        return kind.parses[kind.location.folder](self.stored(kind, name), where, size)

    def stored(self, kind: LabelKind, name: str) -> Any:
        """A label as it lies on the disk: bytes, or a JSON entry.

        Raises:
            InputError: it cannot be read.
        """
        if name in kind.corrected:
            return kind.corrected[name].read()
        return kind.entries[name] if kind.entries else self.source.read(kind.files[name])

    def touched(self, name: str) -> tuple[str, ...]:
        """The tasks whose label of a sample a person corrected."""
        return tuple(task for task, kind in self.kinds.items() if name in kind.corrected)

    def label(self, task: str, name: str) -> Label:
        """One label of one sample. Of its image only the size is read.

        Raises:
            InputError: the label is not whole, or it and the image do not go together.
        """
        file = self.images[name]
        return self.parsed(self.kinds[task], name, image_size(self.source.read(file), str(self.source.path / file)))

    def review(self) -> Review | None:
        """What a person did with the dataset, None where no corrections are applied."""
        if self.source.corrections is None:
            return None
        decisions = [record.decision for record in self.reviewed.values()]
        corrected = {name for kind in self.kinds.values() for name in kind.corrected}.intersection(self.names)
        return Review(decisions.count("accept"), decisions.count("reject"), len(corrected))

    def part(self, start: int, stop: int | None) -> "LabelledDataset":
        """The samples `names[start:stop]`.

        Raises:
            InputError: there are none.
        """
        names = self.names[start:stop]
        if not names:
            wanted = f"from number {start} on" if stop is None else f"from number {start} to before {stop}"
            raise InputError(
                f"{self.source.path} has {len(self.names)} labelled samples and none {wanted}: choose others "
                f"or add samples."
            )
        return replace(self, names=names)

    def load(
        self, frame: Frame, framing: Framing = "crop", *, enlarge: bool = False
    ) -> tuple[UInt8[np.ndarray, "n h w 3"], dict[str, Labels]]:
        """All samples in the frame: images, and labels by task; see `framing.frame_photo`.

        Raises:
            InputError: as `sample`, or an image is smaller than the frame and `enlarge` is not set.
        """

        def read(name: str) -> tuple[UInt8[np.ndarray, "h w 3"], dict[str, Label]]:
            image, labels = self.sample(name)
            where = str(self.source.path / self.images[name])
            return frame_sample(image, labels, self.tasks, frame, framing, where, enlarge=enlarge)

        with ThreadPoolExecutor() as pool:
            found = list(pool.map(read, self.names))
        return np.stack([image for image, _ in found]), {
            task: np.stack([labels[task] for _, labels in found]) for task in self.kinds
        }

    def describe(self) -> dict[str, str]:
        """Path and fingerprint, for a report.

        The fingerprint is of the chosen samples and of what their labels mean, wherever they lie.
        """
        digest = hashlib.sha256()
        for task, kind in self.kinds.items():
            digest.update(json.dumps([task, kind.task.schema, kind.card]).encode())
        for name in self.names:
            digest.update(json.dumps(name).encode() + hashlib.sha256(self.source.read(self.images[name])).digest())
            for kind in self.kinds.values():
                stored = self.stored(kind, name)
                data = stored if isinstance(stored, bytes) else json.dumps(stored).encode()
                digest.update(hashlib.sha256(data).digest())
        return {"path": str(self.source.path.resolve()), "fingerprint": digest.hexdigest()}


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
        tasks: the kinds of label that are needed; None: every kind that all images have.
        corrections: what to do with those of a person: apply them, unless this says "ignore" or "only".

    Raises:
        InputError: it lacks images or labels, an image and a label are without the other, a file about them is
            wrong, all masks hold 0 and 255 only, or corrections do not fit.
        UnknownNameError: there is no such task.
    """
    dataset = list_labelled(open_source(path, corrections), options, tasks)
    for sentence in doubts(dataset.tasks, dataset.names, dataset.label):
        raise InputError(f"{path}: {sentence}.")
    return dataset


def list_labelled(
    source: Source, options: Options | None = None, tasks: Sequence[str] | None = None
) -> LabelledDataset:
    """As `open_labelled`, without a look at the labels."""
    for task in {**(options or {}), **dict.fromkeys(tasks or ())}:
        task_type(task)
    path = source.path
    layout = layout_of(source)
    images = layout.images()
    kinds: dict[str, LabelKind] = {}
    gaps: list[InputError] = []
    for task in tasks or TASKS:
        try:
            found = find_kind(layout, images, task, (options or {}).get(task, {}))
        except GapError as error:
            gaps.append(error)
            continue
        if found:
            kinds[task] = found
        elif tasks:
            raise InputError(f"{path} has no labels for {task}: {wanted(task)}.")
    if gaps and (tasks or not kinds):
        raise gaps[0]
    if not kinds:
        renaming = misnamed(source)
        raise InputError(f"{path} has images but no labels: {renaming or ', or '.join(map(wanted, TASKS))}.")
    dataset = LabelledDataset(source, tuple(sorted(images)), images, kinds)
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
    kind = task_type(task)
    for location in kind.locations:
        files, entries = (called_alike(images, found) for found in layout.labels(location))
        if not files:
            continue
        card, where = layout.card(kind.card)
        made = make_task(task, kind.declare(card, where, options, next(iter(entries.values()), None)))
        refuse_gaps(layout, images, files, location)
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


def write_sample(
    folder: Path,
    name: str,
    image: UInt8[np.ndarray, "h w 3"],
    labels: Mapping[str, Label],
    tasks: Mapping[str, Task],
    copied: tuple[bytes, str] | None = None,
) -> dict[str, Any]:
    """Write `images/NAME.png` and the labels that are files, each atomically; return the others, for `write_cards`.

    `copied` is a file that shows `image` already, and its suffix: it is taken as it is.
    """
    data, suffix = copied or (png(image), ".png")
    write_bytes(folder / "images" / f"{name}{suffix}", data)
    rest = {}
    for task, label in labels.items():
        location, stored = tasks[task].locations[0], tasks[task].storage.serialise(label)
        if location.suffixes:
            write_bytes(folder / location.folder / f"{name}{location.suffixes[0]}", stored)
        else:
            rest[task] = stored
    return rest


def remove_sample(folder: Path, name: str, tasks: Mapping[str, Task]) -> None:
    """Take away what `write_sample` wrote."""
    (folder / "images" / f"{name}.png").unlink(missing_ok=True)
    for task in tasks.values():
        for suffix in task.locations[0].suffixes[:1]:
            (folder / task.locations[0].folder / f"{name}{suffix}").unlink(missing_ok=True)


def write_cards(folder: Path, tasks: Mapping[str, Task], rests: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write what the labels mean (`classes.json`, …) and the labels that share a file.

    Args:
        folder: the dataset.
        tasks: its kinds of label.
        rests: sample name → what `write_sample` returned.
    """
    for name, task in tasks.items():
        for file, content in task.storage.cards().items():
            write_json(folder / file, content)
        if not task.locations[0].suffixes:
            write_entries(folder, task, ((sample, rest[name]) for sample, rest in (rests or {}).items()))


def write_entries(folder: Path, task: Task, labels: Iterable[tuple[str, Any]]) -> None:
    """Write the labels of a task that share a file, each as it comes: sample name, and the label as it is stored."""
    lines = (f" {json.dumps(name, ensure_ascii=False)}: {json.dumps(label)}" for name, label in labels)
    write_lines(folder / f"{task.locations[0].folder}.json", itertools.chain(["{"], with_commas(lines), ["}"]))


def with_commas(lines: Iterable[str]) -> Iterator[str]:
    """The lines, a comma after each but the last; an empty one where there is none."""
    last: str | None = None
    for line in lines:
        if last is not None:
            yield f"{last},"
        last = line
    yield last or ""
