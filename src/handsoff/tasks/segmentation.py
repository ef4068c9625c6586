"""Segmentation: a class id per pixel, 255 = ignore.

In a dataset: `masks/NAME.png` (or .npy), and `classes.json`, the names of the classes, position = id.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassConfusionMatrix

from handsoff.core.arrays import NPY, npy_mask
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE, decode_mask
from handsoff.core.masks import Colours
from handsoff.tasks.base import (
    Drawing,
    Editor,
    Label,
    Metric,
    Pairs,
    Parse,
    PoolLabels,
    Schema,
    Scores,
    StorageLocation,
    Task,
    equal_weights,
    never_all_zero,
)
from handsoff.tasks.classes import Merge, class_names, merge_table, names_by_id, shortened
from handsoff.tasks.maps import MapGeometry, MapLearning, MapStorage
from handsoff.tasks.mirror import lone_sides, mirrored_names
from handsoff.tasks.stated import said_by_user, stated

Masks = UInt8[np.ndarray, "n h w"]


@dataclass(frozen=True)
class MaskStorage(MapStorage):
    """Ids as they are where a dataset has the task's own classes, else translated by the merge table."""

    classes: tuple[str, ...]
    merge: Merge | None

    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:  # noqa: ARG002  # there is one location
        originals = class_names(card, where)
        table, colours = np.frombuffer(self.translation(originals, where), np.uint8), Colours()
        return lambda data, where, size: table[read_mask(data, where, size, len(originals), colours)]

    def translation(self, originals: tuple[str, ...], where: str) -> bytes:
        """256 bytes: id in a dataset with the classes `originals` → id here.

        Raises:
            MismatchError: the classes differ, and there is no merge table or it does not fit those classes.
        """
        reason = "there is no merge table that leads from one to the other"
        if originals == self.classes:
            return bytes(range(256))
        if self.merge is not None:
            try:
                return merge_table(self.merge, originals, where)
            except InputError as error:
                reason = f"the merge table does not apply ({str(error).rstrip('.')})"
        names = f"{where} has the classes {shortened(originals)}, the dataset has {shortened(self.classes)}"
        raise MismatchError(f"{names}, and {reason}: give labelled data with the same classes.")

    def serialise(self, label: UInt8[np.ndarray, "h w"]) -> bytes:
        return png(label)

    def cards(self) -> dict[str, object]:
        return {Segmentation.card: list(self.classes)}

    def explain(self) -> list[str]:
        """Ids and names of the classes."""
        lines = [f"`{Segmentation.aliases[0]}`: class ids, {IGNORE} = ignored.", ""]
        return [*lines, *(f"- {index}: {name}" for index, name in enumerate(self.classes))]

    def doubt(self, labels: Iterable[Label]) -> str:
        """Masks of 0 and 255 alone are most often of two classes, of which one was meant to be white."""
        if self.merge is not None:
            return ""  # the user has said what the classes are, and may ignore some
        ignored = False
        for label in labels:
            found = set(np.unique(label).tolist())
            if found - {0, IGNORE}:
                return ""
            ignored |= IGNORE in found
        meant = self.classes[1] if len(self.classes) > 1 else "CLASS"
        said = f"the masks hold only 0 and {IGNORE}, and {IGNORE} means ignored: if it is meant to be {meant}, write 1"
        return f"{said} instead, or take handsoff convert --set ignore={meant}" if ignored else ""

    def relabel(
        self, classes: Mapping[str, str] | None, ignore: str | None, where: str
    ) -> tuple[Schema, Callable[[Label], Label]]:
        names = self.classes if classes is None else tuple(dict.fromkeys(classes.values()))
        held = bytes(range(256)) if classes is None else merge_table(classes, self.classes, where)
        table = np.frombuffer(held, np.uint8).copy()
        if ignore is not None:
            if ignore not in names:
                raise InputError(f"ignore = {ignore!r} is no class of {where}: choose one of {', '.join(names)}.")
            table[table == IGNORE] = names.index(ignore)
        return {"classes": list(names)}, lambda label: table[label]


