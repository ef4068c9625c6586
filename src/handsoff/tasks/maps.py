"""What tasks share whose label is one map per image, with the value `outside` wherever nothing is known."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from handsoff.core.frames import Frame
from handsoff.geometry.affine import moved_maps
from handsoff.geometry.views import Visible
from handsoff.tasks.base import Geometry, Label, Labels, Learning, Schema, Scores, Storage, never_all_zero

Maps = Shaped[np.ndarray, "n h w *c"]


def known(labels: Maps, outside: float) -> Bool[np.ndarray, "n h w"]:
    """Where the labels say something."""
    return (labels != outside).reshape(*labels.shape[:3], -1).any(-1)


@dataclass(frozen=True)
class MapStorage(Storage):
    """A file per map."""

    outside: float

    def ignores(self, label: Label) -> bool:
        return not known(label[None], self.outside).all()


@dataclass(frozen=True)
class MapGeometry(Geometry):
    """Values stay as they are, in the mirror too."""

    outside: float
    mirrors = True

    def move(
        self,
        labels: Maps,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],  # noqa: ARG002  # values are the same in the mirror
        frame: Frame,
        size: Frame | None = None,  # noqa: ARG002  # a map knows its size
    ) -> Shaped[np.ndarray, "n fh fw *c"]:
        """Nearest neighbour, since values of two surfaces must not mix; `outside` for what comes in."""
        return moved_maps(labels, theta, self.outside, frame)

    def hide(self, label: Shaped[np.ndarray, "h w *c"], where: Visible) -> Shaped[np.ndarray, "h w *c"]:
        return self.erase(label, ~where.pixels())

    def erase(
        self, label: Shaped[np.ndarray, "h w *c"], pixels: Bool[np.ndarray, "h w"]
    ) -> Shaped[np.ndarray, "h w *c"]:
        """`outside` at these pixels."""
        gone = pixels.reshape(*pixels.shape, *[1] * (label.ndim - 2))
        return np.where(gone, np.array(self.outside, label.dtype), label)


@dataclass(frozen=True)
class MapLearning(Learning):
    """All known pixels count alike, and nothing is left open in the schema."""

    schema: Schema
    outside: float

    def infer_schema(self, labels: Labels, where: str) -> Schema:  # noqa: ARG002  # nothing was left open
        return self.schema

    def sampling_weights(self, labels: Labels, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # no classes, and maps know their size
        return never_all_zero(torch.from_numpy(known(labels, self.outside).reshape(len(labels), -1)).float())


@dataclass(frozen=True)
class MapScores(Scores):
    """A map has one part, the task itself."""

    name: str
    outside: float

    def label_statistics(self, labels: Labels) -> dict[str, tuple[int, float]]:
        """The task → number of samples that know it anywhere, share of the pixels."""
        found = known(labels, self.outside)
        return {self.name: (int(found.any((1, 2)).sum()), float(found.mean()))}
