"""A task is a few plain functions in one small object."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import crop_box
from handsoff.geometry.affine import Matrix, box_matrix, moved_maps, theta_of

Label = Shaped[np.ndarray, "..."]
Labels = Shaped[np.ndarray, "n ..."]
PoolLabels = Shaped[np.ndarray, "_n ..."]  # pools differ in size
Pairs = Iterable[tuple[PoolLabels, PoolLabels]]  # batches of (predicted, true) labels


@dataclass(frozen=True)
class StorageLocation:
    """Where labels lie in a pack: `folder`/NAME with one of the suffixes or, without suffixes, one entry each in `folder`.json."""

    folder: str
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """How a metric is called, and which end of it is good."""

    title: str
    lower_is_better: bool = False


class Task(ABC):
    """How one kind of label is stored, learnt, decided, scored and drawn. Labels of N samples are one array, N first.

    Attributes:
        name: as in the registry and in `--task`.
        places: where a pack may hold its labels, the best first; the first is where they are written.
        card: the JSON file of a pack that says what the labels mean; may be missing if `described` accepts None.
        metrics: what `score` gives, the main one first.
        place: the one of `places` that this object reads from.
        part_metric: which of them `score` also gives per part (class, point), "" for none.
        schema: what must be known to read the labels again (class names, unit, …); goes into every folder.
        channels: how many outputs per pixel a model of this task has.
        mirrors: whether labels can be told in the mirror.
    """

    name: ClassVar[str]
    places: ClassVar[tuple[StorageLocation, ...]]
    card: ClassVar[str]
    metrics: ClassVar[dict[str, Metric]]
    part_metric: ClassVar[str]
    schema: dict[str, Any]
    channels: int
    mirrors: bool
    place: StorageLocation

    @abstractmethod
    def __init__(self, schema: dict[str, Any]) -> None: ...

    # --- in files

    @classmethod
    @abstractmethod
    def described(cls, card: object, where: str, options: dict[str, Any], example: object) -> "Task":
        """The task of a pack whose `card` says this (None: there is no such file) and whose user said `options`.

        `example` is the entry of one sample where the labels lie in one JSON file, else None.

        Raises:
            InputError: the card or the options cannot be.
        """

    @abstractmethod
    def reading(self, card: object, where: str) -> "Task":
        """The same task, reading a pack whose card says this.

        Raises:
            MismatchError: its labels are others.
        """

    @abstractmethod
    def parse(self, data: Any, where: str, size: Frame) -> Label:
        """A label as stored (bytes of a file, or a JSON entry) of an image of `size`.

        Raises:
            InputError: it cannot be.
        """

    @abstractmethod
    def serialise(self, label: Label) -> Any:
        """The reverse: bytes, or a JSON entry."""

    @abstractmethod
    def cards(self) -> dict[str, object]:
        """File → JSON: what `described` reads."""

    # --- on images

    @abstractmethod
    def move(
        self,
        labels: Labels,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> Labels:
        """The labels after `theta` (`affine_grid`: output → input place) has moved the images; in the mirror where `flipped`.

        `frame` is the size of the images after it, `size` before, where that is another.
        """

    def placed(self, label: Label, matrix: Matrix, size: Frame, frame: Frame) -> Label:
        """One label after `matrix` (input → output place, in pixels) has taken its image from `size` to `frame`."""
        return self.move(label[None], theta_of(matrix, size, frame), torch.zeros(1, dtype=torch.bool), frame, size)[0]

    def fit(self, label: Label, size: Frame, frame: Frame) -> Label:
        """One label after `fit_image` has taken its image from `size` to `frame`."""
        return label if size == frame else self.placed(label, box_matrix(crop_box(size, frame), frame), size, frame)

    @abstractmethod
    def hidden(self, label: Label, where: Bool[np.ndarray, "h w"]) -> Label:
        """One label of an image of which nothing can be seen `where` this says so."""

    def parts(self) -> list[str]:
        """What a label tells apart in an image (classes, points), none where it does not."""
        return []

    @property
    def behind(self) -> str:
        """The part that is behind the others, "" where there is none."""
        return ""

    def spots(self, label: Label, part: str) -> Float[np.ndarray, "n 2"]:  # noqa: ARG002  # no parts, no places
        """Where in one label a part is: (x, y) of its pixels or of the point if it can be seen, the first pixel's centre at 0."""
        return np.zeros((0, 2))

    @abstractmethod
    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Labels) -> UInt8[np.ndarray, "n h w 3"]:
        """Labels over images, for people."""

    # --- in learning

    @abstractmethod
    def settled(self, labels: Labels, where: str) -> "Task":
        """The task with whatever the pack left open taken from these, its training labels.

        Raises:
            InputError: nothing can be learnt from them.
        """

    @abstractmethod
    def balanced(self, pools: Sequence[PoolLabels], power: float) -> "Task":
        """The same task with a loss that counts rare classes more: each by its frequency in `pools` to the -`power`."""

    @abstractmethod
    def chances(self, labels: Labels, frame: Frame, power: float) -> Float[Tensor, "n p"]:
        """How likely the label generator's training draws each pixel; `power` as in `balanced`."""

    @abstractmethod
    def encode(self, labels: Labels, frame: Frame) -> Shaped[Tensor, "n h w ..."]:
        """Labels → targets of `loss`, per pixel."""

    @abstractmethod
    def loss(self, outputs: Float[Tensor, "n k ..."], target: Tensor) -> Float[Tensor, "n ..."]:
        """Loss per pixel, 0 where the label says nothing. Pixels may be a map (H, W) or a list (P) of one image's."""

    @abstractmethod
    def decode(
        self, members: Float[Tensor, "e n k h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[Labels, Float[Tensor, "n ..."]]:
        """Outputs of every ensemble member → labels and their uncertainty in [0, 1] per pixel (N, H, W) or per point (N, K).

        `votes` are the members' parts of 1, equal without.
        """

    # --- in numbers

    @abstractmethod
    def doubt(self, uncertainty: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
        """One uncertainty per image, to select by."""

    @abstractmethod
    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Predictions against truths → {"metrics": {name: value}, "per_class": {part: value of `part_metric`}}."""

    @abstractmethod
    def census(self, labels: Labels) -> dict[str, tuple[int, float]]:
        """Part (class, point) → in how many samples it occurs, and its share of all there is."""

    @abstractmethod
    def legend(self) -> list[tuple[str, str]]:
        """(part, colour in CSS), as `draw` paints them."""


class MapTask(Task):
    """What tasks have in common whose label is one map per image, with `outside` wherever nothing is known."""

    outside: ClassVar[float]
    mirrors = True

    def cards(self) -> dict[str, object]:
        return {}

    def move(
        self,
        labels: Shaped[np.ndarray, "n h w *c"],
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],  # noqa: ARG002  # values are the same in the mirror
        frame: Frame,
        size: Frame | None = None,  # noqa: ARG002  # a map knows its size
    ) -> Shaped[np.ndarray, "n fh fw *c"]:
        """Nearest neighbour, since values of two surfaces must not mix; `outside` for what comes in."""
        return moved_maps(labels, theta, self.outside, frame)

    def settled(self, labels: Labels, where: str) -> Task:  # noqa: ARG002  # nothing was left open
        return self

    def balanced(self, pools: Sequence[PoolLabels], power: float) -> Task:  # noqa: ARG002  # values have no classes
        return self

    def hidden(
        self, label: Shaped[np.ndarray, "h w *c"], where: Bool[np.ndarray, "h w"]
    ) -> Shaped[np.ndarray, "h w *c"]:
        return np.where(
            where.reshape(*where.shape, *[1] * (label.ndim - 2)), np.array(self.outside, label.dtype), label
        )

    def known(self, labels: Labels) -> Shaped[np.ndarray, "n h w"]:
        """Where the label says something."""
        return (labels != self.outside).reshape(*labels.shape[:3], -1).any(-1)

    def chances(self, labels: Labels, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # all known pixels alike
        return drawable(torch.from_numpy(self.known(labels).reshape(len(labels), -1)).float())

    def doubt(self, uncertainty: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, " n"]:
        return worst_tenth(uncertainty)

    def census(self, labels: Labels) -> dict[str, tuple[int, float]]:
        """The task itself → samples that know it anywhere, share of the pixels."""
        known = self.known(labels)
        return {self.name: (int(known.any((1, 2)).sum()), float(known.mean()))}

    def legend(self) -> list[tuple[str, str]]:
        return []


def worst_tenth(uncertainty: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
    """Per image: the mean over its most uncertain tenth of pixels or points."""
    flat = np.sort(uncertainty.reshape(len(uncertainty), -1), 1)
    return flat[:, -max(1, flat.shape[1] // 10) :].mean(1)


def drawable(chances: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """The same chances; where a whole image has none, all its pixels have one (their loss is 0 anyway)."""
    return chances + (chances.sum(1, keepdim=True) == 0)


def equal_votes(members: Tensor, votes: Float[Tensor, " e"] | None) -> Float[Tensor, " e"]:
    return torch.full((len(members),), 1 / len(members), device=members.device) if votes is None else votes


def mirrored_names(names: Sequence[str]) -> list[int]:
    """Position → position in the mirror: left_eye ↔ right_eye where both exist, the others stay."""
    other = {"left": "right", "right": "left"}
    partners = [re.sub("left|right", lambda found: other[found.group()], name) for name in names]
    return [names.index(partner) if partner in names else index for index, partner in enumerate(partners)]


def refuse_unknown(options: dict[str, Any], known: Sequence[str], task: str) -> None:
    """Options of a task that it does not have.

    Raises:
        InputError: there is one.
    """
    strange = sorted(options.keys() - set(known))
    if strange:
        raise InputError(
            f"The labels of the task {task} have no setting {strange[0]!r}: choose one of {', '.join(known)}."
        )


def same(one: object, other: object) -> bool:
    """Equal as JSON."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
