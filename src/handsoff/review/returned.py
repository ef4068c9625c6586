"""The way back from another tool: what was finished there becomes corrections here.

`handsoff convert --format labelstudio --set queue=100` gives samples to a team; `handsoff correct DATASET EXPORT` takes
the export back. A sample that comes back counts as accepted, and its labels as corrected where they differ.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handsoff.core.errors import InputError, MismatchError
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import open_dataset
from handsoff.formats.samples import Dataset
from handsoff.jobs.lock import locked
from handsoff.jobs.progress import Progress, Work
from handsoff.review.session import Session, open_session
from handsoff.tasks.base import Label, Task

IDS = 256  # that a mask can hold
IGNORE = 255


@dataclass
class Returned:
    """An export on its way into the corrections of a dataset.

    Attributes:
        finished: samples that came back.
        changed: those of them whose labels differ from what the dataset had.
        notes: sentences about what was left alone.
    """

    session: Session
    export: Dataset
    where: str
    finished: int = 0
    changed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.session.corrections.folder

    def work(self) -> Work:
        """Take sample after sample; what is taken already stays as it is, so a killed run can be begun again.

        Raises:
            InputError: a label in the export is damaged, or its image has another size here.
            HandsOffError: the dataset is under review at this moment.
        """
        kept: list[str] = []
        with locked(self.folder):
            self.session.reread()  # others may have saved more until now
            for index, name in enumerate(self.export.names):
                self.take(name, kept)
                yield Progress("taking corrections", index + 1, len(self.export.names))
        kept = list(dict.fromkeys(kept))  # a sample once, whatever its labels
        if kept:
            self.notes.append(
                f"{len(kept)} samples had other corrections here already, which stay, such as {kept[0]}: remove those "
                f"in {self.folder} to take the ones of {self.where}."
            )
        return "made"

    def take(self, name: str, kept: list[str]) -> None:
        sample, size = self.export.read(name), self.session.size(name)
        if sample.size != size:
            found, wanted = ("x".join(map(str, sides)) for sides in (sample.size, size))
            raise InputError(f"{self.where}: {name} is an image of {found} pixels, and here of {wanted}: correct it.")
        self.finished += 1
        changed = False
        for task in self.tasks():
            label = translated(self.export.tasks[task], self.session.tasks[task], sample.labels[task], self.where)
            if same_label(self.session.tasks[task], label, self.session.label(task, name)):
                continue
            if task in self.session.corrections_of(name):
                kept.append(name)
                continue
            self.session.correct(task, name, label, self.session.record(name).version)
            changed = True
        self.changed += changed
        record = self.session.record(name)
        if record.decision == "undecided":
            self.session.decide(name, "accept", record.version)

    def tasks(self) -> list[str]:
        return [task for task in self.export.tasks if task in self.session.tasks]


def take_back(dataset: Path, export: Path, source: str | None = None) -> Returned:
    """Open an export of a dataset.

    Raises:
        InputError: the export cannot be read, or it has samples or classes that the dataset does not have.
        MismatchError: they have no kind of label in common, or their labels mean something else.
        UnknownNameError: `source` is no format.
    """
    session = open_session(dataset)
    found = open_dataset(open_source(export, "ignore"), source)
    strange = [name for name in found.names if name not in session.dataset.images]
    if strange:
        raise InputError(
            f"{export} has {strange[0]!r}, and {dataset} has no such sample: keep the names of the images in the other "
            "tool."
        )
    returned = Returned(session, found, str(export), notes=list(found.notes))
    if not returned.tasks():
        raise MismatchError(
            f"{export} has labels for {', '.join(found.tasks)}, {dataset} for {', '.join(session.tasks)}."
        )
    for task in returned.tasks():
        check_parts(found.tasks[task], session.tasks[task], str(export))
    return returned


def check_parts(theirs: Task, ours: Task, where: str) -> None:
    """Refuse labels that cannot be translated.

    Raises:
        InputError: there is a class that the dataset does not have.
        MismatchError: points, or whatever the parts are, are others.
    """
    strange = [part for part in theirs.parts if part not in ours.parts]
    if ours.drawing.editor == "mask" and strange:
        raise InputError(
            f"{where} has the class {strange[0]!r}, which the dataset does not have: rename it there; the classes are "
            f"{', '.join(ours.parts)}."
        )
    if ours.drawing.editor != "mask" and theirs.parts != ours.parts:
        raise MismatchError(
            f"{where} has labels for {', '.join(theirs.parts)}, the dataset for {', '.join(ours.parts)}."
        )


def translated(theirs: Task, ours: Task, label: Label, where: str) -> Label:
    """A label in the dataset's own ids."""
    check_parts(theirs, ours, where)
    if theirs.parts == ours.parts or ours.drawing.editor != "mask":
        return label
    table = np.full(IDS, IGNORE, np.uint8)
    table[: len(theirs.parts)] = [ours.parts.index(part) for part in theirs.parts]
    return table[label]


def same_label(task: Task, one: Label, other: Label) -> bool:
    """Whether two labels are stored alike."""
    return bool(task.storage.serialise(one) == task.storage.serialise(other))
