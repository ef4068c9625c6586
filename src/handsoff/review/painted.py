"""`DATASET.painted/`: samples whose images followed a painted mask, a generated dataset beside the reviewed one.

A sample is made again from its record as any generated one: from the draw of the sample that was painted on, with one
edit vector in `vectors.safetensors`. Its record also says `painted` {from, who, when, labeler, reached}. While a sample
is written there is no `DONE`; a sample without a record was not kept, and `mend` removes its files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from handsoff.core.errors import MismatchError
from handsoff.core.files import write_bytes, write_lines
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.card import CARD, Card
from handsoff.datasets.corrections import now, user_name
from handsoff.datasets.generated import (
    SAMPLES,
    Record,
    read_manifest,
    read_records,
    remove_uncertainty,
    write_manifest,
    write_records,
)
from handsoff.datasets.writing import remove_sample, write_cards
from handsoff.jobs.folder import DONE, JOB, Plan, difference, discard, open_job, recorded_plan
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import VECTORS, Vector
from handsoff.synthesis.card import FILES, MADE, METADATA, image_labels, metadata
from handsoff.synthesis.samples import NO_ATTRIBUTES, REST, LabelledSample, described, write_labelled
from handsoff.tasks.base import Task

ENDING, VERB = ".painted", "review"
ABOUT = """People painted masks on generated images, and the latents of those followed until a labeler saw what was
painted. The labels are the labeler's. `samples.jsonl` says how each sample can be drawn again, and what share of the
painted pixels was reached."""
SAME = (
    "image_size",
    "framing",
    "licence",
    "generator",
    "nearness",
    "uncertainty",
)  # as the reviewed dataset


@dataclass(frozen=True)
class Painted:
    """An image that followed a painted mask.

    Attributes:
        origin: the sample that was painted on.
        draw: of the origin, without its edits.
        vector: what is added to the draw's ws.
        sample: as it is made from that, with the labeler's own label.
        labeler: hash of the labeler's weights.
        reached: share of the painted pixels that have the painted class in that label.
    """

    origin: str
    draw: Draw
    vector: Float[Tensor, "l d"]
    sample: LabelledSample
    labeler: str
    reached: float

    def record(self, name: str, tasks: Mapping[str, Task]) -> Record:
        """Its line of samples.jsonl under this name."""
        return {
            **described(name, self.sample, tasks, NO_ATTRIBUTES),
            "draw": replace(self.draw, edits=(Vector(vector_of(name), 1.0),)).record(),
            "uncertainty": round(max(self.sample.uncertainties.values()), 6),
            "kept": True,
            "reason": None,
            "painted": {
                "from": self.origin,
                "who": user_name(),
                "when": now(),
                "labeler": self.labeler,
                "reached": round(self.reached, 4),
            },
        }


def vector_of(name: str) -> str:
    """The name of a sample's edit vector."""
    return f"painted/{name}"


def painted_folder(dataset: Path) -> Path:
    """Where the painted samples of a dataset lie."""
    path = dataset.resolve()
    return path.with_name(f"{path.name}{ENDING}")


def keep(dataset: Path, manifest: Mapping[str, Any], task: Task, painted: Painted) -> str:
    """Write one more sample, and return its name: NAME+1, NAME+2, … of its origin NAME.

    Args:
        dataset: the one that is reviewed.
        manifest: of that one.
        task: of the label.
        painted: the sample.

    Raises:
        MismatchError: the folder holds samples of another generator or task.
        InputError: it holds something else.
        HandsOffError: it cannot be written.
    """
    folder, tasks = painted_folder(dataset), {task.name: task}
    inputs = {"dataset": {"path": str(dataset.resolve()), "fingerprint": str(manifest["generator"])}}
    plan = Plan(VERB, inputs, {"task": task.name, **task.schema})
    if (folder / JOB).is_file() and difference(folder, plan):
        raise MismatchError(f"{folder} holds painted samples of another generator or with other labels: move it away.")
    mend(folder, task)
    with open_job(folder, plan) as job:
        records = read_records(folder) if job.done else []
        taken = {record["name"] for record in records}
        name = next(free for number in range(1, len(taken) + 2) if (free := f"{painted.origin}+{number}") not in taken)
        job.reopen()
        vectors = read_tensors(folder / VECTORS) if records else {}
        write_tensors(folder / VECTORS, {**vectors, vector_of(name): painted.vector})
        write_cards(folder, tasks)
        write_labelled(folder, name, painted.sample, tasks)
        same = {key: manifest[key] for key in SAME if key in manifest}
        records.append(painted.record(name, tasks))
        told = {"tasks": {task.name: task.schema}, **same, "painted_on": dataset.resolve().name}
        write_account(folder, told, records, tasks)
        write_records(folder, records)
        job.finish(**counted(len(records)))
    return name


def write_account(
    folder: Path, manifest: Mapping[str, Any], records: Sequence[Record], tasks: Mapping[str, Task]
) -> None:
    """Write all that is said of the whole: the manifest, the card, and what `load_dataset` reads."""
    write_manifest(folder, {**manifest, **counted(len(records))})
    lines = metadata(({**record, REST: {}} for record in records), tasks)  # masks alone can be painted
    write_lines(folder / METADATA, map(json.dumps, lines))
    files = [METADATA, "images/*", *(f"{place}/*" for place in image_labels(tasks).values())]
    title, licence = f"Painted images with labels for {' and '.join(tasks)}", str(manifest.get("licence", ""))
    about = f"{MADE}\n\n{ABOUT}"
    card = Card(title, len(records), licence, tasks, {"train": files}, about, FILES, synthetic=True)
    write_bytes(folder / CARD, card.text().encode())


def counted(samples: int) -> dict[str, int]:
    """What manifest and report say of the number of samples."""
    return {"drawn": samples, "kept": samples}


def mend(folder: Path, task: Task) -> None:
    """Finish the folder that a killed review left: what has a record stays, all else of it goes.

    Raises:
        HandsOffError: another process works in it.
    """
    if not (folder / JOB).is_file() or (folder / DONE).is_file() or recorded_plan(folder).verb != VERB:
        return
    if not (folder / SAMPLES).is_file():
        discard(folder)
        return
    with open_job(folder, recorded_plan(folder)) as job:
        records = read_records(folder)
        kept = [record["name"] for record in records]
        for file in (folder / "images").glob("*.png"):
            if file.stem not in kept:
                remove_sample(folder, file.stem, {task.name: task})
                remove_uncertainty(folder, [task.name], file.stem)
        write_account(folder, read_manifest(folder), records, {task.name: task})
        job.finish(**counted(len(kept)))
