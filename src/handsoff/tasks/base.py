"""The contract of a task: one kind of label, described by five facets that know nothing of each other.

Labels of N samples are one array, N first. A task is made from a schema (JSON: class names, unit, …), never changed.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.geometry.affine import Matrix, theta_of
from handsoff.geometry.views import Visible

Schema = dict[str, Any]
Label = Shaped[np.ndarray, "..."]
Labels = Shaped[np.ndarray, "n ..."]
PoolLabels = Shaped[np.ndarray, "_n ..."]  # pools of training samples differ in size
Pairs = Iterable[tuple[PoolLabels, PoolLabels]]  # batches of (predicted, true) labels


# Reads one stored label (the bytes of a file or a JSON entry; its name for messages; the size of its image), or raises
# InputError.
Parse = Callable[[Any, str, Frame], Label]
Editor = Literal["mask", "points", "planes", "generic"]


@dataclass(frozen=True)
class StorageLocation:
    """Where a dataset keeps labels: `folder`/NAME with one of `suffixes`, or entries of `folder`.json (no suffixes)."""

    folder: str
    suffixes: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """The file of a sample called NAME, for a sentence."""
        return f"{self.folder}/NAME{self.suffixes[0]}" if self.suffixes else f"{self.folder}.json"


@dataclass(frozen=True)
class Metric:
    """What a metric is called, and whether small values are good."""

    title: str
    lower_is_better: bool = False


class Storage(ABC):
    """Labels in files."""

    @abstractmethod
    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:
        """How to read the labels that a dataset keeps at `location`, as labels of this task.

        Args:
            card: what the dataset's own card says (None: it has none); its labels may need translation.
            where: the card's path, for messages.
            location: one of the task's locations.

        Raises:
            MismatchError: the labels of that dataset mean something else.
        """

    @abstractmethod
    def serialise(self, label: Label) -> Any:
        """A label as it is stored at the first location: bytes of a file, or a JSON entry."""

    def cards(self) -> dict[str, object]:
        """File → JSON: what a dataset must state so that `Task.declare` gives this schema again."""
        return {}

    def as_image(self, label: Label) -> tuple[bytes, str]:
        """A label as an image file that other tools open, and its suffix."""
        return self.serialise(label), ".png"

    def explain(self) -> list[str]:
        """What a reader of a dataset card must know about the labels: lines of Markdown."""
        return []

    def ignores(self, label: Label) -> bool:  # noqa: ARG002  # most labels have no pixels to ignore
        """Whether the label has pixels about which it says nothing."""
        return False

    def doubt(self, labels: Iterable[Label]) -> str:  # noqa: ARG002  # most labels can be taken at their word
        """Why labels, read one by one as long as that is needed, hardly mean what they say: a sentence, or ""."""
        return ""

    def relabel(
        self, classes: Mapping[str, str] | None, ignore: str | None, where: str
    ) -> tuple[Schema, Callable[[Label], Label]]:
        """Merge classes by a table, and turn ignored pixels into the class `ignore`.

        Returns:
            The new schema, and how to convert a label.

        Raises:
            InputError: this task has no classes, or they are called otherwise.
        """
        raise InputError(f"{where} has labels without classes ({classes or ignore}): leave classes and ignore out.")


class Geometry(ABC):
    """Labels under changes of their image.

    Attributes:
        mirrors: whether it is known what the label of the mirrored image is.
    """

    mirrors: bool

    @abstractmethod
    def move(
        self,
        labels: Labels,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> Labels:
        """The labels after `theta` has moved their images.

        Args:
            labels: before.
            theta: as `affine_grid` wants it (output → input position, -1 to 1).
            flipped: which images `theta` also mirrors.
            frame: size of the images afterwards.
            size: size before, where it is another.
        """

    def mirror_outputs(self, outputs: Float[Tensor, "... k h w"]) -> Float[Tensor, "... k h w"]:
        """What a model says of mirrored images → what it would say of the images; only where `mirrors` is true."""
        return outputs.flip(-1)

    def place(self, label: Label, matrix: Matrix, size: Frame, frame: Frame) -> Label:
        """One label after `matrix` (input → output position, in pixels) has taken its image from `size` to `frame`."""
        return self.move(label[None], theta_of(matrix, size, frame), torch.zeros(1, dtype=torch.bool), frame, size)[0]

    @abstractmethod
    def hide(self, label: Label, where: Visible) -> Label:
        """One label without what lies outside of the visible part of its image."""

    def erase(self, label: Label, pixels: Bool[np.ndarray, "h w"]) -> Label:  # noqa: ARG002  # points have no pixels
        """One label without what it says about some pixels; a label that is no map stays as it is."""
        return label

    def region(self, labels: Labels, part: int) -> Bool[np.ndarray, "n h w"] | None:  # noqa: ARG002  # most labels have no regions
        """The pixels of a part, by its place in `Task.parts`; None: parts of such labels cannot be cut out."""
        return None

    def locations(self, label: Label, part: str) -> Float[np.ndarray, "n 2"]:  # noqa: ARG002  # no parts, no locations
        """Where a part is: (x, y) of its pixels or of the visible point; the first pixel's centre is (0, 0)."""
        return np.zeros((0, 2))


