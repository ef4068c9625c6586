"""Labelled samples by name: which files hold image and labels of each, and what reads them."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import decode_image, image_size
from handsoff.datasets.corrections import CorrectedLabel, Correction, Review
from handsoff.datasets.framing import frame_sample
from handsoff.datasets.sources import Source
from handsoff.tasks.base import Label, Labels, Parse, StorageLocation, Task


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
        gaps: why kinds of label were left out, a sentence → the tasks.
    """

    source: Source
    names: tuple[str, ...]
    images: dict[str, str]
    kinds: dict[str, LabelKind]
    reviewed: dict[str, Correction] = field(default_factory=dict)
    gaps: dict[str, list[str]] = field(default_factory=dict)

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
