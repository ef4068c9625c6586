"""What a person decided about a dataset's samples and corrected in their labels: beside the dataset, never over it.

`DATASET/corrections/`, of a zip `NAME.zip.corrections/` beside it, holds

- `corrections.json`: says what the folder is.
- `samples/NAME.json`: a `Correction` per sample that somebody looked at.
- `LOCATION/NAME.png` (or another suffix): a corrected label, as its task stores labels at its first location. Of a task
  that keeps all labels in one file it is `LOCATION/NAME.json`, with the entry of this sample.
- `labeler-K/`: labelers that were fitted again to these labels.

A corrected label counts as soon as its file is there; the sample's record is written after it.
"""

import getpass
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from handsoff.core.errors import InputError
from handsoff.core.files import parse_json, read_record, sha256, write_bytes, write_json
from handsoff.core.reviewed import Use
from handsoff.tasks import TASKS
from handsoff.tasks.base import Label, StorageLocation, Task

FOLDER, CARD, SAMPLES = "corrections", "corrections.json", "samples"
FORMAT = 1
Decision = Literal["accept", "reject", "undecided"]


@dataclass(frozen=True)
class Correction:
    """What a person said about one sample.

    Attributes:
        decision: accept, reject, or not decided yet.
        version: counts the changes of this sample.
        image_bytes: size of the image's file; a correction does not serve another image of the same name.
        who, when: the last change: the user's name on this machine, and the time (UTC, ISO 8601).
        before: task → SHA-256 of the label that the person found, as the task stores it, for every corrected label.
        notes: free text.
    """

    decision: Decision = "undecided"
    version: int = 0
    image_bytes: int = 0
    who: str = ""
    when: str = ""
    before: dict[str, str] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True)
class Review:
    """How many samples of a dataset a person accepted, rejected (they are left out), and corrected."""

    accepted: int = 0
    rejected: int = 0
    corrected: int = 0

    def sentence(self) -> str:
        """For a card or a report."""
        return (
            f"A person reviewed the labels: {self.corrected:,} samples have labels that were corrected by hand, "
            f"{self.accepted:,} were accepted, {self.rejected:,} were rejected and are left out."
        )


@dataclass(frozen=True)
class CorrectedLabel:
    """The file of a corrected label, and the location whose form it has."""

    file: Path
    location: StorageLocation

    def read(self) -> Any:
        """As the dataset itself would store it: bytes, or a JSON entry.

        Raises:
            InputError: it cannot be read.
        """
        try:
            data = self.file.read_bytes()
        except OSError as error:
            raise InputError(f"{self.file} cannot be read ({error.strerror}): restore or remove it.") from None
        return data if self.location.suffixes else parse_json(data, str(self.file))


@dataclass(frozen=True)
class Corrections:
    """The corrections of a dataset.

    Attributes:
        folder: where they lie.
        only: whether samples that nobody accepted or corrected are left out.
    """

    folder: Path
    only: bool = False

    def records(self) -> dict[str, Correction]:
        """Sample name → what was said about it.

        Raises:
            InputError: a record is damaged.
        """
        return {name: read_record(file, Correction) for name, file in named_files(self.folder / SAMPLES, ".json")}

    def record(self, name: str) -> Correction:
        """What was said about one sample; an empty record where nothing was.

        Raises:
            InputError: the record is damaged.
        """
        file = self.record_file(name)
        return read_record(file, Correction) if file.is_file() else Correction()

    def record_file(self, name: str) -> Path:
        return self.folder / SAMPLES / f"{name}.json"

    def labels(self, location: StorageLocation) -> dict[str, CorrectedLabel]:
        """Sample name → its corrected label at this location, for all samples that have one."""
        found = named_files(self.folder / location.folder, suffix_of(location))
        return {name: CorrectedLabel(file, location) for name, file in found}

    def label(self, task: Task, name: str) -> CorrectedLabel:
        """Where the corrected label of a sample lies, if there is one."""
        location = task.locations[0]
        return CorrectedLabel(self.folder / location.folder / f"{name}{suffix_of(location)}", location)

    def fingerprint(self) -> str:
        """Of all that decides how the dataset is read: decisions, and the files of corrected labels.

        Raises:
            InputError: a record is damaged.
        """
        digest = hashlib.sha256(json.dumps(self.only).encode())
        for name, record in self.records().items():
            if record.decision != "undecided":
                digest.update(json.dumps([name, record.decision]).encode())
        for location in dict.fromkeys(location for task in TASKS.values() for location in task.locations[:1]):
            for name, label in self.labels(location).items():
                digest.update(json.dumps([location.folder, name, sha256(label.file)]).encode())
        return digest.hexdigest()

    def begin(self) -> None:
        """Make the folder, with the file that says what it is."""
        if not (self.folder / CARD).is_file():
            write_json(self.folder / CARD, {"format": FORMAT, "made by": "handsoff review"})

    def write_record(self, name: str, record: Correction) -> None:
        self.begin()
        write_json(self.record_file(name), asdict(record))

    def write_label(self, task: Task, name: str, label: Label) -> None:
        """Write a label as corrected; the record of its sample is written afterwards."""
        self.begin()
        stored, place = task.storage.serialise(label), self.label(task, name)
        if place.location.suffixes:
            write_bytes(place.file, stored)
        else:
            write_json(place.file, stored)

    def remove_label(self, task: Task, name: str) -> None:
        self.label(task, name).file.unlink(missing_ok=True)


def find_corrections(path: Path, use: Use | None = None) -> Corrections | None:
    """The corrections of the dataset in a folder or zip; None where there are none, or they are to be ignored.

    Raises:
        InputError: only corrected samples are asked for, and there are no corrections.
    """
    folder = corrections_folder(path)
    if use != "ignore" and (folder / CARD).is_file():
        return Corrections(folder, only=use == "only")
    if use == "only":
        raise InputError(f"{path} has no corrections: accept or correct samples with handsoff review first.")
    return None


def corrections_folder(path: Path) -> Path:
    """Where the corrections of a dataset belong: in its folder, or beside its zip."""
    return path.with_name(f"{path.name}.{FOLDER}") if path.is_file() else path / FOLDER


def is_corrections(folder: Path) -> bool:
    """Whether a folder holds corrections, and thus no part of a dataset."""
    named = folder.name == FOLDER or folder.name.endswith(f".{FOLDER}")
    return named and (folder / CARD).is_file()


def corrections_in(folder: Path) -> Path | None:
    """The corrections of what lies in a folder, or in a folder of it such as the labels of latents; None without."""
    found = (corrections_folder(path) for path in (folder, *(entry for entry in folder.iterdir() if entry.is_dir())))
    return next(filter(is_corrections, found), None)


def suffix_of(location: StorageLocation) -> str:
    return location.suffixes[0] if location.suffixes else ".json"


def named_files(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Sample names and files below a folder, sorted; what is half written is left out."""
    for file in sorted(folder.rglob(f"*{suffix}")) if folder.is_dir() else ():
        if not file.name.startswith("."):
            yield file.relative_to(folder).as_posix().removesuffix(suffix), file


def label_hash(task: Task, label: Label) -> str:
    """SHA-256 of a label as the task stores it."""
    stored = task.storage.serialise(label)
    return hashlib.sha256(stored if isinstance(stored, bytes) else repr(stored).encode()).hexdigest()


def user_name() -> str:
    """Who is at this machine, "" where it does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