class Learning(ABC):
    """Labels as something to learn."""

    @abstractmethod
    def infer_schema(self, labels: Labels, where: str) -> Schema:
        """The task's schema, completed from the training labels where the dataset left something open.

        Raises:
            InputError: the labels hold nothing to learn from (for example no keypoint is visible anywhere).
        """

    def class_weights(self, labels: Sequence[PoolLabels], power: float) -> Float[Tensor, " k"] | None:  # noqa: ARG002  # most tasks have no classes
        """How much each class counts in `loss`, ∝ its frequency in the pools to the -`power`; None: no classes."""
        return None

    @abstractmethod
    def sampling_weights(self, labels: Labels, frame: Frame, power: float) -> Float[Tensor, "n p"]:
        """How likely the labeler's training draws each pixel; `power` as in `class_weights`."""

    @abstractmethod
    def encode(self, labels: Labels, frame: Frame) -> Shaped[Tensor, "n h w ..."]:
        """Labels → targets of `loss`, per pixel."""

    @abstractmethod
    def loss(
        self, outputs: Float[Tensor, "n k ..."], target: Tensor, class_weights: Float[Tensor, " k"] | None = None
    ) -> Float[Tensor, "n ..."]:
        """Loss per pixel, 0 where the label says nothing. Pixels may be a map (H, W) or a list (P) of one image's."""

    def soft_target(
        self,
        outputs: Float[Tensor, "n k h w"],  # noqa: ARG002  # most tasks have none
    ) -> tuple[Float[Tensor, "n h w k"], Float[Tensor, "n h w"]] | None:
        """A teacher's outputs → targets of `soft_loss`, and how sure the teacher is of each pixel, in [0, 1].

        None: what one network says tells nothing about how sure it is, so that only labels can be learnt.
        """
        return None

    def soft_loss(
        self,
        outputs: Float[Tensor, "n k h w"],
        target: Float[Tensor, "n h w k"],
        class_weights: Float[Tensor, " k"] | None = None,
    ) -> Float[Tensor, "n h w"]:
        """Loss per pixel with a target of `soft_target`; that of the labels unless the task says otherwise."""
        return self.loss(outputs, target, class_weights)

    @abstractmethod
    def decode(
        self, outputs: Float[Tensor, "e n k h w"], weights: Float[Tensor, " e"] | None = None
    ) -> tuple[Labels, Float[Tensor, "n ..."]]:
        """Outputs of the ensemble's members → labels, and uncertainty in [0, 1] per pixel (N, H, W) or point (N, K).

        `weights` of the members sum to 1; without them all count alike.
        """

    def answers(self, outputs: Float[Tensor, "n k h w"]) -> dict[str, Tensor]:
        """What one model says in numbers that need no HandsOff, by name, the most useful one first.

        Made of operations that other runtimes have: it is part of exported models.
        """
        return {"outputs": outputs}


