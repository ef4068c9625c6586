"""Generated datasets on disk: a labelled folder that says how every sample was made and how uncertain its labels are.

Its images were drawn from a generator (`handsoff generate`), or are the user's own photos (`handsoff label`).

Beside images and labels (`datasets.labelled`) there are

- `manifest.json`: what the dataset is. `tasks` {name: schema}, `image_size` [h, w] in pixels, `framing`, `licence`,
  `generator` (its hash), `nearness` (how near its samples come to its training photos, where that is known:
  `generators/nearness.py`), `drawn` and `kept` (numbers of samples), `psi`, `seed`, `guidance` (of a generator that can
  be guided), `uncertainty` (a sentence).
  Of photos there is no generator, psi and seed, but `source`, which is "photos", and `left_out` {reason: number}.
  `aim`, where one was asked for: what was reached; `ignored_above` {task: uncertainty}, where pixels are ignored.
- `samples.jsonl`: one line per drawn sample. `name`, `draw` {seed, psi, condition, guidance, edits} (what it can be
  made again from, together with `anchors`, `directions` and `vectors.safetensors` where there are edits; of photos
  {photo}, its file), `edit` {gained, strayed, confirmed} (what an edit vector did), `shows` {task: {part: share of the
  pixels, or 1 for a point}}, `attributes` {name: number or word} and `proposal` {round, group, kind} where there is an
  aim, `uncertainties` {task: number in [0, 1]}, `per_point` {task: [number per point]} where labels are points,
  `disagreement` (number in [0, 1], where pixel classifiers and image networks vote), `reconstruction_error` (perceptual
  distance, where a photo was inverted), `uncertainty` (what was selected by), `kept`,
  `reason` (why it was dropped, null if it was kept).
- `shards.jsonl`, where images, labels and uncertainty lie in shards (`datasets.shards`).
- `uncertainty/NAME.png`, of several tasks `uncertainty-TASK/NAME.png`: uncertainty per pixel times 255.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.errors import InputError
from handsoff.core.files import png, read_json, write_bytes, write_json, write_lines
from handsoff.core.images import decode_mask
from handsoff.core.reviewed import Use
from handsoff.datasets.labelled import open_like
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.shards import Shards, find_shards
from handsoff.jobs.folder import require_done
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

VERBS = ("generate", "label", "review")  # that make such datasets; the last one of painted samples
MANIFEST, SAMPLES, UNCERTAINTY = "manifest.json", "samples.jsonl", "uncertainty"
Record = dict[str, Any]  # a line of samples.jsonl
UncertaintyMap = Float[np.ndarray, "h w"]  # in [0, 1]


@dataclass(frozen=True)
class GeneratedDataset:
    """A finished dataset, wherever it was moved to.

    Attributes:
        folder: where it lies.
        manifest: what `manifest.json` says.
    """

    folder: Path
    manifest: dict[str, Any]

    def records(self) -> list[Record]:
        """Every drawn sample, in the order of their names.

        Raises:
            InputError: `samples.jsonl` is missing, damaged or cut off.
        """
        found, drawn = read_records(self.folder), self.manifest.get("drawn")
        if drawn not in {None, len(found)}:
            raise InputError(
                f"{self.folder / SAMPLES} tells of {len(found):,} samples, and {drawn} were drawn: restore it or make "
                "the dataset again."
            )
        return found

    def tasks(self) -> dict[str, Task]:
        """Task name → the task of its labels.

        Raises:
            UnknownNameError: a task is not known.
        """
        return {name: make_task(name, schema) for name, schema in self.manifest["tasks"].items()}

    def labelled(self, task: str, corrections: Use | None = None) -> LabelledDataset:
        """The kept samples with their labels of a task, a person's corrections applied unless this says otherwise.

        Raises:
            InputError: the dataset has no such labels, or a file is missing.
        """
        schemas = self.manifest["tasks"]
        if task not in schemas:
            raise InputError(f"{self.folder} has labels for {', '.join(schemas)}, not for {task}: choose one of them.")
        return open_like(self.folder, {task: schemas[task]}, corrections)

    def uncertainty_map(self, name: str, task: str) -> UncertaintyMap | None:
        """The uncertainty of every pixel of a sample's label, None where there is no such map.

        Raises:
            InputError: its file is damaged.
        """
        file = uncertainty_file(self.folder, self.manifest["tasks"], task, name)
        inside = file.relative_to(self.folder).as_posix()
        sharded = self.shards is not None and inside in self.shards.files
        if not sharded and not file.is_file():
            return None
        data = self.shards.read(inside) if self.shards is not None else file.read_bytes()
        return decode_mask(data, str(file)).astype(np.float32) / 255

    @cached_property
    def shards(self) -> Shards | None:
        """Where images, labels and uncertainty lie if they are no files of the folder."""
        return find_shards(self.folder)


def open_generated(folder: Path | str) -> GeneratedDataset:
    """Open a dataset, reading its manifest only.

    Raises:
        InputError: the folder is no generated dataset, is not finished, or its manifest is missing or damaged.
    """
    folder = Path(folder)
    require_done(folder, *VERBS)
    return GeneratedDataset(folder, read_manifest(folder))


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `write_manifest` wrote.

    Raises:
        InputError: it is missing, or does not say what every dataset says.
    """
    manifest = read_json(folder / MANIFEST)
    match manifest:
        case {"tasks": dict(schemas), "image_size": [int(height), int(width)], "licence": str()} if (
            schemas and height > 0 and width > 0 and all(isinstance(schema, dict) for schema in schemas.values())
        ):
            return manifest
    raise InputError(
        f"{folder / MANIFEST} does not describe a dataset (tasks with their schemas, image_size, licence): "
        "restore it or make the dataset again."
    )


def write_records(folder: Path, records: Iterable[Record]) -> None:
    write_lines(folder / SAMPLES, map(json.dumps, records))


def read_records(folder: Path) -> list[Record]:
    """What `write_records` wrote.

    Raises:
        InputError: the file is missing, or a line of it is not the record of a sample.
    """
    file = folder / SAMPLES
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        raise InputError(f"{file} is missing: the folder is not complete, make it again.") from None
    return [parsed_record(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1)]


def parsed_record(line: bytes, where: str) -> Record:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not (isinstance(record, dict) and isinstance(record.get("name"), str)):
        raise InputError(f"{where} is not the record of a sample: restore the file or make the dataset again.")
    return record


def uncertainty_folder(tasks: Collection[str], task: str) -> str:
    """Where a dataset keeps the uncertainty maps of a task: beside others, each task has a folder of its own."""
    return UNCERTAINTY if len(tasks) == 1 else f"{UNCERTAINTY}-{task}"


def uncertainty_file(folder: Path, tasks: Collection[str], task: str, name: str) -> Path:
    return folder / uncertainty_folder(tasks, task) / f"{name}.png"


def write_uncertainty(folder: Path, tasks: Collection[str], task: str, name: str, values: UncertaintyMap) -> None:
    """Write one map, atomically; it is read back within 1/510."""
    pixels = np.rint(values * 255).astype(np.uint8)
    write_bytes(uncertainty_file(folder, tasks, task, name), png(pixels))


def remove_uncertainty(folder: Path, tasks: Collection[str], name: str) -> None:
    """Remove the maps of a sample, where there are any."""
    for task in tasks:
        uncertainty_file(folder, tasks, task, name).unlink(missing_ok=True)
