"""The samples of an evaluation, in memory at one resolution, and the rule that no test sample was trained on."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from handsoff.core.frames import Frame
from handsoff.datasets.labelled import LabelledDataset
from handsoff.jobs.progress import Progress
from handsoff.tasks.base import Labels

CHUNK = 200  # samples read between two signs of life


@dataclass(frozen=True)
class LabelledArrays:
    """Images and labels of one role, for one task."""

    images: UInt8[np.ndarray, "n h w 3"]
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class EvaluationData:
    """Everything the arms see; `validation` is None where there is none.

    Attributes:
        excluded: role → how many of its samples were left out because their image is a training (or validation) image.
    """

    real: LabelledArrays
    synthetic: LabelledArrays
    test: LabelledArrays
    validation: LabelledArrays | None
    excluded: dict[str, int]


def load_arrays(
    labelled: LabelledDataset, task: str, frame: Frame, role: str
) -> Generator[Progress, None, LabelledArrays]:
    """Read all of `labelled` fitted to the frame, with its labels for `task`."""
    total = len(labelled.names)
    images, first = labelled.part(0, CHUNK).load(frame, enlarge=True)
    samples = LabelledArrays(
        np.empty((total, *images.shape[1:]), np.uint8), np.empty((total, *first[task].shape[1:]), first[task].dtype)
    )
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        samples.images[start:stop], found = (
            (images, first) if start == 0 else labelled.part(start, stop).load(frame, enlarge=True)
        )
        samples.labels[start:stop] = found[task]
        yield Progress(f"reading {role}", stop, total)
    return samples


def without(samples: LabelledArrays, *used: LabelledArrays) -> tuple[LabelledArrays, int]:
    """The samples whose image, pixel for pixel, is none of those in `used`, and how many were left out."""
    known = {digest(image) for others in used for image in others.images}
    keep = np.array([digest(image) not in known for image in samples.images], bool)
    if keep.all():
        return samples, 0
    return LabelledArrays(samples.images[keep], samples.labels[keep]), int((~keep).sum())


def digest(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()
