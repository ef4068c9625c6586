"""Surface normals: a unit vector per pixel, x right, y up, z towards the camera.

In a dataset: `normals/NAME.png`, colours (vector + 1) / 2 · 255, black = not known; or depth maps, from which they are
derived.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.errors import InputError
from handsoff.core.files import png
from handsoff.core.frames import Frame
from handsoff.core.images import decode_colours
from handsoff.geometry.surfaces import Colours, coloured, from_depth, to_colours, vectors
from handsoff.tasks.base import Drawing, Metric, Pairs, Parse, Schema, StorageLocation, Task, equal_weights
from handsoff.tasks.depth import Depth
from handsoff.tasks.depth_files import positive, read_depth
from handsoff.tasks.maps import MapGeometry, MapLearning, MapScores, MapStorage, known
from handsoff.tasks.stated import said_by_user

CLOSE = 11.25  # degrees (Eigen & Fergus 2015)


@dataclass(frozen=True)
class NormalsStorage(MapStorage):
    """As colours, or derived from depth with the focal length of the dataset's camera (in image widths)."""

    focal: float

    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:
        focal = Normals.declare(card, where, {}, None)["focal"] if card else self.focal

        def from_colours(data: bytes, where: str, size: Frame) -> Colours:
            colours = decode_colours(data, where)
            if colours.shape[:2] != size:
                sizes = f"{colours.shape[0]}x{colours.shape[1]} pixels, its image {size[0]}x{size[1]}"
                raise InputError(f"{where} is {sizes}: make it as large as the image.")
            return coloured(colours, where)

        def from_depths(data: bytes, where: str, size: Frame) -> Colours:
            return to_colours(from_depth(read_depth(data, where, size, scale=1.0), focal))

        return from_colours if location == Normals.locations[0] else from_depths

    def serialise(self, label: UInt8[np.ndarray, "h w 3"]) -> bytes:
        return png(label)

    def cards(self) -> dict[str, object]:
        return {Normals.card: {"focal": self.focal}}


class NormalsGeometry(MapGeometry):
    """The vectors turn with the image; where it is stretched, they become those of the stretched surface."""

    def move(
        self,
        labels: Colours,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> UInt8[np.ndarray, "n fh fw 3"]:
        moved = super().move(labels, theta, flipped, frame, size)
        before = size or frame
        matrix = theta[:, :, :2].double().cpu().numpy() * np.outer(before[::-1], 1 / np.array(frame[::-1]))  # in pixels
        turn = np.swapaxes(matrix, 1, 2) / np.sqrt(np.abs(np.linalg.det(matrix)))[:, None, None]  # inverse transpose
        v = vectors(moved)
        turned = np.einsum("nij,nhwj->nhwi", turn, v[..., :2] * [1, -1]) * [1, -1]  # rows count downwards
        stretched = np.concatenate([turned, v[..., 2:]], -1)
        return to_colours(stretched / np.maximum(np.linalg.norm(stretched, axis=-1, keepdims=True), 1e-6))

    def mirror_outputs(self, outputs: Float[Tensor, "... 3 h w"]) -> Float[Tensor, "... 3 h w"]:
        return super().mirror_outputs(outputs) * outputs.new_tensor([-1.0, 1.0, 1.0])[:, None, None]


class NormalsLearning(MapLearning):
    """The cosine of the angle is learnt."""

    def infer_schema(self, labels: Colours, where: str) -> Schema:
        if not known(labels, self.outside).any():
            held = "black everywhere, which means not known"
            raise InputError(f"The normals of {where} are {held}: there is nothing to learn.")
        return self.schema

    def encode(self, labels: Colours, frame: Frame) -> Float[Tensor, "n h w 3"]:  # noqa: ARG002  # maps know their size
        return torch.from_numpy(vectors(labels).astype(np.float32))

    def loss(
        self,
        outputs: Float[Tensor, "n 3 ..."],
        target: Float[Tensor, "n ... 3"],
        class_weights: Tensor | None = None,  # noqa: ARG002  # no classes
    ) -> Float[Tensor, "n ..."]:
        """1 - cosine."""
        truth = target.movedim(-1, 1)
        return (1 - F.cosine_similarity(outputs.float(), truth, 1)) * (truth != 0).any(1)

    @torch.no_grad()
    def decode(
        self, outputs: Float[Tensor, "e n 3 h w"], weights: Float[Tensor, " e"] | None = None
    ) -> tuple[Colours, Float[Tensor, "n h w"]]:
        """The direction of the members' mean, and how much shorter than 1 that mean is."""
        mean = torch.einsum("e,enkhw->nkhw", equal_weights(outputs, weights), F.normalize(outputs.float(), dim=2))
        return to_colours(F.normalize(mean, dim=1).movedim(1, -1).cpu().numpy()), (1 - mean.norm(dim=1)).clamp(0, 1)

    def answers(self, outputs: Float[Tensor, "n 3 h w"]) -> dict[str, Tensor]:
        """`normals` [n, h, w, 3], unit vectors: x right, y up, z towards the camera."""
        return {"normals": F.normalize(outputs, dim=1).movedim(1, -1)}


class NormalsScores(MapScores):
    """Angles in degrees over all known pixels."""

    def score(self, pairs: Pairs) -> dict[str, Any]:
        angles = []
        for predicted, truth in pairs:
            there = known(truth, self.outside)
            cosine = (vectors(predicted)[there] * vectors(truth)[there]).sum(-1)
            angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        angle = np.concatenate(angles)
        mean, near = (float(values.mean()) if angle.size else np.nan for values in (angle, angle <= CLOSE))
        return {"metrics": {"angle": mean, "within_11.25": near}, "per_class": {}}


class NormalsDrawing(Drawing):
    """The colours as they are stored."""

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Colours) -> UInt8[np.ndarray, "n h w 3"]:  # noqa: ARG002  # they fill the image
        return labels


class Normals(Task):
    """`schema` is {"focal"}: the focal length of depth maps in image widths."""

    name = "normals"
    locations = (StorageLocation("normals", (".png",)), *Depth.locations)
    card = "normals.json"
    aliases = ("normals",)
    metrics: ClassVar = {"angle": Metric("mean angle °", lower_is_better=True), "within_11.25": Metric("within 11.25°")}

    def __init__(self, schema: Schema) -> None:
        schema = {"focal": schema.get("focal", 1.0)}
        storage, geometry, learning = NormalsStorage(0, **schema), NormalsGeometry(0), NormalsLearning(schema, 0)
        super().__init__(schema, 3, storage, geometry, learning, NormalsScores(self.name, 0), NormalsDrawing())

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: object) -> Schema:  # noqa: ARG003  # normals are files
        said: Any = {} if card is None else card
        for table, place in ((said, where), (options, said_by_user(cls.name))):
            if not isinstance(table, Mapping) or table.keys() - {"focal"} or not all(map(positive, table.values())):
                raise InputError(f'{place} must be {{"focal": …}}, a positive number of image widths, or be left out.')
        return {"focal": 1.0, **said, **options}
