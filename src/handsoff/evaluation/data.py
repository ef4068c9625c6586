"""The samples of an evaluation, in memory at one size, and the rule that no test sample was trained on."""

import hashlib
import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.datasets.generated import Record
from handsoff.datasets.likeness import Thumbnails, known, thumbnails
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation.arms import ONLINE, REAL
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.lineage import refuse_taught_by_test
from handsoff.evaluation.pseudo import pseudo_labelled
from handsoff.evaluation.settings import group_of
from handsoff.jobs.progress import Progress
from handsoff.learning.data import LabelledArrays, Pool
from handsoff.learning.supervised import TEST_BATCH
from handsoff.tasks.base import Task

CHUNK = 200  # samples read between two signs of life


@dataclass(frozen=True)
class EvaluationData:
    """Everything the arms see.

    Attributes:
        pools: "real" and the datasets, by name.
        validation: None where there is none.
        excluded: "validation" and "test" → how many of its samples were left out because they were seen before, and
            "photos" → how many samples of datasets because they show a person or scene of validation or test.
        unknown: the datasets of which somebody who made their labels was moved or removed: what that one learnt from
            cannot be told.
        online: samples that are drawn during training, where an arm asks for them.
    """

    pools: dict[str, LabelledArrays]
    test: LabelledArrays
    validation: LabelledArrays | None
    excluded: dict[str, int]
    unknown: tuple[str, ...] = ()
    online: Pool | None = None

    def pool(self, name: str) -> Pool:
        """What an arm draws from."""
        return self.online if name == ONLINE and self.online is not None else self.pools[name]


def load_data(
    inputs: Inputs, group: str | None, confidence: float | None = None
) -> Generator[Progress, None, EvaluationData]:
    """Read all of it at the datasets' size, and take out of validation and test what was seen before.

    A validation sample must not have been trained on, a test sample neither trained nor chosen on: by its likeness to
    real labels, to validation samples and to datasets that may hold photos, by its pixels, and, where `group` is given,
    by what that finds in its name (names of generated samples say nothing). A sample of such a dataset is left out
    where `group` finds the same in its name and in one of validation or test. Where `confidence` is given, pools that a
    machine labelled are weighted by their uncertainty maps.

    Raises:
        InputError: validation or test has no sample left once those seen before are taken out, a file is damaged, or
            the labels of a dataset come from somebody who learnt from the test.
    """
    excluded, seen_as = {"validation": 0, "test": 0}, (inputs.task.name, inputs.frame, inputs.framing)
    pools, unrelated = yield from load_pools(inputs, group, confidence)
    labels, used = [thumbnails(pools[REAL].images)], [*pools.values()]
    photos = [thumbnails(pools[name].images) for name in inputs.foreign]

    def load_unseen(
        labelled: LabelledDataset, role: str, names: Iterable[str]
    ) -> Generator[Progress, None, LabelledArrays]:
        others = without_groups(labelled, role, names, group)
        copied = np.concatenate([*labels, *photos])
        samples, count = without((yield from load_arrays(others, *seen_as, role)), *used, copied=copied)
        excluded[role] = count + len(labelled.names) - len(others.names)
        return samples

    validation, seen = None, [*inputs.pools[REAL].names, *inputs.labels]
    if inputs.validation is not None:
        validation = yield from load_unseen(inputs.validation, "validation", seen)
        refuse_unscorable(inputs.task, validation, "validation")
        seen += inputs.validation.names
        used.append(validation)
        labels.append(thumbnails(validation.images))
    test = yield from load_unseen(inputs.test, "test", seen)
    refuse_unscorable(inputs.task, test, "test")
    for name, samples in {**pools, "validation": validation, "test": test}.items():
        refuse_empty(name, samples, excluded.get(name, 0))
    known_labels = np.concatenate(labels)
    sources = {REAL: inputs.real.source.path, **inputs.folders}
    unknown = tuple(name for name, path in sources.items() if not refuse_taught_by_test(path, test, known_labels))
    return EvaluationData(pools, test, validation, {**excluded, "photos": unrelated}, unknown)


def load_pools(
    inputs: Inputs, group: str | None, confidence: float | None
) -> Generator[Progress, None, tuple[dict[str, LabelledArrays], int]]:
    """The pools by name, and how many photos were left out because they are of groups of validation or test."""
    pools, left_out = {}, 0
    for name, labelled in inputs.pools.items():
        others = unrelated_photos(inputs, name, group)
        left_out += len(labelled.names) - len(others.names)
        pools[name] = yield from load_arrays(others, inputs.task.name, inputs.frame, inputs.framing, name)
    for name, dataset in inputs.generated.items():
        pools[name] = yield from pseudo_labelled(pools[name], inputs.pools[name], dataset, inputs.task.name, confidence)
    return pools, left_out