class Scores(ABC):
    """Labels in numbers."""

    @abstractmethod
    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Predictions against truths → {"metrics": {name: value}, "per_class": {part: value of `part_metric`}}.

        Values are NaN where the truths say nothing; of one sample alone they are what the report calls its score.
        """

    def confusion(self, predicted: Labels, truth: Labels) -> Int64[np.ndarray, "k k"] | None:  # noqa: ARG002  # most tasks have no classes
        """How many pixels of each part (row) were taken for which (column); None: parts cannot be mistaken."""
        return None

    def image_uncertainty(self, uncertainty: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
        """One number per image, to select by: the mean over its most uncertain tenth of pixels or points."""
        flat = np.sort(uncertainty.reshape(len(uncertainty), -1), 1)
        return flat[:, -max(1, flat.shape[1] // 10) :].mean(1)

    @abstractmethod
    def label_statistics(self, labels: Labels) -> dict[str, tuple[int, float]]:
        """Part (class, point) → number of samples that show it, and its share of all there is (0 to 1)."""

    def shows(self, label: Label) -> dict[str, float]:
        """Part → its share of the pixels, or 1 for a point, of all parts that one label shows."""
        found = self.label_statistics(label[None])
        return {part: round(share, 6) for part, (samples, share) in found.items() if samples}

    def measures(self, label: Label) -> dict[str, float]:  # noqa: ARG002  # shows says it all
        """Further numbers by which sets of labels are compared, such as where each point is."""
        return {}

    def span(self, label: Label) -> tuple[float, float] | None:  # noqa: ARG002  # most labels measure nothing
        """The least and the greatest quantity that a label states; None where it states none."""
        return None


class Drawing(ABC):
    """Labels for people to look at, and to correct.

    Attributes:
        editor: what a person corrects them with: "mask" paints class ids, "points" drags points, "planes" changes a
            map of numbers with 0 = not known, "generic" replaces the file.
    """

    editor: ClassVar[Editor] = "generic"

    @abstractmethod
    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Labels) -> UInt8[np.ndarray, "n h w 3"]:
        """Labels over their images, or instead of them where they fill the image."""

    def bare(self, labels: Labels, frame: Frame) -> UInt8[np.ndarray, "n h w 3"]:
        """The labels of images of size `frame` without the images."""
        return self.draw(np.zeros((len(labels), *frame, 3), np.uint8), labels)

    def legend(self) -> list[tuple[str, str]]:
        """(part, colour in CSS) as `draw` paints them."""
        return []


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """One kind of label. Subclasses are made from a schema alone, complete or not, and build their facets from it.

    Attributes:
        name: as in the registry and in `--task`.
        locations: where a dataset may keep its labels, the best first; they are written to the first.
        card: the JSON file of a dataset that says what the labels mean.
        card_variants: other tools' files that say the same: file → how to turn its JSON into that of `card`.
        aliases: what a column or an extension with its labels may be called in containers; the first is written.
        bare: extensions that hold its labels without an alias, beside an image of another type (KEY.png by KEY.jpg).
        metrics: what `scores.score` gives, the main one first.
        part_metric: the one that is also given per part, "" for none.
        merges: whether its classes can be merged with the option `merge`.
        pixelwise: whether labels and their uncertainty say something of every pixel, as points do not.
        schema: what must be known to read the labels again; goes into every folder.
        channels: outputs per pixel of a model of this task.
        parts: names of what a label tells apart (classes, points).
        background: the part that is behind the others, "" if there is none.
    """

    name: ClassVar[str]
    locations: ClassVar[tuple[StorageLocation, ...]]
    card: ClassVar[str]
    card_variants: ClassVar[Mapping[str, Callable[[Any, str], object]]] = {}
    aliases: ClassVar[tuple[str, ...]]
    bare: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[dict[str, Metric]]
    part_metric: ClassVar[str] = ""
    merges: ClassVar[bool] = False
    pixelwise: ClassVar[bool] = True

    schema: Schema
    channels: int
    storage: Storage
    geometry: Geometry
    learning: Learning
    scores: Scores
    drawing: Drawing
    parts: tuple[str, ...] = ()
    background: str = ""

    @classmethod
    def first_entry(cls, entry: object, where: str) -> object:  # noqa: ARG003  # labels in files say nothing
        """The entry of one sample, checked as far as `declare` learns from it; `where` names it in messages.

        Raises:
            InputError: nothing can be learnt from it.
        """
        return entry

    @classmethod
    @abstractmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:
        """The schema of a dataset.

        Args:
            card: what its card says, None if there is none.
            where: the card's path, for messages.
            options: what the user says about the labels.
            example: what `first_entry` gave where the labels are entries of a JSON file, else None.

        Raises:
            InputError: the card or the options are wrong.
        """


def never_all_zero(weights: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """The same sampling weights; where a whole image has weight 0, all its pixels get 1 (their loss is 0 anyway)."""
    return weights + (weights.sum(1, keepdim=True) == 0)


def equal_weights(outputs: Tensor, weights: Float[Tensor, " e"] | None) -> Float[Tensor, " e"]:
    """The weights of the ensemble's members; equal ones if none are given."""
    return torch.full((len(outputs),), 1 / len(outputs), device=outputs.device) if weights is None else weights


def same(one: object, other: object) -> bool:
    """Equal as JSON."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
