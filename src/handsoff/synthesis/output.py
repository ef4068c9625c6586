"""Where samples go: files of a folder, or tar shards that lie in the folder or at a URL."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.places import Place
from handsoff.datasets.generated import UNCERTAINTY, Record, uncertainty_folder
from handsoff.datasets.shards import Extents
from handsoff.formats.exchange.webdataset import TarBytes, key_of, name_of, sample_files, suffix_of, tar_members
from handsoff.formats.samples import LabelledImage
from handsoff.jobs.folder import Plan
from handsoff.jobs.ledger import fit
from handsoff.synthesis.samples import FILES, MAP_AXES, REST, LabelledSample, Wanted, described, write_all
from handsoff.synthesis.settings import Selection
from handsoff.tasks import TASKS
from handsoff.tasks.base import Task

Tasks = Mapping[str, Task]
FOLDER = "shards"  # of tar shards
OWNER = f"{FOLDER}/.owner"  # at a URL: the hash of the plan that they are made by
SHARD = 64  # samples of a shard


@dataclass(frozen=True)
class FolderOutput:
    """Files of a folder.

    Attributes:
        out: the dataset.
    """

    out: Path

    def check(self, plan: Plan) -> None:
        """Nothing can be wrong that `open_job` has not found out."""

    def write(
        self,
        first: int,  # noqa: ARG002  # every sample has files of its own
        names: Sequence[str],
        samples: Iterable[LabelledSample],
        tasks: Tasks,
        wanted: Wanted,
    ) -> list[Record]:
        """Write the samples of a shard and return their records."""
        return write_all(self.out, names, samples, tasks, wanted)

    def is_whole(self, record: Record) -> bool:
        """Whether the files of a sample are there as they were written."""
        return fit(record[FILES], self.out)

    def stored(self) -> int:
        """How many samples lie in the folder."""
        return sum(1 for _ in (self.out / "images").glob("*.png"))

    def suffixes(self, tasks: Tasks) -> dict[str, str]:
        """Task → suffix of the files of its labels, where they have files."""
        return {name: task.locations[0].suffixes[0] for name, task in tasks.items() if task.locations[0].suffixes}

    def read(self, name: str) -> bytes:
        return (self.out / name).read_bytes()


@dataclass(frozen=True)
class TarOutput:
    """Tar shards as WebDataset reads them.

    A shard is written with all its samples. When it is known which of them stay, it is closed: read, and written again
    with these alone. Doing either twice gives the same bytes.

    Attributes:
        place: where the shards lie, in the folder `shards`.
    """

    place: Place

    def check(self, plan: Plan) -> None:
        """Find out whether shards can be written, and say at the URL whose they are.

        Raises:
            InputError: those of another plan lie there: they would be overwritten.
            HandsOffError: they cannot be written.
        """
        if not self.place.url:
            return
        self.place.check()
        mark = mark_of(plan)
        if self.place.read(OWNER) not in {None, mark}:
            raise InputError(
                f"The shards at {self.place.where} are those of other work: choose another url, or remove them there."
            )
        self.place.write(OWNER, mark)

    def write(
        self, first: int, names: Sequence[str], samples: Iterable[LabelledSample], tasks: Tasks, wanted: Wanted
    ) -> list[Record]:
        """Write the samples of a shard as one file, and return their records."""
        tar, records = TarBytes(), []
        for name, sample in zip(names, samples, strict=True):
            for file, data in sample_files(LabelledImage(name, sample.image, sample.labels), tasks):
                tar.add(file, data)
            for task, values in sample.uncertainty.items():
                if values.ndim == MAP_AXES:
                    pixels = np.rint(values * 255).astype(np.uint8)
                    tar.add(f"{key_of(name)}.{uncertainty_folder(tasks, task)}.png", png(pixels))
            rest = {
                task: tasks[task].storage.serialise(label)
                for task, label in sample.labels.items()
                if not tasks[task].locations[0].suffixes
            }
            records.append({**described(name, sample, tasks, wanted), REST: rest})
        if records:
            self.place.write(shard_file(first), tar.whole())
        return records

    def stored(self) -> int:
        """About how many samples lie in the folder; 0 where the shards lie at a URL."""
        return 0 if self.place.url else SHARD * sum(1 for _ in (Path(self.place.where) / FOLDER).glob("*.tar"))

    def suffixes(self, tasks: Tasks) -> dict[str, str]:
        """As `FolderOutput.suffixes`."""
        return {name: suffix_of(task) for name, task in tasks.items() if task.locations[0].suffixes}

    def close(self, first: int, kept: Sequence[str], tasks: Tasks) -> tuple[Extents | None, int]:
        """Write a shard again with the samples that stay; where in it which file is then, and its size.

        None: the shard is not whole, or lacks one of them.
        """
        data = self.place.read(shard_file(first)) if kept else None
        if not kept:
            self.place.remove(shard_file(first))
            return {}, 0
        members = [] if data is None else members_of(data)
        stay, tar, extents = set(kept), TarBytes(), Extents()
        for file, content in members:
            key, _, extension = file.partition(".")
            if name_of(key) in stay:
                start = tar.add(file, content)
                if (place := folder_file(name_of(key), extension, tasks)) is not None:
                    extents[place] = [start, len(content)]
        if any(f"images/{name}.png" not in extents for name in kept):
            return None, 0
        closed = tar.whole()
        if closed != data:
            self.place.write(shard_file(first), closed)
        return extents, len(closed)


Output = FolderOutput | TarOutput


def output_of(settings: Selection, out: Path) -> Output:
    """Where the settings say that samples go."""
    return FolderOutput(out) if settings.output == "folder" else TarOutput(Place(settings.url or str(out)))


def mark_of(plan: Plan) -> bytes:
    """What equal plans share, wherever their inputs lie."""
    marks = {name: source["fingerprint"] for name, source in plan.inputs.items()}
    return hashlib.sha256(json.dumps([plan.verb, marks, plan.settings], sort_keys=True).encode()).hexdigest().encode()


def shard_file(first: int) -> str:
    """The file of the shard whose first sample has this number."""
    return f"{FOLDER}/shard-{first:08d}.tar"


def members_of(data: bytes) -> list[tuple[str, bytes]]:
    """The files in a tar archive, none where it is not whole."""
    try:
        return [(name, data[start : start + size]) for name, start, size in tar_members(io.BytesIO(data), "the shard")]
    except InputError:
        return []


def folder_file(name: str, extension: str, tasks: Tasks) -> str | None:
    """Where the folder format has what a shard has under this extension; None: nowhere, it is in a file of all."""
    if extension == "png":
        return f"images/{name}.png"
    if extension.startswith(UNCERTAINTY):
        return f"{extension.removesuffix('.png')}/{name}.png"
    word, suffix = extension.partition(".")[0], PurePosixPath(extension).suffix
    place = next(task.locations[0] for kind, task in tasks.items() if TASKS[kind].aliases[0] == word)
    return f"{place.folder}/{name}{suffix}" if place.suffixes else None
