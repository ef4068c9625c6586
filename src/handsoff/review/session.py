"""One dataset under review: its samples, what people said about them so far, and their next changes, one by one.

Every change is on the disk before it is answered. A change names the version of the sample that it was made on; if
somebody else was faster, nothing is written and `ConflictError` tells what is there now.
"""

import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import sha256, write_bytes
from handsoff.core.frames import Frame
from handsoff.core.images import image_size
from handsoff.datasets.corrections import (
    CorrectedLabel,
    Correction,
    Corrections,
    Decision,
    corrections_folder,
    label_hash,
    now,
    user_name,
)
from handsoff.datasets.generated import MANIFEST, SAMPLES, VERBS, GeneratedDataset, Record, open_generated
from handsoff.datasets.labelled import open_labelled, open_like, reviewed
from handsoff.datasets.samples import LabelledDataset
from handsoff.inversion.invert import LABELS
from handsoff.jobs.folder import require_done, verb_of
from handsoff.review.history import Change, History
from handsoff.tasks.base import Label, Task

REMEMBERED = 10_000  # changes that other windows can ask for


class ConflictError(HandsOffError):
    """A change was made on a version of a sample that is no longer the newest one.

    Attributes:
        current: its record now.
        corrected: the tasks whose label is corrected now.
    """

    def __init__(self, name: str, current: Correction, corrected: Iterable[str]) -> None:
        super().__init__(
            f"{name} was changed meanwhile (version {current.version}, {current.decision}): look at it again."
        )
        self.current, self.corrected = current, corrected


class NoSuchSampleError(HandsOffError):
    """A sample or a kind of label that the dataset does not have."""


