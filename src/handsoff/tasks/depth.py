"""Depth: a positive number per pixel, 0 = not known; `depth/NAME.npz` (array `depth`), 16-bit PNG, npy, pfm, exr or tiff, and perhaps `depth.json`.

`depth.json` is {"unit": "metres", "range": [nearest, farthest], "scale": unit per step of a PNG}, each of them optional.
"""

import io
import lzma
import math
import struct
import zipfile
import zlib
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image
from torch import Tensor

from handsoff.core import arrays
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.frames import MAX_PIXELS, Frame
from handsoff.core.images import reason
from handsoff.tasks.base import MapTask, Metric, Pairs, StorageLocation, equal_votes, refuse_unknown

Depths = Float[np.ndarray, "n h w"]
OPTIONS = ("unit", "range", "scale")
PARTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)  # what zipfile raises about broken parts, EOFError and RuntimeError too
UNREADABLE = (*arrays.UNREADABLE, OSError, RuntimeError, Image.DecompressionBombError, *PARTS)
MARGIN = 0.05  # of a range taken from labels, in logarithms


class NamelessError(Exception):
    """An npz of several arrays, none of them called depth."""


class Depth(MapTask):
    """`schema` is {"unit", "range", "scale"}: unit of the values, nearest and farthest of them, value of a PNG's step.

    A model learns the logarithm of depth, from -1 (nearest) to 1 (farthest).
    """

    name: ClassVar[str] = "depth"
    places: ClassVar[tuple[StorageLocation, ...]] = (
        StorageLocation("depth", (".npz", ".png", ".npy", ".pfm", ".exr", ".tiff", ".tif")),
    )
    card: ClassVar[str] = "depth.json"
    metrics: ClassVar[dict[str, Metric]] = {
        "nmse": Metric("NMSE", lower_is_better=True), "rmse": Metric("RMSE", lower_is_better=True), "rmse_log": Metric("RMSE log", lower_is_better=True),
        "abs_rel": Metric("AbsRel", lower_is_better=True), "sq_rel": Metric("SqRel", lower_is_better=True),
    }  # fmt: skip
    part_metric: ClassVar[str] = ""
    outside: ClassVar[float] = 0.0
    channels = 1

    def __init__(self, schema: dict[str, Any]) -> None:
        self.place = self.places[0]
        self.schema: dict[str, Any] = {
            "unit": schema.get("unit", "relative"),
            "range": schema.get("range"),
            "scale": schema.get("scale", 1.0),
        }
        near, far = (math.log(value) for value in self.schema["range"] or (1.0, math.e))
        self.centre, self.half = (near + far) / 2, (far - near) / 2

    @classmethod
    def described(cls, card: object, where: str, options: dict[str, Any], example: object) -> "Depth":  # noqa: ARG003  # depths are files
        if not isinstance(card, dict | None):
            raise InputError(
                f'{where} is not a JSON object: write {{"unit": "metres", "range": [0.5, 10]}} or leave it out.'
            )
        schema = {**(card or {}), **options}
        refuse_unknown(schema, OPTIONS, cls.name)
        limits, scale = schema.get("range"), schema.get("scale", 1.0)
        if limits is not None and not (
            isinstance(limits, list) and len(limits) == 2 and all(map(positive, limits)) and limits[0] < limits[1]
        ):
            raise InputError(f"{where}: range = {limits} must be [nearest, farthest], positive and rising.")
        if not isinstance(schema.get("unit", ""), str):
            raise InputError(f"{where}: unit = {schema['unit']} must be a text such as metres.")
        if not positive(scale):
            raise InputError(
                f"{where}: scale = {scale} must be a positive number, the depth of one step of a 16-bit PNG."
            )
        return cls(schema)

    def reading(self, card: object, where: str) -> "Depth":
        stated = {} if card is None else {name: self.described(card, where, {}, None).schema[name] for name in card}  # type: ignore[attr-defined]  # a dict
        if stated.get("unit", self.schema["unit"]) != self.schema["unit"]:
            raise MismatchError(
                f"{where} states depth in {stated['unit']}, the dataset in {self.schema['unit']}: convert one of them."
            )
        return type(self)({**self.schema, "scale": stated.get("scale", self.schema["scale"])})

    def parse(self, data: bytes, where: str, size: Frame) -> Float[np.ndarray, "h w"]:
        return read_depth(data, where, size, self.schema["scale"])

    def serialise(self, label: Float[np.ndarray, "h w"]) -> bytes:
        """npz: exact, and the same bytes every time."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, depth=label.astype(np.float32))
        return buffer.getvalue()

    def cards(self) -> dict[str, object]:
        return {self.card: {name: value for name, value in self.schema.items() if value is not None}}

    def settled(self, labels: Depths, where: str) -> "Depth":
        """The range of these labels, a little wider, where the pack states none."""
        values = labels[labels > 0]
        if self.schema["range"] is not None:
            return self
        if not values.size or values.min() == values.max():
            raise InputError(f"The depths of {where} are all the same: there is nothing to learn.")
        near, far = math.log(values.min()), math.log(values.max())
        wider = MARGIN * (far - near)
        return type(self)({**self.schema, "range": [math.exp(near - wider), math.exp(far + wider)]})

    def encode(self, labels: Depths, frame: Frame) -> Float[Tensor, "n h w"]:  # noqa: ARG002  # maps know their size
        """Normalised logarithms, NaN where depth is not known."""
        depth = torch.from_numpy(labels.astype(np.float32))
        return torch.where(depth > 0, (depth.clamp_min(1e-12).log() - self.centre) / self.half, torch.nan)

    def loss(self, outputs: Float[Tensor, "n 1 ..."], target: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Absolute error of the normalised logarithm, and once more without its mean over the image: the scale and the shape."""
        known = target.isfinite()
        error = (outputs[:, 0].float() - target.nan_to_num(0.0)) * known
        mean = error.flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)
        return error.abs() + ((error - mean.view(-1, *[1] * (error.ndim - 1))) * known).abs()

    @torch.no_grad()
    def decode(
        self, members: Float[Tensor, "e n 1 h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[Depths, Float[Tensor, "n h w"]]:
        """The members' geometric mean within the range, and the spread of their logarithms over half of it."""
        votes, values = equal_votes(members, votes), members[:, :, 0].float().clamp(-1, 1)
        mean = torch.einsum("e,enhw->nhw", votes, values)
        spread = torch.einsum("e,enhw->nhw", votes, (values - mean).square()).sqrt()
        return (mean * self.half + self.centre).exp().cpu().numpy(), spread.clamp(0, 1)

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Over all pixels whose depth is known, predictions p clamped to the range.

        NMSE = ‖p - g‖² / ‖g‖², RMSE in the unit, RMSE of the logarithms, AbsRel = mean |p - g| / g, SqRel = mean (p - g)² / g.
        """
        sums = np.zeros(6)
        for predicted, truth in pairs:
            g = truth[truth > 0].astype(np.float64)
            p = np.clip(predicted[truth > 0].astype(np.float64), *(self.schema["range"] or (1e-12, np.inf)))
            error = p - g
            logs = np.log(p) - np.log(g)
            sums += (
                len(g),
                (error**2).sum(),
                (g**2).sum(),
                (logs**2).sum(),
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

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Depths) -> UInt8[np.ndarray, "n h w 3"]:  # noqa: ARG002  # not over the image: depth fills it
        """Bright is near, black is not known."""
        place = (np.log(np.maximum(labels, 1e-12)) - self.centre) / self.half
        colours = mpl.colormaps["magma_r"](0.05 + 0.9 * np.clip((place + 1) / 2, 0, 1))[..., :3]
        return np.where((labels > 0)[..., None], colours * 255, 0).astype(np.uint8)


def positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def read_depth(data: bytes, where: str, size: Frame, scale: float) -> Float[np.ndarray, "h w"]:
    """A depth map as stored; NaN and infinity become 0, not known.

    Raises:
        InputError: not a depth map of this size, negative, or nowhere known.
    """
    values = read_values(data, where)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        depth = values.astype(np.float32) * np.float32(scale if values.dtype.kind in "ui" else 1.0)
    if depth.shape != size:
        shape = "x".join(map(str, depth.shape)) or "a single number"
        raise InputError(
            f"{where} is {shape}, its image {size[0]}x{size[1]} pixels (upright): make the depth map as large as the image."
        )
    depth = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=-1.0).astype(np.float32)
    if (depth < 0).any():
        raise InputError(f"{where} holds negative depths: write positive distances, and 0 where there is none.")
    if not (depth > 0).any():
        raise InputError(
            f"{where} holds no depth at all, every pixel is 0 or not finite: correct it or remove the sample."
        )
    return depth


def read_values(data: bytes, where: str) -> Shaped[np.ndarray, "..."]:
    """The numbers of a file of any of the formats, which it is recognised by.

    Raises:
        InputError: it is none of them.
        HandsOffError: it is OpenEXR, and that package is missing.
    """
    try:
        values = next((read for magic, read in FORMATS.items() if data.startswith(magic)), image_values)(data)
    except NamelessError:
        raise InputError(f"{where} has no array named depth: write one with numpy.savez(file, depth=array).") from None
    except UNREADABLE as error:
        raise InputError(
            f"{where} is not a readable depth map ({reason(error)}): write a 16-bit PNG, or an npz with an array named depth."
        ) from None
    if values.dtype.kind not in "fui":
        raise InputError(f"{where} holds {values.dtype} instead of numbers: write floats.")
    return values


def image_values(data: bytes) -> Shaped[np.ndarray, "h w"]:
    with Image.open(io.BytesIO(data)) as image:
        if image.mode not in {"L", "I", "I;16", "I;16B", "F"}:
            raise ValueError(f"mode {image.mode}, not one channel of 16 bits")
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"more than {MAX_PIXELS:,} pixels")
        return np.asarray(image).astype(np.float32 if image.mode == "F" else np.int64)


def npz_values(data: bytes) -> Shaped[np.ndarray, "..."]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > 8 * MAX_PIXELS:
            raise ValueError(f"more than {MAX_PIXELS:,} numbers")
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        if len(held.files) != 1 and "depth" not in held.files:
            raise NamelessError
        return np.asarray(held[held.files[0] if len(held.files) == 1 else "depth"])


FORMATS = {  # how files begin; all others are images
    b"PK": npz_values, arrays.NPY: arrays.npy_values, arrays.PFM: arrays.pfm_values, arrays.EXR: arrays.exr_values,
}  # fmt: skip