@dataclass(frozen=True)
class MaskGeometry(MapGeometry):
    """In the mirror, classes whose names differ in left and right change places; one side alone has no mirror image."""

    classes: tuple[str, ...]
    mirrors: bool = True

    def move(
        self,
        labels: Masks,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> UInt8[np.ndarray, "n fh fw"]:
        named = np.where(flipped.cpu().numpy()[:, None, None], mirrored_ids(self.classes)[labels], labels)
        return super().move(named, theta, flipped, frame, size)

    def mirror_outputs(self, outputs: Float[Tensor, "... k h w"]) -> Float[Tensor, "... k h w"]:
        return super().mirror_outputs(outputs)[..., mirrored_names(self.classes), :, :]

    def region(self, labels: Masks, part: int) -> Bool[np.ndarray, "n h w"]:
        return labels == part

    def locations(self, label: UInt8[np.ndarray, "h w"], part: str) -> Float[np.ndarray, "n 2"]:
        return np.argwhere(label == self.classes.index(part))[:, ::-1].astype(np.float64)


@dataclass(frozen=True)
class MaskLearning(MapLearning):
    """A probability per class is learnt."""

    @property
    def classes(self) -> list[str]:
        names: list[str] = self.schema["classes"]
        return names

    def infer_schema(self, labels: Masks, where: str) -> Schema:
        """Masks of one class teach nothing; most often they are 0 and 255, and 255 was meant to be a class."""
        found = sorted(set(np.unique(labels).tolist()) - {IGNORE})
        if len(found) < 2:  # noqa: PLR2004  # two classes are the least that can be told apart
            held = f"only the class {self.classes[found[0]]}" if found else "no class at all"
            remedy = f"write the ids of {Segmentation.card}, such as 1 instead of {IGNORE}"
            raise InputError(f"The masks of {where} hold {held} ({IGNORE} is ignored): {remedy}.")
        return self.schema

    def class_weights(self, labels: Sequence[PoolLabels], power: float) -> Float[Tensor, " k"]:
        """Class k counts ∝ frequency ** -power, 1 on average over the pixels; frequencies are the mean of the pools'.

        The network then learns p(k | x) · frequency_k ** -power, so that its argmax is the logit adjustment of Menon et
        al. (2021): 0 decides for the most probable class, 1 for the balanced error; IoU wants something between.
        """
        counts = [np.bincount(pool.ravel(), minlength=256)[: len(self.classes)] for pool in labels]
        frequency = torch.from_numpy(np.mean([count / max(count.sum(), 1) for count in counts], 0)).float()
        weights = frequency.clamp_min(1e-6) ** -power
        return weights / (weights * frequency).sum().clamp_min(1e-6)

    def sampling_weights(self, labels: Masks, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # masks know their size
        """∝ frequency of the pixel's class to the power of -`power`; ignored pixels never are drawn."""
        values, counts = np.unique(labels, return_counts=True)
        weight = np.zeros(256)
        weight[values] = (counts / counts.sum()) ** -power
        weight[IGNORE] = 0.0
        return never_all_zero(torch.from_numpy(weight[labels].reshape(len(labels), -1)).float())

    def encode(self, labels: Masks, frame: Frame) -> Int64[Tensor, "n h w"]:  # noqa: ARG002  # masks know their size
        """Ids as int64."""
        return torch.from_numpy(labels.astype(np.int64))

    def loss(
        self,
        outputs: Float[Tensor, "n k ..."],
        target: Int64[Tensor, "n ..."],
        class_weights: Float[Tensor, " k"] | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Cross-entropy per pixel."""
        weights = None if class_weights is None else class_weights.to(outputs.device)
        return F.cross_entropy(outputs.float(), target, weights, ignore_index=IGNORE, reduction="none")

    def soft_target(self, outputs: Float[Tensor, "n k h w"]) -> tuple[Float[Tensor, "n h w k"], Float[Tensor, "n h w"]]:
        """Probabilities of the classes, and the highest of them."""
        probabilities = outputs.float().softmax(1).movedim(1, -1)
        return probabilities, probabilities.amax(-1)

    def soft_loss(
        self,
        outputs: Float[Tensor, "n k h w"],
        target: Float[Tensor, "n h w k"],
        class_weights: Float[Tensor, " k"] | None = None,
    ) -> Float[Tensor, "n h w"]:
        """Cross-entropy with the probabilities, times the mean weight of the classes under them.

        Classes are not weighted one by one: a teacher that learnt with weights has them in its probabilities already,
        and step by step they would move further to the rare classes.
        """
        loss = F.cross_entropy(outputs.float(), target.movedim(-1, 1), reduction="none")
        return loss if class_weights is None else loss * (target @ class_weights.to(target.device))

    def decode(
        self, outputs: Float[Tensor, "e n k h w"], weights: Float[Tensor, " e"] | None = None
    ) -> tuple[Masks, Float[Tensor, "n h w"]]:
        """The class of the highest mean probability, and the members' Jensen–Shannon divergence.

        JS = H(mean p) - mean H(p) (DatasetGAN, section 3.3), means weighted by `weights`, divided by its upper bound,
        the smaller of H(weights) and log(classes).
        """
        weights = equal_weights(outputs, weights)
        log_p = outputs.float().log_softmax(2)
        mean = torch.einsum("e,enkhw->nkhw", weights, log_p.exp())
        entropy = -(mean * mean.clamp_min(1e-12).log()).sum(1)
        divergence = entropy + torch.einsum("e,enhw->nhw", weights, (log_p.exp() * log_p).sum(2))
        most = float(-(weights * weights.clamp_min(1e-12).log()).sum())
        bound = max(min(most, math.log(len(self.classes))), 1e-3)
        return mean.argmax(1).to(torch.uint8).cpu().numpy(), (divergence / bound).clamp(0, 1)

    def answers(self, outputs: Float[Tensor, "n k h w"]) -> dict[str, Tensor]:
        """`labels`, class ids as uint8 [n, h, w], and `scores`, a probability per class."""
        return {"labels": outputs.argmax(1).to(torch.uint8), "scores": outputs.softmax(1)}


@dataclass(frozen=True)
class MaskScores(Scores):
    """Overlaps over all pixels that are not ignored."""

    classes: tuple[str, ...]

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Dataset-level intersection over union, averaged over the classes that occur (in truth or prediction).

        `miou_foreground` leaves out class 0.
        """
        counts = np.zeros((len(self.classes), len(self.classes)))
        for predicted, truth in pairs:
            counts += self.confusion(predicted, truth)
        both = counts.diagonal()
        union = counts.sum(0) + counts.sum(1) - both
        iou = {name: float(both[k] / union[k]) for k, name in enumerate(self.classes) if union[k] > 0}
        foreground = [value for name, value in iou.items() if name != self.classes[0]]
        metrics = {
            "miou": float(np.mean(list(iou.values()))) if iou else float("nan"),
            "miou_foreground": float(np.mean(foreground)) if foreground else float("nan"),
        }
        return {"metrics": metrics, "per_class": iou}

    def confusion(self, predicted: PoolLabels, truth: PoolLabels) -> Int64[np.ndarray, "k k"]:
        """Pixels of each true class (row) by the class they were given (column); ignored pixels do not count."""
        matrix = MulticlassConfusionMatrix(len(self.classes), ignore_index=IGNORE, validate_args=False)
        matrix.update(torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))
        return matrix.compute().numpy()

    def label_statistics(self, labels: Masks) -> dict[str, tuple[int, float]]:
        """Class → samples that show it, share of the pixels; "ignored" comes last unless a class has that name."""
        counts = np.stack([np.bincount(mask.ravel(), minlength=IGNORE + 1) for mask in labels])
        pixels, samples = counts.sum(0), (counts > 0).sum(0)
        further = [(IGNORE, "ignored")] if pixels[IGNORE] and "ignored" not in self.classes else []
        listed = [*enumerate(self.classes), *further]
        return {name: (int(samples[index]), float(pixels[index] / pixels.sum())) for index, name in listed}


@dataclass(frozen=True)
class MaskDrawing(Drawing):
    """A colour per class, black for the first."""

    editor: ClassVar[Editor] = "mask"

    classes: tuple[str, ...]

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Masks) -> UInt8[np.ndarray, "n h w 3"]:
        """Colours half over the image; ignored pixels are left as they are."""
        painted = palette(len(self.classes))[np.minimum(labels, len(self.classes) - 1)]
        mixed = (images.astype(np.uint16) + painted) // 2
        return np.where((labels == IGNORE)[..., None], images, mixed.astype(np.uint8))

    def bare(self, labels: Masks, frame: Frame) -> UInt8[np.ndarray, "n h w 3"]:  # noqa: ARG002  # masks know their size
        """Full colours; ignored pixels are white."""
        painted = palette(len(self.classes))[np.minimum(labels, len(self.classes) - 1)]
        return np.where((labels == IGNORE)[..., None], np.uint8(255), painted)

    def legend(self) -> list[tuple[str, str]]:
        return [
            (name, "#{:02x}{:02x}{:02x}".format(*colour))
            for name, colour in zip(self.classes, palette(len(self.classes)), strict=True)
        ]


class Segmentation(Task):
    """`schema` is {"classes": [name, …], "merge": table or None}, the position of a class being its id."""

    name = "segmentation"
    locations = (StorageLocation("masks", (".png", ".npy", ".tif", ".tiff", ".bmp")),)
    card = "classes.json"
    card_variants: ClassVar = {"id2label.json": names_by_id}
    aliases = (
        "mask",
        "annotation",
        "annotations",
        "seg",
        "segmentation_mask",
        "semantic_mask",
        "segmentation",
        "label",
        "labels",
    )
    bare = ("png",)
    metrics: ClassVar = {"miou": Metric("mIoU"), "miou_foreground": Metric("mIoU, foreground")}
    part_metric = "IoU"
    merges = True

    def __init__(self, schema: Schema) -> None:
        classes = tuple(schema["classes"])
        schema = {"classes": list(classes), "merge": schema.get("merge")}
        super().__init__(
            schema,
            channels=len(classes),
            storage=MaskStorage(IGNORE, classes, schema["merge"]),
            geometry=MaskGeometry(IGNORE, classes, mirrors=not lone_sides(classes)),
            learning=MaskLearning(schema, IGNORE),
            scores=MaskScores(classes),
            drawing=MaskDrawing(classes),
            parts=classes,
            background=classes[0] if classes else "",
        )

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:  # noqa: ARG003  # masks are files
        """The classes of the dataset, or those of `options["merge"]`, which turns classes it does not name into 255.

        Ids follow the first appearance of a name on the table's right side.

        Raises:
            InputError: `classes.json` is missing or wrong, or the table does not fit it.
        """
        stated(None, where, options, ("merge",), cls.name)
        originals = class_names(card, where)
        merge = options.get("merge")
        if merge is None:
            return {"classes": list(originals), "merge": None}
        if not isinstance(merge, Mapping) or not all(isinstance(target, str) for target in merge.values()):
            raise InputError(
                f"{said_by_user(cls.name)}: merge = {merge} must be a table from class names to class names, such as "
                '{"left_eye,right_eye" = "eye"}.'
            )
        classes = list(dict.fromkeys(merge.values()))
        table = merge_table(merge, originals, where)
        if tuple(classes) == originals and table[: len(originals)] != bytes(range(len(originals))):
            raise InputError(
                f"The merge table gives the names in {where} to other classes: choose new names, or write "
                f"them in order."
            )
        return {"classes": classes, "merge": merge}


def read_mask(
    data: bytes, where: str, size: Frame, count: int, colours: Colours | None = None
) -> UInt8[np.ndarray, "h w"]:
    """A mask of the ids of `count` classes and 255, of an image of `size`; `colours` as for `decode_mask`.

    Raises:
        InputError: the file is no mask, has another size, or holds other values.
    """
    mask = npy_mask(data, where) if data.startswith(NPY) else decode_mask(data, where, count, colours)
    if mask.shape != size:
        sizes = f"{mask.shape[0]}x{mask.shape[1]} pixels, its image {size[0]}x{size[1]} (upright)"
        raise InputError(f"{where} is {sizes}: make the mask as large as the image.")
    strange = sorted(set(np.unique(mask).tolist()) - {*range(count), IGNORE})
    if strange:
        card = Segmentation.card
        known = f"{card} names only 0 to {count - 1} (and {IGNORE} is ignored)"
        raise InputError(
            f"{where} holds the id {strange[0]}, but {known}: correct the mask or add the class to {card}."
        )
    return mask


def mirrored_ids(classes: Sequence[str]) -> UInt8[np.ndarray, "256"]:
    table = np.arange(256, dtype=np.uint8)
    table[: len(classes)] = mirrored_names(classes)
    return table


def palette(count: int) -> UInt8[np.ndarray, "k 3"]:
    """Well-distinguished colours, black for class 0."""
    colours = np.array([mpl.colormaps["tab20"]((k * 2 % 20 + k // 10 % 2) % 20)[:3] for k in range(max(count - 1, 1))])
    return np.concatenate([np.zeros((1, 3), np.uint8), (colours * 255).astype(np.uint8)])[:count]
