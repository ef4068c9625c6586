"""Labelled images in memory: what every training loop and every score here takes."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from handsoff.tasks.base import Labels, PoolLabels

FULL = 255  # weight of a pixel that counts in full
Weights = UInt8[np.ndarray, "n h w"]  # how much each pixel counts in the loss, times 255


@runtime_checkable
class Pool(Protocol):
    """What a training run draws its samples from.

    Attributes:
        labels: some or all of its labels: they show how often each class occurs.
    """

    @property
    def labels(self) -> PoolLabels: ...

    def __len__(self) -> int: ...

    def take(self, index: Int64[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "LabelledArrays":
        """The samples at these places."""
        ...


@dataclass(frozen=True)
class LabelledArrays:
    """Images of one size and their labels for one task.

    Attributes:
        names: of the samples, where they are known.
        weights: how much each pixel counts in the loss, times 255; None: all alike.
        pseudo: whose labels a machine made, so that they can be made anew and mixed (`learning.semi`); None: nobody's.
    """

    images: UInt8[np.ndarray, "n h w 3"]
    labels: Labels
    names: tuple[str, ...] = ()
    weights: Weights | None = None
    pseudo: Bool[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """A hash of all of it."""
        found = hashlib.sha256(repr(self.names).encode())
        for array in (self.images, self.labels, self.weights, self.pseudo):
            if array is not None:
                found.update(f"{array.dtype} {array.shape}".encode())
                found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def take(self, index: Int64[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "LabelledArrays":
        """The samples at these places, or where it is true."""
        names = tuple(self.names[place] for place in np.arange(len(self))[index]) if self.names else ()
        weights, pseudo = (None if found is None else found[index] for found in (self.weights, self.pseudo))
        return LabelledArrays(self.images[index], self.labels[index], names, weights, pseudo)


@dataclass(frozen=True)
class Batch:
    """The samples of one step.

    Attributes:
        images: in about [-1, 1].
        labels: theirs.
        human: so many, the first ones, were labelled by people; a machine labelled the others.
        weights: as in `LabelledArrays`.
    """

    images: Float[Tensor, "n 3 h w"]
    labels: Labels
    human: int
    weights: Weights | None = None
