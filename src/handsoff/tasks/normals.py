"""Surface normals: a unit vector per pixel, x right, y up, z towards the camera.

In a pack: `normals/NAME.png`, colours (vector + 1) / 2 · 255, black = not known; or depth maps, from which they are derived.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import decode_image
from handsoff.tasks.base import MapTask, Metric, Pairs, StorageLocation, equal_votes
from handsoff.tasks.depth import Depth, positive, read_depth

Codes = UInt8[np.ndarray, "*n h w 3"]  # as the colours of the PNG
Vectors = Float[np.ndarray, "*n h w 3"]
CLOSE = 11.25  # degrees (Eigen & Fergus 2015)


class Normals(MapTask):
    """`schema` is {"focal"}: the focal length of depth maps in image widths."""

    name: ClassVar[str] = "normals"
    places: ClassVar[tuple[StorageLocation, ...]] = (StorageLocation("normals", (".png",)), *Depth.places)
    card: ClassVar[str] = "normals.json"
    metrics: ClassVar[dict[str, Metric]] = {
        "angle": Metric("mean angle °", lower_is_better=True),
        "within_11.25": Metric("within 11.25°"),
    }
    part_metric: ClassVar[str] = ""
    outside: ClassVar[float] = 0
    channels = 3

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema: dict[str, Any] = {"focal": schema.get("focal", 1.0)}
        self.place = self.places[0]

    @classmethod
    def described(cls, card: object, where: str, options: dict[str, Any], example: object) -> "Normals":  # noqa: ARG003  # normals are files
        schema = {**card, **options} if isinstance(card, dict) else options if card is None else {"": card}
        if schema.keys() - {"focal"} or not all(map(positive, schema.values())):
            raise InputError(f'{where} must be {{"focal": …}}, a positive number of image widths, or be left out.')
        return cls(schema)

    def reading(self, card: object, where: str) -> "Normals":
        return self.described(card, where, {}, None) if card else self

    def cards(self) -> dict[str, object]:
        return {self.card: self.schema}

    def parse(self, data: bytes, where: str, size: Frame) -> Codes:
        if self.place == self.places[0]:
            codes = decode_image(data, where)
            if codes.shape[:2] != size:
                raise InputError(
                    f"{where} is {codes.shape[0]}x{codes.shape[1]} pixels, its image {size[0]}x{size[1]}: make it as large as the image."
                )
            return codes
        depth = read_depth(data, where, size, scale=1.0)
        return coded(from_depth(depth, self.schema["focal"]))

    def serialise(self, label: UInt8[np.ndarray, "h w 3"]) -> bytes:
        return png(label)

    def move(
        self,
        labels: Codes,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> UInt8[np.ndarray, "n fh fw 3"]:
        """The vectors turn with the image."""
        moved = super().move(labels, theta, flipped, frame, size)
        before = size or frame
        matrix = theta[:, :, :2].double().cpu().numpy() * np.outer(before[::-1], 1 / np.array(frame[::-1]))  # in pixels
        turn = np.linalg.inv(matrix) * np.sqrt(np.abs(np.linalg.det(matrix)))[:, None, None]
        v = vectors(moved)
        turned = np.einsum("nij,nhwj->nhwi", turn, v[..., :2] * [1, -1]) * [1, -1]  # rows count downwards
        return coded(np.concatenate([turned, v[..., 2:]], -1))

    def settled(self, labels: Codes, where: str) -> "Normals":
        if not self.known(labels).any():
            raise InputError(
                f"The normals of {where} are black everywhere, which means not known: there is nothing to learn."
            )
        return self

    def encode(self, labels: Codes, frame: Frame) -> Float[Tensor, "n h w 3"]:  # noqa: ARG002  # maps know their size
        return torch.from_numpy(vectors(labels).astype(np.float32))

    def loss(self, outputs: Float[Tensor, "n 3 ..."], target: Float[Tensor, "n ... 3"]) -> Float[Tensor, "n ..."]:
        """1 - cosine."""
        truth = target.movedim(-1, 1)
        return (1 - F.cosine_similarity(outputs.float(), truth, 1)) * (truth != 0).any(1)

    @torch.no_grad()
    def decode(
        self, members: Float[Tensor, "e n 3 h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[Codes, Float[Tensor, "n h w"]]:
        """The direction of the members' mean, and how much shorter than 1 that mean is."""
        mean = torch.einsum("e,enkhw->nkhw", equal_votes(members, votes), F.normalize(members.float(), dim=2))
        return coded(F.normalize(mean, dim=1).movedim(1, -1).cpu().numpy()), (1 - mean.norm(dim=1)).clamp(0, 1)

    def score(self, pairs: Pairs) -> dict[str, Any]:
        angles = []
        for predicted, truth in pairs:
            known = self.known(truth)
            cosine = (vectors(predicted)[known] * vectors(truth)[known]).sum(-1)
            angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        angle = np.concatenate(angles)
        mean, near = (float(values.mean()) if angle.size else np.nan for values in (angle, angle <= CLOSE))
        return {"metrics": {"angle": mean, "within_11.25": near}, "per_class": {}}

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Codes) -> UInt8[np.ndarray, "n h w 3"]:  # noqa: ARG002  # they fill the image
        return labels


def vectors(codes: Codes) -> Vectors:
    """Colours → unit vectors, 0 where not known."""
    raw = codes.astype(np.float64) / 255 * 2 - 1
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    return np.where((codes > 0).any(-1, keepdims=True), raw / np.maximum(length, 1e-6), 0.0)


def coded(unit: Vectors) -> Codes:
    """Unit vectors → colours; vectors of length 0 → black."""
    colours = np.rint((unit + 1) / 2 * 255).astype(np.uint8)
    return np.where((np.abs(unit) > 0).any(-1, keepdims=True), colours, 0).astype(np.uint8)


def from_depth(depth: Float[np.ndarray, "h w"], focal: float) -> Float[np.ndarray, "h w 3"]:
    """Normals of a depth map seen by a pinhole camera: the cross product of its surface's two slopes; 0 at the edge of what is known."""
    height, width = depth.shape
    f = focal * width
    z = np.where(depth > 0, depth, np.nan).astype(np.float64)
    y, x = np.mgrid[:height, :width]
    points = np.stack([(x - (width - 1) / 2) * z / f, -(y - (height - 1) / 2) * z / f, -z], -1)
    across, down = (
        np.gradient(points, axis=axis) if points.shape[axis] > 1 else np.full_like(points, np.nan) for axis in (1, 0)
    )
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    found = np.isfinite(length) & (length > 0) & (depth > 0)[..., None]
    return np.where(found, normal / np.where(length > 0, length, 1.0), 0.0)