def unrelated_photos(inputs: Inputs, pool: str, group: str | None) -> LabelledDataset:
    """A pool; if it may hold photos and `group` is given, those that share no group with validation or test.

    Groups of real labels are not among these: no validation or test sample of them is used.

    Raises:
        InputError: none is left, or the records of the photos are damaged.
    """
    labelled = inputs.pools[pool]
    if pool not in inputs.foreign or group is None:
        return labelled
    held_out = [*inputs.test.names, *(inputs.validation.names if inputs.validation else ())]
    labelled_groups = {group_of(group, name) for name in (*inputs.pools[REAL].names, *inputs.labels)}
    tested = {group_of(group, name) for name in held_out} - labelled_groups
    called = called_before(inputs, pool)
    related = {name for name in labelled.names if any(group_of(group, other) in tested for other in called[name])}
    left = tuple(name for name in labelled.names if name not in related)
    if not left:
        raise InputError(f"No {pool} samples are left (all are of groups of validation or test): give other photos.")
    return replace(labelled, names=left)


def called_before(inputs: Inputs, pool: str) -> dict[str, set[str]]:
    """Name of a sample → all names that its photo had, as far as they are known.

    Raises:
        InputError: the records of the photos are damaged, or of a converted dataset none tells which photo it was.
    """
    names, photos = inputs.pools[pool].names, inputs.photos.get(pool)
    if photos is None:
        return {name: {name} for name in names}
    called = {record["name"]: names_of(record) for record in photos.records()}
    strange = [name for name in names if name not in called]
    if strange:
        raise InputError(
            f"Which photo {strange[0]} of {inputs.folders[pool]} was is not told by {photos.folder}, from which that "
            "was converted, so neither is its group: give the dataset as it was before."
        )
    return called


def names_of(record: Record) -> set[str]:
    """A labelled photo's name in its dataset and where it came from, there with and without folders."""
    photo = PurePosixPath(str(record.get("draw", {}).get("photo", record["name"])))
    return {record["name"], photo.with_suffix("").as_posix(), photo.stem}


def load_arrays(
    labelled: LabelledDataset, task: str, frame: Frame, framing: Framing, role: str
) -> Generator[Progress, None, LabelledArrays]:
    """Read all of `labelled` in the frame, with its labels for the task; images that are smaller are enlarged."""
    total = len(labelled.names)
    images, first = labelled.part(0, CHUNK).load(frame, framing, enlarge=True)
    samples = LabelledArrays(
        np.empty((total, *images.shape[1:]), np.uint8),
        np.empty((total, *first[task].shape[1:]), first[task].dtype),
        tuple(labelled.names),
    )
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        if start:
            images, first = labelled.part(start, stop).load(frame, framing, enlarge=True)
        samples.images[start:stop], samples.labels[start:stop] = images, first[task]
        yield Progress(f"reading {role} samples", stop, total)
    return samples


def without_groups(labelled: LabelledDataset, role: str, names: Iterable[str], group: str | None) -> LabelledDataset:
    """The samples that share no group with `names`; all of them without `group`.

    Raises:
        InputError: none is left.
    """
    groups = {group_of(group, name) for name in names} if group else set()
    left = tuple(name for name in labelled.names if group_of(group, name) not in groups)
    if not left:
        raise InputError(
            f"No {role} samples are left (all of them are of groups that were trained or chosen on): "
            "give other data, or other parts of it."
        )
    return replace(labelled, names=left)


def without(
    samples: LabelledArrays, *used: LabelledArrays, copied: Thumbnails | None = None
) -> tuple[LabelledArrays, int]:
    """The samples whose image is not among others, and how many were left out.

    Args:
        samples: to choose from.
        used: pools that must not hold the same image, pixel for pixel.
        copied: thumbnails of photos that must not show the same, see `datasets.likeness`.
    """
    same = {digest(image) for others in used for image in others.images}
    keep = np.array([digest(image) not in same for image in samples.images], bool)
    if copied is not None:
        keep &= ~known(thumbnails(samples.images), copied)
    if keep.all():
        return samples, 0
    return samples.take(keep), int((~keep).sum())


def digest(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def refuse_unscorable(task: Task, samples: LabelledArrays, role: str) -> None:
    """Refuse samples by which no run can be chosen or judged: not even their own labels have a score.

    Raises:
        InputError: they are such, as when no sample shows both points that a distance is counted in.
    """
    if not len(samples):
        return
    parts = (samples.labels[at : at + TEST_BATCH] for at in range(0, len(samples), TEST_BATCH))
    metric, score = next(iter(task.scores.score((part, part) for part in parts)["metrics"].items()))
    if not math.isfinite(score):
        raise InputError(f"Nothing in the labels of the {role} samples can be scored by {metric}: give others.")


def refuse_empty(name: str, samples: LabelledArrays | None, excluded: int) -> None:
    if samples is not None and len(samples) == 0:
        reason = (
            f"all {excluded} of its images are training or validation images"
            if excluded
            else "the part asked for is empty"
        )
        raise InputError(f"No {name} samples are left ({reason}): give other data, or other parts of it.")
