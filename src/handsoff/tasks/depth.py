"""Depth: a positive number per pixel, 0 = not known.

In a dataset: `depth/NAME.npz` (array `depth`), 16-bit PNG, npy, pfm, exr or tiff, and perhaps `depth.json`,
{"unit": "metres", "range": [nearest, farthest], "scale": unit per step of a PNG}, each of them optional.
"""

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import tiff
from handsoff.core.frames import Frame
from handsoff.tasks.base import (
    Drawing,
    Editor,
    Label,
    Metric,
    Pairs,
    Parse,
    Schema,
    StorageLocation,
    Task,
    equal_weights,
)
from handsoff.tasks.depth_files import positive, read_depth
from handsoff.tasks.maps import MapGeometry, MapLearning, MapScores, MapStorage
from handsoff.tasks.stated import home, stated

Depths = Float[np.ndarray, "n h w"]
UNSTATED: Schema = {"unit": "relative", "range": None, "scale": 1.0}  # what a dataset without a card means
MARGIN = 0.05  # of a range taken from labels, in logarithms
FAR_OFF = 10  # times: depths all of which are that far outside a range are not in its unit
WIDEST = 1e5  # farthest / nearest depth of labels: beyond, numbers such as 1e10 stand for "not known"


@dataclass(frozen=True)
class LogScale:
    """Depths as models learn them: logarithms, -1 at the nearest and 1 at the farthest of `limits`."""

    limits: list[float] | None

    @property
    def centre_half(self) -> tuple[float, float]:
        """Middle and half of the range, in logarithms."""
        near, far = (math.log(value) for value in self.limits or (1.0, math.e))
        return (near + far) / 2, (far - near) / 2

    def normalise(self, depth: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        centre, half = self.centre_half
        return (depth.clamp_min(1e-12).log() - centre) / half

    def restore(self, values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        centre, half = self.centre_half
        return (values * half + centre).exp()


@dataclass(frozen=True)
class DepthStorage(MapStorage):
    """Exact as npz; read from many formats, whole numbers times the `scale` that the dataset states."""

    schema: Schema

    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:  # noqa: ARG002  # there is one location
        Depth.declare(card, where, {}, None)  # refuses what cannot be
        stated = {**self.schema, **(card if isinstance(card, dict) else {})}
        scale = None if stated["scale"] == 1 and not (isinstance(card, dict) and "scale" in card) else stated["scale"]
        if stated["unit"] != self.schema["unit"]:
            units = f"{where} states depth in {stated['unit']}, the dataset in {self.schema['unit']}"
            raise MismatchError(f"{units}: convert one of them.")

        def parse(data: bytes, where: str, size: Frame) -> Float[np.ndarray, "h w"]:
            depth = read_depth(data, where, size, scale)
            refuse_far_off(depth, self.schema["range"], where)
            return depth

        return parse

    def serialise(self, label: Float[np.ndarray, "h w"]) -> bytes:
        """npz: exact, and the same bytes every time."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, depth=label.astype(np.float32))
        return buffer.getvalue()

    def cards(self) -> dict[str, object]:
        return {Depth.card: {name: value for name, value in self.schema.items() if value is not None}}

    def doubt(self, labels: Iterable[Label]) -> str:
        """Maps of which none holds any depth; a single one may, such as after a crop of sparse depth."""
        said = ""
        for label in labels:
            if (label > 0).any():
                return ""
            said = "the depth maps hold no depth at all, every pixel is 0 or not finite: correct them"
        return said

    def as_image(self, label: Float[np.ndarray, "h w"]) -> tuple[bytes, str]:
        """A TIFF of 32-bit floats: exact."""
        return tiff(label), ".tiff"


def refuse_far_off(depth: Float[np.ndarray, "h w"], limits: list[float] | None, where: str) -> None:
    """Refuse depths that are far outside the range of the dataset: they are in another unit.

    Raises:
        MismatchError: all of them are.
    """
    seen = depth[depth > 0]
    if limits is None or not seen.size:
        return
    if seen.min() > FAR_OFF * limits[1] or seen.max() * FAR_OFF < limits[0]:
        raise MismatchError(
            f"{where} holds depths from {seen.min():g} to {seen.max():g}, the range is {limits[0]:g} to {limits[1]:g}: "
            f"state in {Depth.card} with scale what one step is, or convert the depths to the same unit."
        )


@dataclass(frozen=True)
class DepthLearning(MapLearning):
    """A model learns the logarithm of depth."""

    scale: LogScale

    def infer_schema(self, labels: Depths, where: str) -> Schema:
        """The range of these labels, a little wider, where the dataset states none."""
        values = labels[labels > 0]
        if not values.size:
            raise InputError(f"The depths of {where} are known nowhere: there is nothing to learn.")
        if self.scale.limits is not None:
            return self.schema
        if values.min() == values.max():
            raise InputError(f"The depths of {where} are all the same: there is nothing to learn.")
        nearest, farthest = float(values.min()), float(values.max())
        if farthest > WIDEST * nearest:
            raise InputError(
                f"The depths of {where} go from {nearest:g} to {farthest:g}, too far to learn: write 0 where depth is "
                f"not known, or state range = [nearest, farthest] in {Depth.card}."
            )
        near, far = math.log(nearest), math.log(farthest)
        wider = MARGIN * (far - near)
        return {**self.schema, "range": [math.exp(near - wider), math.exp(far + wider)]}

    def encode(self, labels: Depths, frame: Frame) -> Float[Tensor, "n h w"]:  # noqa: ARG002  # maps know their size
        """Normalised logarithms, kept within the range as predictions are; NaN where depth is not known."""
        depth = torch.from_numpy(labels.astype(np.float32))
        return torch.where(depth > 0, self.scale.normalise(depth).clamp(-1, 1), torch.nan)

    def loss(
        self,
        outputs: Float[Tensor, "n 1 ..."],
        target: Float[Tensor, "n ..."],
        class_weights: Tensor | None = None,  # noqa: ARG002  # no classes
    ) -> Float[Tensor, "n ..."]:
        """Absolute error of the normalised logarithm, plus that without its mean over the image: scale and shape."""
        known = target.isfinite()
        error = (outputs[:, 0].float() - target.nan_to_num(0.0)) * known
        mean = error.flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)
        return error.abs() + ((error - mean.view(-1, *[1] * (error.ndim - 1))) * known).abs()

    @torch.no_grad()
    def decode(
        self, outputs: Float[Tensor, "e n 1 h w"], weights: Float[Tensor, " e"] | None = None
    ) -> tuple[Depths, Float[Tensor, "n h w"]]:
        """The members' geometric mean within the range, and the spread of their logarithms over half of it."""
        weights, values = equal_weights(outputs, weights), outputs[:, :, 0].float().clamp(-1, 1)
        mean = torch.einsum("e,enhw->nhw", weights, values)
        spread = torch.einsum("e,enhw->nhw", weights, (values - mean).square()).sqrt()
        return self.scale.restore(mean).cpu().numpy(), spread.clamp(0, 1)

    def answers(self, outputs: Float[Tensor, "n 1 h w"]) -> dict[str, Tensor]:
        """`depth` [n, h, w] in the unit of the labels, within their range."""
        return {"depth": self.scale.restore(outputs[:, 0].clamp(-1, 1))}


@dataclass(frozen=True)
class DepthScores(MapScores):
    """Errors in the unit of the labels, predictions clamped to `limits`."""

    limits: list[float] | None

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Over all pixels whose depth is known, predictions p clamped to the range.

        NMSE = ‖p - g‖² / ‖g‖², RMSE in the unit, RMSE of the logarithms, AbsRel = mean |p - g| / g,
        SqRel = mean (p - g)² / g.
        """
        sums = np.zeros(6)
        for predicted, truth in pairs:
            g = truth[truth > 0].astype(np.float64)
            p = np.clip(predicted[truth > 0].astype(np.float64), *(self.limits or (1e-12, np.inf)))
            error = p - g
            ratio = np.log(p) - np.log(g)
            sums += (
                len(g),
                (error**2).sum(),
                (g**2).sum(),
                (ratio**2).sum(),
                (np.abs(error) / g).sum(),
                (error**2 / g).sum(),
            )
        count, squares, energy, logs, relative, square_relative = (
            float(value) if sums[0] else math.nan for value in sums
        )
        rmse, rmse_log = math.sqrt(squares / count), math.sqrt(logs / count)
        metrics = {
            "nmse": squares / energy,
            "rmse": rmse,
            "rmse_log": rmse_log,
            "abs_rel": relative / count,
            "sq_rel": square_relative / count,
        }
        return {"metrics": metrics, "per_class": {}}

    def span(self, label: Float[np.ndarray, "h w"]) -> tuple[float, float] | None:
        found = label[label > 0]
        return (float(found.min()), float(found.max())) if found.size else None

    def measures(self, label: Float[np.ndarray, "h w"]) -> dict[str, float]:
        """The depths that a twentieth of the known pixels lie before, and behind."""
        known_depths = label[label > 0]
        if not known_depths.size:
            return {}
        near, far = np.percentile(known_depths, (5, 95))
        return {"depth nearest": float(near), "depth farthest": float(far)}


@dataclass(frozen=True)
class DepthDrawing(Drawing):
    """Bright is near, black is not known."""

    editor: ClassVar[Editor] = "planes"

    scale: LogScale

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Depths) -> UInt8[np.ndarray, "n h w 3"]:  # noqa: ARG002  # not over the image: depth fills it
        position = self.scale.normalise(torch.from_numpy(labels.astype(np.float64))).numpy()
        colours = mpl.colormaps["magma_r"](0.05 + 0.9 * np.clip((position + 1) / 2, 0, 1))[..., :3]
        return np.where((labels > 0)[..., None], colours * 255, 0).astype(np.uint8)


class Depth(Task):
    """`schema` is {"unit", "range", "scale"}: unit of depth, [nearest, farthest], and depth of one step of a PNG."""

    name = "depth"
    locations = (StorageLocation("depth", (".npz", ".png", ".npy", ".pfm", ".exr", ".tiff", ".tif")),)
    card = "depth.json"
    aliases = ("depth", "depth_map")
    metrics: ClassVar = {
        "nmse": Metric("NMSE", lower_is_better=True),
        "rmse": Metric("RMSE", lower_is_better=True),
        "rmse_log": Metric("RMSE log", lower_is_better=True),
        "abs_rel": Metric("AbsRel", lower_is_better=True),
        "sq_rel": Metric("SqRel", lower_is_better=True),
    }

    def __init__(self, schema: Schema) -> None:
        schema = {**UNSTATED, **{name: schema[name] for name in UNSTATED if name in schema}}
        scale = LogScale(schema["range"])
        super().__init__(
            schema,
            channels=1,
            storage=DepthStorage(0.0, schema),
            geometry=MapGeometry(0.0),
            learning=DepthLearning(schema, 0.0, scale),
            scores=DepthScores(self.name, 0.0, schema["range"]),
            drawing=DepthDrawing(scale),
        )

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:  # noqa: ARG003  # depths are files
        if not isinstance(card, dict | None):
            raise InputError(
                f'{where} is not a JSON object: write {{"unit": "metres", "range": [0.5, 10]}} or leave it out.'
            )
        schema = stated(card, where, options, tuple(UNSTATED), cls.name)
        places = {name: home(name, where, options, cls.name) for name in UNSTATED}
        limits, scale = schema.get("range"), schema.get("scale", 1.0)
        if limits is not None and not (
            isinstance(limits, list) and len(limits) == 2 and all(map(positive, limits)) and limits[0] < limits[1]  # noqa: PLR2004  # two ends
        ):
            raise InputError(f"{places['range']}: range = {limits} must be [nearest, farthest], positive and rising.")
        if not isinstance(schema.get("unit", ""), str):
            raise InputError(f"{places['unit']}: unit = {schema['unit']} must be a text such as metres.")
        if not positive(scale):
            raise InputError(
                f"{places['scale']}: scale = {scale} must be a positive number, the depth of one step of a 16-bit PNG."
            )
        return {**UNSTATED, **schema}
