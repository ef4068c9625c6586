"""Segmentation: a class id per pixel, 255 = ignore; `masks/NAME.png` (or .npy) and `classes.json` (names, position = id)."""

import copy
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassConfusionMatrix

from handsoff.core.arrays import NPY, npy_mask
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE, decode_mask
from handsoff.tasks.base import (
    MapTask,
    Metric,
    Pairs,
    PoolLabels,
    StorageLocation,
    drawable,
    equal_votes,
    mirrored_names,
    refuse_unknown,
)

MAX_LISTED = 20  # class names in a sentence
Masks = UInt8[np.ndarray, "n h w"]
Merge = dict[str, str]  # {"left_eye,right_eye,glasses": "eye", …}: names in the pack (comma separated) → your name


class Segmentation(MapTask):
    """`schema` is {"classes": [name, …], "merge": table or None}, the position of a class being its id.

    Attributes:
        originals: the names in the `classes.json` of the pack that is read.
        table: 256 bytes, id in its masks → id here.
    """

    name: ClassVar[str] = "segmentation"
    places: ClassVar[tuple[StorageLocation, ...]] = (StorageLocation("masks", (".png", ".npy")),)
    card: ClassVar[str] = "classes.json"
    metrics: ClassVar[dict[str, Metric]] = {"miou": Metric("mIoU"), "miou_foreground": Metric("mIoU, foreground")}
    part_metric: ClassVar[str] = "IoU"
    outside: ClassVar[float] = IGNORE

    def __init__(self, schema: dict[str, Any]) -> None:
        self.place = self.places[0]
        self.schema: dict[str, Any] = {"classes": list(schema["classes"]), "merge": schema.get("merge")}
        self.channels = len(self.classes)
        self.originals, self.table = tuple(self.classes), bytes(range(256))
        self.weights: Tensor | None = None

    @property
    def classes(self) -> list[str]:
        names: list[str] = self.schema["classes"]
        return names

    @classmethod
    def described(cls, card: object, where: str, options: dict[str, Any], example: object) -> "Segmentation":  # noqa: ARG003  # masks are files
        """The classes of the pack, or those of the table `options["merge"]`; classes that it does not name become 255.

        Ids follow the first appearance of a name on the table's right side.

        Raises:
            InputError: `classes.json` is missing or wrong, or the table does not fit it.
        """
        refuse_unknown(options, ("merge",), cls.name)
        originals = class_names(card, where)
        merge: Merge | None = options.get("merge")
        classes = originals if merge is None else tuple(dict.fromkeys(merge.values()))
        task = cls({"classes": classes, "merge": merge})
        task.originals = originals
        if merge is not None:
            task.table = merge_table(merge, originals, where)
        return task

    def reading(self, card: object, where: str) -> "Segmentation":
        """As it is where the classes are the same ones, else by this task's merge table."""
        merge: Merge | None = self.schema["merge"]
        originals, task = class_names(card, where), copy.copy(self)
        task.originals = originals
        reason = "there is no merge table that leads from one to the other"
        if originals == tuple(self.classes):
            task.table = bytes(range(256))
            return task
        if merge is not None:
            try:
                task.table = merge_table(merge, originals, where)
            except InputError as error:
                reason = f"the merge table does not apply ({str(error).rstrip('.')})"
            else:
                return task
        names = f"{where} has the classes {shortened(originals)}, the dataset has {shortened(self.classes)}"
        raise MismatchError(f"{names}, and {reason}: give labelled data with the same classes.")

    def cards(self) -> dict[str, object]:
        return {self.card: self.classes}

    def parse(self, data: bytes, where: str, size: Frame) -> UInt8[np.ndarray, "h w"]:
        mask = (npy_mask if data.startswith(NPY) else decode_mask)(data, where)
        if mask.shape != size:
            sizes = f"{mask.shape[0]}x{mask.shape[1]} pixels, its image {size[0]}x{size[1]} (upright)"
            raise InputError(f"{where} is {sizes}: make the mask as large as the image.")
        strange = sorted(set(np.unique(mask).tolist()) - {*range(len(self.originals)), IGNORE})
        if strange:
            known = f"{self.card} names only 0 to {len(self.originals) - 1} (and {IGNORE} is ignored)"
            raise InputError(
                f"{where} holds the id {strange[0]}, but {known}: correct the mask or add the class to {self.card}."
            )
        return np.frombuffer(self.table, np.uint8)[mask]

    def serialise(self, label: UInt8[np.ndarray, "h w"]) -> bytes:
        return png(label)

    def parts(self) -> list[str]:
        return self.classes

    @property
    def behind(self) -> str:
        return self.classes[0]

    def spots(self, label: UInt8[np.ndarray, "h w"], part: str) -> Float[np.ndarray, "n 2"]:
        return np.argwhere(label == self.classes.index(part))[:, ::-1].astype(np.float64)

    def known(self, labels: Masks) -> Shaped[np.ndarray, "n h w"]:
        return labels != IGNORE

    def move(
        self,
        labels: Masks,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> UInt8[np.ndarray, "n fh fw"]:
        """In the mirror, classes whose names differ in left and right change places."""
        named = np.where(flipped.cpu().numpy()[:, None, None], mirrored_ids(self.classes)[labels], labels)
        return super().move(named, theta, flipped, frame, size)

    def settled(self, labels: Masks, where: str) -> "Segmentation":
        """Masks of one class teach nothing; most often they are 0 and 255, and 255 was meant to be a class."""
        found = sorted(set(np.unique(labels).tolist()) - {IGNORE})
        if len(found) < 2:  # noqa: PLR2004  # two classes are the least that can be told apart
            held = f"only the class {self.classes[found[0]]}" if found else "no class at all"
            raise InputError(
                f"The masks of {where} hold {held} ({IGNORE} is ignored): write the ids of {self.card}, such as 1 instead of {IGNORE}."
            )
        return self

    def balanced(self, pools: Sequence[PoolLabels], power: float) -> "Segmentation":
        """Class k counts ∝ frequency ** -power (1 on average over the pixels), frequencies being the mean of the pools'.

        The network then learns p(k | x) · frequency_k ** -power, so that its argmax is the logit adjustment of
        Menon et al. (2021): 0 decides for the most probable class, 1 for the balanced error; IoU wants something between.
        """
        counts = [np.bincount(labels.ravel(), minlength=256)[: self.channels] for labels in pools]
        frequency = torch.from_numpy(np.mean([count / max(count.sum(), 1) for count in counts], 0)).float()
        weights = frequency.clamp_min(1e-6) ** -power
        task = copy.copy(self)
        task.weights = weights / (weights * frequency).sum().clamp_min(1e-6)
        return task

    def chances(self, labels: Masks, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # masks know their size
        """∝ frequency of the pixel's class to the power of -`power`; ignored pixels never are drawn."""
        values, counts = np.unique(labels, return_counts=True)
        chance = np.zeros(256)
        chance[values] = (counts / counts.sum()) ** -power
        chance[IGNORE] = 0.0
        return drawable(torch.from_numpy(chance[labels].reshape(len(labels), -1)).float())

    def encode(self, labels: Masks, frame: Frame) -> Int64[Tensor, "n h w"]:  # noqa: ARG002  # masks know their size
        """Ids as int64."""
        return torch.from_numpy(labels.astype(np.int64))

    def loss(self, outputs: Float[Tensor, "n k ..."], target: Int64[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Cross-entropy per pixel."""
        weights = None if self.weights is None else self.weights.to(outputs.device)
        return F.cross_entropy(outputs.float(), target, weights, ignore_index=IGNORE, reduction="none")

    def decode(
        self, members: Float[Tensor, "e n k h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[Masks, Float[Tensor, "n h w"]]:
        """The class of the highest mean probability, and the members' Jensen–Shannon divergence.

        JS = H(mean p) - mean H(p) (DatasetGAN, section 3.3), means weighted by `votes`, divided by its upper bound, the
        smaller of H(votes) and log(classes).
        """
        votes = equal_votes(members, votes)
        log_p = members.float().log_softmax(2)
        mean = torch.einsum("e,enkhw->nkhw", votes, log_p.exp())
        entropy = -(mean * mean.clamp_min(1e-12).log()).sum(1)
        divergence = entropy + torch.einsum("e,enhw->nhw", votes, (log_p.exp() * log_p).sum(2))
        bound = max(min(float(-(votes * votes.clamp_min(1e-12).log()).sum()), math.log(self.channels)), 1e-3)
        return mean.argmax(1).to(torch.uint8).cpu().numpy(), (divergence / bound).clamp(0, 1)

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Dataset-level intersection over union, averaged over the classes that occur (in truth or prediction).

        `miou_foreground` leaves out class 0.
        """
        matrix = MulticlassConfusionMatrix(self.channels, ignore_index=IGNORE, validate_args=False)
        for predicted, truth in pairs:
            matrix.update(torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))
        counts = matrix.compute().double()
        both = counts.diag()
        union = counts.sum(0) + counts.sum(1) - both
        iou = {name: float(both[k] / union[k]) for k, name in enumerate(self.classes) if union[k] > 0}
        foreground = [value for name, value in iou.items() if name != self.classes[0]]
        metrics = {
            "miou": float(np.mean(list(iou.values()))),
            "miou_foreground": float(np.mean(foreground)) if foreground else float("nan"),
        }
        return {"metrics": metrics, "per_class": iou}

    def census(self, labels: Masks) -> dict[str, tuple[int, float]]:
        """Class → samples that show it, share of the pixels; with "ignored" at the end where there are such."""
        counts = np.stack([np.bincount(mask.ravel(), minlength=IGNORE + 1) for mask in labels])
        pixels, samples = counts.sum(0), (counts > 0).sum(0)
        listed = [*enumerate(self.classes), *([(IGNORE, "ignored")] if pixels[IGNORE] else [])]
        return {name: (int(samples[index]), float(pixels[index] / pixels.sum())) for index, name in listed}

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Masks) -> UInt8[np.ndarray, "n h w 3"]:
        """Colours half over the image; ignored pixels are left as they are."""
        painted = palette(self.channels)[np.minimum(labels, self.channels - 1)]
        mixed = (images.astype(np.uint16) + painted) // 2
        return np.where((labels == IGNORE)[..., None], images, mixed.astype(np.uint8))

    def legend(self) -> list[tuple[str, str]]:
        return [
            (name, "#{:02x}{:02x}{:02x}".format(*colour))
            for name, colour in zip(self.classes, palette(self.channels), strict=True)
        ]


def class_names(card: object, where: str) -> tuple[str, ...]:
    """The names in `classes.json`.

    Raises:
        InputError: it is missing, or not a list of 1 to 255 different names.
    """
    remedy = 'write a JSON list of class names, position = id, such as ["background", "skin"].'
    if card is None:
        raise InputError(f"{where} is missing: {remedy}")
    if not isinstance(card, list) or not all(isinstance(name, str) and name.strip() for name in card):
        raise InputError(f"{where} is not a list of names: {remedy}")
    if not 1 <= len(card) <= IGNORE:
        raise InputError(f"{where} has {len(card)} names, and 8-bit masks allow 1 to {IGNORE}: {remedy}")
    twice = sorted({name for name in card if card.count(name) > 1})
    if twice:
        raise InputError(f"{where} names {twice[0]!r} twice: give every class a name of its own.")
    return tuple(card)


def merge_table(merge: Merge, originals: Sequence[str], where: str) -> bytes:
    """Id in the pack → id after merging, 255 for the classes that the table does not name.

    Raises:
        InputError: the table is empty, names a class that the pack lacks, or names one twice.
    """
    targets = list(dict.fromkeys(merge.values()))
    if not targets or not all(target.strip() for target in targets):
        raise InputError(
            f'The merge table for {where} names no target class: write lines such as "left_eye,right_eye" = "eye".'
        )
    key_of: dict[str, str] = {}
    table = bytearray([IGNORE]) * 256
    for key, target in merge.items():
        for name in (part.strip() for part in key.split(",")):
            if name not in originals:
                raise InputError(
                    f"The merge table names the class {name!r}, which {where} does not have: choose among {', '.join(originals)}."
                )
            if name in key_of:
                raise InputError(
                    f"The merge table names the class {name!r} twice, in {key_of[name]!r} and in {key!r}: keep it in one place."
                )
            key_of[name] = key
            table[originals.index(name)] = targets.index(target)
    return bytes(table)


def mirrored_ids(classes: Sequence[str]) -> UInt8[np.ndarray, "256"]:
    table = np.arange(256, dtype=np.uint8)
    table[: len(classes)] = mirrored_names(classes)
    return table


def palette(count: int) -> UInt8[np.ndarray, "k 3"]:
    """Well-distinguished colours, black for class 0."""
    colours = np.array([mpl.colormaps["tab20"]((k * 2 % 20 + k // 10 % 2) % 20)[:3] for k in range(max(count - 1, 1))])
    return np.concatenate([np.zeros((1, 3), np.uint8), (colours * 255).astype(np.uint8)])[:count]


def shortened(classes: Sequence[str]) -> str:
    """The class names in a sentence, the first of them where there are many."""
    listed = ", ".join(classes[:MAX_LISTED])
    return f"{listed}, … ({len(classes)} in all)" if len(classes) > MAX_LISTED else listed
