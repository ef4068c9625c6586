"""What a labeler is fitted to: latents with labels, or images with labels.

Four kinds of folder give them: that of `handsoff invert` (latents of labelled photos), a generated dataset of the same
generator whose labels somebody corrected (its draws can be made again), images of `handsoff sample` that somebody
labelled (as these), and any labelled folder or zip (images alone).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_record
from handsoff.core.images import decode_image
from handsoff.datasets.generated import GeneratedDataset, open_generated, read_records
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.likeness import same_picture
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.sources import open_source
from handsoff.generators.contract import Generator
from handsoff.generators.latents import Latents, join_latents, load_latents
from handsoff.generators.stored import OWN, generator_hash
from handsoff.jobs.folder import recorded_plan, require_done, verb_of
from handsoff.labeling.features import READ_IMAGES
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import read_materials
from handsoff.tasks import make_task, task_type
from handsoff.tasks.base import Labels, Task

ENCODER = "encoder.safetensors"  # of photos to latents, as handsoff invert calls it
Draws = Callable[[Generator], Latents]  # of the chosen samples, in the order of their names


@dataclass(frozen=True)
class LatentsCard:
    """What `latents.json` says of the photos: their names, in the order of the latents, and task → schema."""

    names: list[str]
    tasks: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Examples:
    """Labelled images of one task, none of them read yet.

    Attributes:
        labelled: the images with their labels.
        fingerprint: of all that counts.
        generator: the folder of the generator that they belong to.
        draw: gives their latents; None where only the images are known.
        contact_sheet: shows how well the latents rebuild the photos, where there is such a sheet.
        encoder: the encoder that the latents began with, where there was one.
    """

    labelled: LabelledDataset
    fingerprint: str
    generator: Path
    draw: Draws | None = None
    contact_sheet: Path | None = None
    encoder: Path | None = None


@dataclass(frozen=True)
class TrainingData:
    """Labelled images, in memory.

    Attributes:
        images: at the generator's size.
        labels: of the same size.
        latents: what the features are read from, on the CPU; None: they are read from the images.
    """

    task: Task
    images: UInt8[np.ndarray, "n h w 3"]
    labels: Labels
    latents: Latents | None

    def __len__(self) -> int:
        return len(self.images)

    def labelled_images(self) -> LabelledArrays:
        """What the image networks are trained on."""
        return LabelledArrays(self.images, self.labels)


def open_examples(generator: Path, path: Path, settings: FitSettings, samples: Path | None = None) -> Examples:
    """Find out what kind of examples a folder holds, and choose those that the settings ask for.

    Their images may be those of `samples`, a folder of `handsoff sample`, which knows the latents.

    Raises:
        InputError: it holds no labels of the task, too few of them, or is not finished.
        MismatchError: the latents are of another generator.
    """
    task_type(settings.task)
    verb = verb_of(path)
    if settings.labels and verb in {"invert", "generate", "review"}:
        raise InputError(
            f"{path} says itself what its labels are: leave labels out here, and give it to handsoff invert."
            if verb == "invert"
            else f"{path} says itself what its labels are: leave labels out."
        )
    if samples is not None and verb in {"invert", "generate", "sample", "review"}:
        raise InputError(f"{path} knows its latents itself: leave --samples out, which is for labels from elsewhere.")
    if verb == "invert":
        return inverted_photos(generator, path, settings)
    if verb in {"generate", "review"}:
        dataset = open_generated(path)
        if dataset.manifest.get("generator") == generator_hash(generator):
            return annotated_samples(generator, dataset, settings)
    data = open_labelled(path, settings.labels, [settings.task], settings.corrections)
    labelled = first_samples(data, settings.first)
    samples = path if verb == "sample" else samples
    if samples is not None:
        return labelled_samples(generator, labelled, samples)
    return Examples(labelled, labelled.describe()["fingerprint"], generator)


def labelled_samples(generator: Path, labelled: LabelledDataset, samples: Path) -> Examples:
    """Images of `handsoff sample`, labelled in its folder or elsewhere under the same names.

    Raises:
        InputError: the samples are not finished, or do not say how an image was drawn.
        MismatchError: another generator drew them, or the labelled images are others.
    """
    require_done(samples, "sample")
    if recorded_plan(samples).inputs["generator"]["fingerprint"] != generator_hash(generator):
        raise MismatchError(f"{samples} was drawn by another generator than {generator}: give that one.")
    records = {record["name"]: record for record in read_records(samples)}
    missing = [name for name in labelled.names if "draw" not in records.get(name, {})]
    if missing:
        raise InputError(
            f"{samples} does not say how {missing[0]} was drawn, so its latents are not known: "
            "label the images of that folder under their own names."
        )
    require_same_images(labelled, samples)
    draws = [Draw.of_record(records[name]["draw"]) for name in labelled.names]
    mark = joined(repr(draws), labelled.describe()["fingerprint"])
    return Examples(labelled, mark, generator, lambda net: draw_latents(net, draws))


def require_same_images(labelled: LabelledDataset, samples: Path) -> None:
    """Refuse labels of other images that only have the names of samples: their latents would be wrong ones.

    Samples that were moved away to be labelled cannot be compared.

    Raises:
        MismatchError: an image is another one; it may have another size, or be encoded anew.
    """
    if labelled.source.path == samples:
        return
    drawn = open_source(samples)
    for name in labelled.names:
        file = f"images/{name}.png"
        if file in drawn.sizes and not same_picture(
            labelled.image(name), decode_image(drawn.read(file), str(samples / file))
        ):
            raise MismatchError(
                f"{labelled.source.path / labelled.images[name]} does not show what {samples / file} shows: "
                "give the folder whose images were labelled."
            )


def open_corrected(generator: Path, path: Path, settings: FitSettings, task: Task) -> Examples:
    """The samples of a reviewed dataset whose labels a person accepted or corrected, as labels of `task`.

    Raises:
        InputError: nobody accepted or corrected any, or the dataset has no such labels.
        MismatchError: its labels mean something else.
    """
    only = settings.model_copy(update={"first": None, "labels": {}, "corrections": "only"})
    found = open_examples(generator, path, only)
    return replace(found, labelled=open_like(path, {task.name: task.schema}, "only"))


def inverted_photos(generator: Path, path: Path, settings: FitSettings) -> Examples:
    """What `handsoff invert` wrote. Where it tuned the generator on the photos, the tuned one counts."""
    report, made = require_done(path, "invert"), recorded_plan(path)
    own = [path / OWN] if made.settings.get("tuning_steps") else []
    tuned = [generator_hash(folder) for folder in own]
    if generator_hash(generator) not in [made.inputs.get("generator", {}).get("fingerprint"), *tuned]:
        raise MismatchError(
            f"{path} holds latents of another generator than {generator}: run handsoff invert with this one."
        )
    card = read_record(path / "latents.json", LatentsCard)
    if settings.task not in card.tasks:
        raise InputError(
            f"{path} carries labels for {', '.join(card.tasks)}, not for {settings.task}: "
            "choose one of them, or invert photos that have such labels."
        )
    data = open_like(path / "labels", {settings.task: card.tasks[settings.task]}, settings.corrections)
    labelled = first_samples(data, settings.first)
    missing = [name for name in labelled.names if name not in card.names]
    if missing:
        raise InputError(f"{path}: latents.json has no latents of {missing[0]}: run handsoff invert again.")
    rows = [card.names.index(name) for name in labelled.names]
    mark = joined(str(report.get("fingerprint")), labelled.describe()["fingerprint"], *tuned)
    encoder = Path(made.inputs["encoder"]["path"] if "encoder" in made.inputs else path) / ENCODER
    return Examples(
        labelled, mark, own[0] if own else generator, partial(stored_latents, path / "latents.safetensors", rows),
        path / "contact.png", encoder if encoder.is_file() else None,
    )  # fmt: skip


def stored_latents(file: Path, rows: list[int], generator: Generator) -> Latents:  # noqa: ARG001  # as `Draws`
    return load_latents(file)[rows]


def annotated_samples(generator: Path, dataset: GeneratedDataset, settings: FitSettings) -> Examples:
    """Samples of the generator itself, with the labels that now lie in the dataset's folder."""
    labelled = first_samples(dataset.labelled(settings.task, settings.corrections), settings.first)
    records = {record["name"]: record for record in dataset.records()}
    missing = [name for name in labelled.names if "draw" not in records.get(name, {})]
    if missing:
        raise InputError(f"{dataset.folder} does not say how {missing[0]} was drawn: remove that sample.")
    draws = [Draw.of_record(records[name]["draw"]) for name in labelled.names]
    mark = joined(repr(draws), labelled.describe()["fingerprint"])
    materials = read_materials(dataset.folder)
    return Examples(labelled, mark, generator, lambda net: draw_latents(net, draws, materials))


