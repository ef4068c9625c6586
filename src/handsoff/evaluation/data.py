"""The samples of an evaluation, in memory at one size, and the rule that no test sample was trained on."""

import hashlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.datasets.labelled import LabelledDataset
from handsoff.evaluation.arms import REAL
from handsoff.evaluation.inputs import Inputs
from handsoff.evaluation.pseudo import pseudo_labelled
from handsoff.evaluation.settings import group_of
from handsoff.jobs.progress import Progress
from handsoff.learning.data import LabelledArrays

CHUNK = 200  # samples read between two signs of life


@dataclass(frozen=True)
class EvaluationData:
    """Everything the arms see.

    Attributes:
        pools: "real" and the datasets, by name.
        validation: None where there is none.
        excluded: "validation" and "test" → how many of its samples were left out because they were seen before.
    """

    pools: dict[str, LabelledArrays]
    test: LabelledArrays
    validation: LabelledArrays | None
    excluded: dict[str, int]


def load_data(
    inputs: Inputs, group: str | None, confidence: float | None = None
) -> Generator[Progress, None, EvaluationData]:
    """Read all of it at the datasets' size, and take out of validation and test what was seen before.

    A validation sample must not have been trained on, a test sample neither trained nor chosen on: by its pixels and,
    where `group` is given, by what that finds in its name (names of generated samples say nothing). Where
    `confidence` is given, pools that a machine labelled are weighted by their uncertainty maps.

    Raises:
        InputError: validation or test has no sample left once those seen before are taken out, or a file is damaged.
    """
    excluded = {"validation": 0, "test": 0}

    def load(labelled: LabelledDataset, role: str) -> Generator[Progress, None, LabelledArrays]:
        return load_arrays(labelled, inputs.task.name, inputs.frame, inputs.framing, f"{role} samples")

    def load_unseen(
        labelled: LabelledDataset, role: str, names: Iterable[str], used: Iterable[LabelledArrays]
    ) -> Generator[Progress, None, LabelledArrays]:
        others = without_groups(labelled, role, names, group)
        samples, count = without((yield from load(others, role)), *used)
        excluded[role] = count + len(labelled.names) - len(others.names)
        return samples

    pools = {}
    for name, labelled in inputs.pools.items():
        pools[name] = yield from load(labelled, name)
    for name, dataset in inputs.generated.items():
        pools[name] = yield from pseudo_labelled(pools[name], dataset, inputs.task.name, confidence)
    validation, seen, used = None, [*inputs.pools[REAL].names, *inputs.labels], [*pools.values()]
    if inputs.validation is not None:
        validation = yield from load_unseen(inputs.validation, "validation", seen, used)
        seen += inputs.validation.names
        used.append(validation)
    test = yield from load_unseen(inputs.test, "test", seen, used)
    for name, samples in {**pools, "validation": validation, "test": test}.items():
        refuse_empty(name, samples, excluded.get(name, 0))
    return EvaluationData(pools, test, validation, excluded)


def load_arrays(
    labelled: LabelledDataset, task: str, frame: Frame, framing: Framing, role: str
) -> Generator[Progress, None, LabelledArrays]:
    """Read all of `labelled` in the frame, with its labels for `task`; images that are smaller are enlarged."""
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
        yield Progress(f"reading {role}", stop, total)
    return samples


def without_groups(labelled: LabelledDataset, role: str, names: Iterable[str], group: str | None) -> LabelledDataset:
    """The samples that share no group with `names`; all of them without `group`.

    Raises:
        InputError: none is left.
    """
    known = {group_of(group, name) for name in names} if group else set()
    left = tuple(name for name in labelled.names if group_of(group, name) not in known)
    if not left:
        raise InputError(
            f"No {role} samples are left (all of them are of groups that were trained or chosen on): "
            "give other data, or other parts of it."
        )
    return replace(labelled, names=left)


def without(samples: LabelledArrays, *used: LabelledArrays) -> tuple[LabelledArrays, int]:
    """The samples whose image, pixel for pixel, is none of those in `used`, and how many were left out."""
    known = {digest(image) for others in used for image in others.images}
    keep = np.array([digest(image) not in known for image in samples.images], bool)
    if keep.all():
        return samples, 0
    return samples.take(keep), int((~keep).sum())


def digest(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def refuse_empty(name: str, samples: LabelledArrays | None, excluded: int) -> None:
    if samples is not None and len(samples) == 0:
        reason = (
            f"all {excluded} of its images are training or validation images"
            if excluded
            else "the part asked for is empty"
        )
        raise InputError(f"No {name} samples are left ({reason}): give other data, or other parts of it.")