@dataclass
class Session:
    """A dataset under review.

    Attributes:
        dataset: the samples as they were made, also those that were rejected.
        corrections: where a person's work goes.
        generated: the dataset's own account, where `handsoff generate` or `handsoff label` made it.
        records: sample name → what was said about it.
        corrected: sample name → task → its corrected label, as far as is known: see `corrections_of`.
        lock: held while something is changed.
        history: what the windows can take back.
    """

    dataset: LabelledDataset
    corrections: Corrections
    generated: GeneratedDataset | None
    records: dict[str, Correction] = field(default_factory=dict)
    corrected: dict[str, dict[str, CorrectedLabel]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    changes: deque[tuple[int, str, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    history: History = field(default_factory=History)
    clock: int = field(default_factory=lambda: time.time_ns() // 1000)

    @property
    def tasks(self) -> dict[str, Task]:
        return self.dataset.tasks

    @property
    def is_drawn(self) -> bool:
        """Whether a generator made the images, so that their latents are known."""
        return self.generated is not None and self.generated.manifest.get("source") != "photos"

    @cached_property
    def identity(self) -> str:
        """What tells the dataset from others: the same whenever it is opened, another one once it was made anew."""
        source, kinds = self.dataset.source, self.dataset.kinds.values()
        files = {*self.dataset.images.values(), *(file for kind in kinds for file in kind.files.values())}
        made = [] if self.generated is None else [self.generated.manifest, sha256(self.generated.folder / SAMPLES)]
        facts = [str(source.path.resolve()), sorted((file, source.sizes[file]) for file in files), made]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def reread(self) -> None:
        """Read again what was said and corrected; whoever holds the corrections' lock knows then that it stays so.

        Raises:
            InputError: a record is damaged, or the corrections do not fit the dataset.
        """
        found = reviewed(self.dataset, self.corrections)
        self.records, self.corrected = found.reviewed, {}
        for task, kind in found.kinds.items():
            for name, label in kind.corrected.items():
                self.corrected.setdefault(name, {})[task] = label

    def account(self) -> dict[str, Record]:
        """Sample name → its line of samples.jsonl, where there are such lines."""
        return {} if self.generated is None else {record["name"]: record for record in self.generated.records()}

    def known(self, name: str, task: str | None = None) -> None:
        """Refuse what the dataset does not have: the only way from a request to a file leads through here.

        Raises:
            NoSuchSampleError: it has no such sample or kind of label.
        """
        if name not in self.dataset.images:
            raise NoSuchSampleError(f"The dataset has no sample {name!r}.")
        if task is not None and task not in self.tasks:
            raise NoSuchSampleError(f"The dataset has no labels for {task!r}, only for {', '.join(self.tasks)}.")

    def record(self, name: str) -> Correction:
        """What was said about a sample; an empty record where nothing was."""
        return self.records.get(name) or Correction(image_bytes=self.dataset.source.sizes[self.dataset.images[name]])

    def decision(self, name: str) -> Decision:
        record = self.records.get(name)
        return "undecided" if record is None else record.decision

    def image_file(self, name: str) -> bytes:
        self.known(name)
        return self.dataset.source.read(self.dataset.images[name])

    def size(self, name: str) -> Frame:
        """(H, W) of a sample's image."""
        return image_size(self.image_file(name), name)

    def corrections_of(self, name: str) -> dict[str, CorrectedLabel]:
        """Task → the corrected label of a sample. Files count: a person may remove them, or put them there."""
        places = {task: self.corrections.label(kind, name) for task, kind in self.tasks.items()}
        before = self.corrected.get(name, {})
        found = {task: label for task, label in {**places, **before}.items() if label.file.is_file()}
        if found != before:
            with self.lock:
                self.corrected[name] = found
                self.clock += 1  # lists of the queue change with it
        return found

    def label(self, task: str, name: str) -> Label:
        """A label as it is now.

        Raises:
            NoSuchSampleError: there is none.
            InputError: it is damaged.
        """
        self.known(name, task)
        stored = self.corrections_of(name).get(task)
        if stored is None:
            return self.dataset.label(task, name)
        return self.parse(task, stored.read(), str(stored.file), self.size(name))

    def parse(self, task: str, stored: object, where: str, size: Frame) -> Label:
        """A label in the form of the task's first location, checked.

        Raises:
            InputError: it is no such label.
        """
        kind = self.dataset.kinds[task]
        return kind.parses[kind.task.locations[0].folder](stored, where, size)

    def decide(self, name: str, decision: Decision, version: int, window: str = "") -> Correction:
        """Write a decision.

        Raises:
            NoSuchSampleError: there is no such sample.
            ConflictError: the sample has another version.
        """
        self.known(name)
        with self.changing(name, version) as before:
            after = self.next(before, decision=decision)
            self.corrections.write_record(name, after)
            self.changed(Change(name, before, after.version), after, window)
        return after

    def correct(self, task: str, name: str, label: Label, version: int, window: str = "") -> Correction:
        """Write a corrected label; the one that the dataset has anyway is no correction, and takes back an earlier one.

        Raises:
            NoSuchSampleError: there is no such sample or kind of label.
            ConflictError: the sample has another version.
        """
        self.known(name, task)
        with self.changing(name, version) as before:
            found = label_hash(self.tasks[task], self.dataset.label(task, name))
            hashes = {task: found, **before.before}
            same = label_hash(self.tasks[task], label) == found
            if same:
                del hashes[task]
            after, stored = self.next(before, before=hashes), self.stored(task, name)
            with self.all_or_nothing(name, task, stored):
                if same:
                    self.restore(name, task, None)
                else:
                    self.corrections.write_label(self.tasks[task], name, label)
                self.corrections.write_record(name, after)
            self.changed(Change(name, before, after.version, (task, stored)), after, window)
        return after

    @contextmanager
    def all_or_nothing(self, name: str, task: str, stored: bytes | None) -> Iterator[None]:
        """Put the label back where its record cannot be written."""
        try:
            yield
        except BaseException:
            with suppress(HandsOffError, OSError):
                self.restore(name, task, stored)
            raise

    def undo(self, window: str = "") -> tuple[str, Correction]:
        """Take back the last change of a window; the name of its sample, and its record now.

        Raises:
            InputError: there is none.
            ConflictError: another window has changed the sample since; the change stays.
        """
        with self.lock:
            change = self.history.pop(window)
            current = self.record(change.name)
            if current.version != change.version:
                raise ConflictError(change.name, current, self.corrections_of(change.name))
            if change.label is not None:
                self.restore(change.name, *change.label)
            after = replace(change.before, version=current.version + 1, who=user_name(), when=now())
            self.corrections.write_record(change.name, after)
            self.records[change.name] = after
            self.note(change.name, window)
            self.history.regained(change.name, change.before.version, after.version)
        return change.name, after

    def restore(self, name: str, task: str, stored: bytes | None) -> None:
        """Put back what lay in the file of a corrected label."""
        if stored is None:
            self.corrections.remove_label(self.tasks[task], name)
        else:
            write_bytes(self.corrections.label(self.tasks[task], name).file, stored)

    def stored(self, task: str, name: str) -> bytes | None:
        """What lies in the file of a corrected label now; None where there is none."""
        label = self.corrections_of(name).get(task)
        return None if label is None else label.file.read_bytes()

    @contextmanager
    def changing(self, name: str, version: int) -> Iterator[Correction]:
        """Hold the lock, and give the record that a change begins from."""
        with self.lock:
            current = self.record(name)
            if current.version != version:
                raise ConflictError(name, current, self.corrections_of(name))
            yield current

    def next(self, current: Correction, **changes: object) -> Correction:
        """The record after a change."""
        return replace(current, version=current.version + 1, who=user_name(), when=now(), **changes)  # type: ignore[arg-type]  # fields of it

    def changed(self, change: Change, after: Correction, window: str) -> None:
        self.records[change.name] = after
        self.corrections_of(change.name)
        self.history.add(change, window)
        self.note(change.name, window)

    def note(self, name: str, window: str) -> None:
        self.clock += 1
        self.changes.append((self.clock, name, window))

    def changes_since(self, clock: int, window: str) -> tuple[int, list[str]]:
        """The time now, and the samples that other windows changed after `clock`."""
        with self.lock:
            found = [name for when, name, who in self.changes if when > clock and who != window]
            return self.clock, list(dict.fromkeys(found))

    def counts(self) -> dict[str, int]:
        """Decision → number of samples."""
        found = [record.decision for record in list(self.records.values())]
        decided = {"accept": found.count("accept"), "reject": found.count("reject")}
        return {**decided, "undecided": len(self.dataset.names) - sum(decided.values())}

    def taught(self) -> list[str]:
        """The samples whose labels a person accepted or corrected, and did not reject."""
        accepted = {name for name, record in list(self.records.items()) if record.decision == "accept"}
        chosen = accepted | {name for name, tasks in list(self.corrected.items()) if tasks}
        return [name for name in self.dataset.names if name in chosen and self.decision(name) != "reject"]


def open_session(path: Path) -> Session:
    """Open a dataset for review: generated samples, labelled or inverted photos, or any labelled folder or zip.

    Raises:
        InputError: it is none, is not finished, or its corrections do not fit.
    """
    generated, folder = open_generated(path) if verb_of(path) in VERBS else None, dataset_folder(path)
    dataset = (
        open_labelled(folder, corrections="ignore")
        if generated is None
        else open_like(folder, generated.manifest["tasks"], corrections="ignore")
    )
    dataset = replace(dataset, kinds={name: kind for name, kind in dataset.kinds.items() if not kind.derived})
    session = Session(dataset, Corrections(corrections_folder(folder)), generated)
    session.reread()
    return session


def dataset_folder(path: Path) -> Path:
    """The folder or zip of a dataset itself: that of photos which `handsoff invert` inverted lies in its folder.

    Raises:
        InputError: there is none, it is not finished, or its verb makes no dataset.
    """
    verb = verb_of(path)
    if verb is not None and verb in {*VERBS, "invert"}:
        require_done(path, verb)
    elif verb is not None and not (path / MANIFEST).is_file():
        raise InputError(
            f"{path} was made by handsoff {verb} and is no dataset: give one of handsoff generate, label, invert or "
            "convert, or a labelled folder."
        )
    folder = path / LABELS if verb == "invert" else path
    if not folder.exists():
        raise InputError(f"{folder} does not exist: give a dataset, as a folder or zip.")
    return folder
