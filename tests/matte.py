"""A task that the package does not know, in one file: how much of a pixel is foreground (254 steps; 255 = unknown)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import decode_mask
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.tasks.base import Drawing, Labels, Metric, Pairs, Parse, Schema, StorageLocation, Task, equal_weights
from handsoff.tasks.maps import MapGeometry, MapLearning, MapScores, MapStorage, known

UNKNOWN, WHOLE = 255, 254


class MatteStorage(MapStorage):
    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:  # noqa: ARG002  # nothing to translate
        def parse(data: bytes, where: str, size: Frame) -> np.ndarray:
            matte = decode_mask(data, where)
            if matte.shape != size:
                raise InputError(f"{where} is not as large as its image: resize it.")
            return matte

        return parse

    def serialise(self, label: np.ndarray) -> bytes:
        return png(label)


class MatteLearning(MapLearning):
    def encode(self, labels: Labels, frame: Frame) -> Tensor:  # noqa: ARG002  # maps know their size
        values = torch.from_numpy(labels.astype(np.float32) / WHOLE)
        return torch.where(torch.from_numpy(known(labels, UNKNOWN)), values, torch.nan)

    def loss(self, outputs: Tensor, target: Tensor, class_weights: Tensor | None = None) -> Tensor:  # noqa: ARG002  # no classes
        return (outputs[:, 0].float().sigmoid() - target.nan_to_num()).abs() * target.isfinite()

    def decode(self, outputs: Tensor, weights: Tensor | None = None) -> tuple[Labels, Tensor]:
        share, weights = outputs[:, :, 0].float().sigmoid(), equal_weights(outputs, weights)
        mean = torch.einsum("e,enhw->nhw", weights, share)
        spread = torch.einsum("e,enhw->nhw", weights, (share - mean).abs())
        return (mean * WHOLE).round().to(torch.uint8).cpu().numpy(), spread


class MatteScores(MapScores):
    def score(self, pairs: Pairs) -> dict[str, Any]:
        errors = [np.abs(predicted.astype(float) - truth)[known(truth, UNKNOWN)] / WHOLE for predicted, truth in pairs]
        return {"metrics": {"matte_mae": float(np.concatenate(errors).mean())}, "per_class": {}}


class MatteDrawing(Drawing):
    def draw(self, images: np.ndarray, labels: Labels) -> np.ndarray:
        return (images * (labels[..., None] / WHOLE).clip(0, 1)).astype(np.uint8)


class Matte(Task):
    name = "matte"
    locations = (StorageLocation("alpha", (".png",)),)
    card = "alpha.json"
    aliases = ("alpha", "matte")
    metrics: ClassVar = {"matte_mae": Metric("mean absolute error", lower_is_better=True)}

    def __init__(self, schema: Schema) -> None:
        learning, scores = MatteLearning(schema, UNKNOWN), MatteScores(self.name, UNKNOWN)
        super().__init__(schema, 1, MatteStorage(UNKNOWN), MapGeometry(UNKNOWN), learning, scores, MatteDrawing())

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:  # noqa: ARG003  # nothing is open
        return {}


def write_mattes(folder: Path, images: np.ndarray) -> None:
    """Images as a labelled folder: a pixel is foreground as far as it is bright."""
    task = Matte({})
    for index, image in enumerate(images):
        alpha = (image.mean(-1) / 255 * WHOLE).astype(np.uint8)
        write_sample(folder, f"photo{index:02d}", image, {"matte": alpha}, {"matte": task})
    write_cards(folder, {"matte": task})