def first_samples(labelled: LabelledDataset, first: int | None) -> LabelledDataset:
    if first is not None and len(labelled.names) < first:
        count = len(labelled.names)
        raise InputError(
            f"{labelled.source.path} holds {count} photos, not {first}: --set first={count}, or label more."
        )
    return labelled.part(0, first)


def joined(*marks: str) -> str:
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def require_readable(examples: Examples, path: Path, *, needs_latents: bool) -> None:
    """Whether features can be read from the examples.

    Raises:
        InputError: they need latents, and there are images only.
    """
    if needs_latents and examples.draw is None:
        raise InputError(
            f"{path} holds images, and the generator's own features are read from latents: "
            f"run handsoff invert on it first, or read the images alone with {READ_IMAGES}."
        )


def load_training_data(
    parts: Sequence[Examples], generator: Generator, task: str, *, needs_latents: bool
) -> TrainingData:
    """Read images and labels framed as the generator's, and the latents where they are needed.

    Raises:
        InputError: an image or a label is not whole, an image is too small, or nothing can be learnt from the labels.
    """
    loaded = [part.labelled.load(generator.image_size, generator.framing) for part in parts]
    images, labels = (
        np.concatenate([found for found, _ in loaded]),
        np.concatenate([found[task] for _, found in loaded]),
    )
    first = parts[0].labelled
    schema = first.tasks[task].learning.infer_schema(labels, str(first.source.path))
    draws = [part.draw for part in parts if part.draw is not None] if needs_latents else []
    drawn = [draw(generator).to(torch.device("cpu")) for draw in draws]  # stored latents are there, drawn ones are not
    return TrainingData(make_task(task, schema), images, labels, join_latents(drawn) if drawn else None)
