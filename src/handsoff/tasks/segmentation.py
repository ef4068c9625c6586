"""Segmentation: a class id per pixel, 255 = ignore."""

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassConfusionMatrix

from handsoff.core.images import IGNORE


class Segmentation:
    """The task object; `schema` is {"classes": [name, …]} with the position as the id."""

    name = "segmentation"

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = {"classes": list(schema["classes"])}
        self.channels = len(self.schema["classes"])
        self.weights: Tensor | None = None

    def encode(self, labels: UInt8[np.ndarray, "n h w"]) -> Int64[Tensor, "n h w"]:
        """Ids as int64."""
        return torch.from_numpy(labels.astype(np.int64))

    def loss(self, logits: Float[Tensor, "n k ..."], target: Int64[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Cross-entropy per pixel."""
        weights = None if self.weights is None else self.weights.to(logits.device)
        return F.cross_entropy(logits.float(), target, weights, ignore_index=IGNORE, reduction="none")

    def balanced(self, pools: Sequence[UInt8[np.ndarray, "_n h w"]], power: float) -> "Segmentation":
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

    def decode(
        self, members: Float[Tensor, "e n k h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[UInt8[np.ndarray, "n h w"], Float[Tensor, "n h w"]]:
        """The class of the highest mean probability, and the members' Jensen–Shannon divergence.

        JS = H(mean p) - mean H(p) (DatasetGAN, section 3.3), means weighted by `votes`, divided by its upper bound, the
        smaller of H(votes) and log(classes).
        """
        if votes is None:
            votes = torch.full((len(members),), 1 / len(members), device=members.device)
        log_p = members.float().log_softmax(2)
        mean = torch.einsum("e,enkhw->nkhw", votes, log_p.exp())
        entropy = -(mean * mean.clamp_min(1e-12).log()).sum(1)
        divergence = entropy + torch.einsum("e,enhw->nhw", votes, (log_p.exp() * log_p).sum(2))
        bound = max(min(float(-(votes * votes.clamp_min(1e-12).log()).sum()), math.log(self.channels)), 1e-3)
        return mean.argmax(1).to(torch.uint8).cpu().numpy(), (divergence / bound).clamp(0, 1)

    def score(self, pairs: Iterable[tuple[UInt8[np.ndarray, "n h w"], UInt8[np.ndarray, "n h w"]]]) -> dict[str, Any]:
        """Dataset-level intersection over union, averaged over the classes that occur (in truth or prediction).

        `miou_foreground` leaves out class 0.
        """
        matrix = MulticlassConfusionMatrix(self.channels, ignore_index=IGNORE, validate_args=False)
        for predicted, truth in pairs:
            matrix.update(torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))
        counts = matrix.compute().double()
        both = counts.diag()
        union = counts.sum(0) + counts.sum(1) - both
        iou = {name: float(both[k] / union[k]) for k, name in enumerate(self.schema["classes"]) if union[k] > 0}
        foreground = [value for name, value in iou.items() if name != self.schema["classes"][0]]
        metrics = {"miou": float(np.mean(list(iou.values()))), "miou_foreground": float(np.mean(foreground)) if foreground else float("nan")}
        return {"metrics": metrics, "per_class": iou}

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: UInt8[np.ndarray, "n h w"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Colours half over the image; ignored pixels are left as they are."""
        painted = palette(self.channels)[np.minimum(labels, self.channels - 1)]
        mixed = (images.astype(np.uint16) + painted) // 2
        return np.where((labels == IGNORE)[..., None], images, mixed.astype(np.uint8))


def palette(count: int) -> UInt8[np.ndarray, "k 3"]:
    """Well-distinguished colours, black for class 0."""
    colours = np.array([mpl.colormaps["tab20"]((k * 2 % 20 + k // 10 % 2) % 20)[:3] for k in range(max(count - 1, 1))])
    return np.concatenate([np.zeros((1, 3), np.uint8), (colours * 255).astype(np.uint8)])[:count]
