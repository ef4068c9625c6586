"""Keypoints: K points per image, each (x, y, visibility) in pixels, the first pixel's centre at (0, 0).

In a dataset: `keypoints.json`, {NAME: [[x, y] or [x, y, visibility], …]}, and, if there is more to say, `points.json`:
{"names": […], "mirror": [[a, b], …], "scale": [[a, …], [b, …]], "sigma": pixels}. Visibility is 0 where the point is
not in the image, 1 where something hides it, 2 where it is seen (COCO's numbers).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.frames import Frame
from handsoff.geometry.affine import moved_points
from handsoff.geometry.peaks import blurred, located
from handsoff.geometry.views import POINT_TIE, Visible
from handsoff.tasks.base import (
    Drawing,
    Editor,
    Geometry,
    Learning,
    Metric,
    Pairs,
    Parse,
    Schema,
    Scores,
    Storage,
    StorageLocation,
    Task,
    equal_weights,
    same,
)
from handsoff.tasks.mirror import lone_sides, mirrored_names
from handsoff.tasks.points import read_points, refuse_indices, stored_points, within
from handsoff.tasks.stated import home, stated

Points = Float[np.ndarray, "n k 3"]
OPTIONS = ("names", "mirror", "scale", "sigma")
SIGMAS = 64  # sigmas along the longer side, unless the schema says otherwise
RARITY = 4.0  # outputs are logits above the odds e^-RARITY : 1, for nearly every pixel is far from every point
NEAR = 0.1  # of the unit of the scores: a hit
THERE = 0.1  # of a whole heat map, found by the blur as a matched filter: from here on a point counts as seen
TOGETHER = 8  # points whose maps are decided at once


@dataclass(frozen=True)
class KeypointStorage(Storage):
    """Entries of one JSON file."""

    schema: Schema

    def bind(self, card: object, where: str, location: StorageLocation) -> Parse:  # noqa: ARG002  # there is one location
        names = self.schema["names"]
        if isinstance(card, dict) and card.get("names") is not None and not same(card["names"], names):
            raise MismatchError(
                f"{where} names other points than the dataset has: give labelled data with the same points."
            )
        return lambda data, where, size: read_points(data, where, size, len(names))

    def serialise(self, label: Float[np.ndarray, "k 3"]) -> list[list[float | int]]:
        """Three decimals of a pixel."""
        return [[round(float(x), 3), round(float(y), 3), int(v)] for x, y, v in label]

    def cards(self) -> dict[str, object]:
        return {Keypoints.card: {name: value for name, value in self.schema.items() if value is not None}}


@dataclass(frozen=True)
class KeypointGeometry(Geometry):
    """Points move exactly; those that leave the image get visibility 0.

    Attributes:
        partner: point → the point that it is in the mirror.
    """

    mirrors: bool
    partner: tuple[int, ...]
    names: tuple[str, ...]

    def move(
        self,
        labels: Points,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> Points:
        moved = np.concatenate([moved_points(labels[..., :2], theta, frame, size), labels[..., 2:]], -1)
        edge = np.clip(moved[..., :2], -0.5, np.array([frame[1], frame[0]], moved.dtype) - 0.5)
        rounded = np.abs(moved[..., :2] - edge) <= POINT_TIE  # a point on the image's border stays on it
        moved[..., :2] = np.where(rounded, edge, moved[..., :2])
        moved[~within(moved, frame), 2] = 0
        return np.where(flipped.cpu().numpy()[:, None, None], moved[:, list(self.partner)], moved)

    def mirror_outputs(self, outputs: Float[Tensor, "... k h w"]) -> Float[Tensor, "... k h w"]:
        return super().mirror_outputs(outputs)[..., list(self.partner), :, :]

    def hide(self, label: Float[np.ndarray, "k 3"], where: Visible) -> Float[np.ndarray, "k 3"]:
        points = label.copy()
        points[~where.shows(points[:, :2]), 2] = 0
        return points

    def locations(self, label: Float[np.ndarray, "k 3"], part: str) -> Float[np.ndarray, "n 2"]:
        point = label[[self.names.index(part)]].astype(np.float64)
        return point[point[:, 2] > 0, :2]


@dataclass(frozen=True)
class KeypointLearning(Learning):
    """A heat map per point is learnt."""

    schema: Schema

    def infer_schema(self, labels: Points, where: str) -> Schema:
        if (labels[..., 2] == 0).all():
            held = "all outside of their images or have visibility 0"
            raise InputError(f"The keypoints of {where} are {held}: give points that can be seen.")
        return self.schema

    def sampling_weights(self, labels: Points, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # every point is one point per image
        """Half of the drawn pixels lie near points."""
        heat = torch.stack([self.encode(label[None], frame)[0].amax(-1).flatten() for label in labels])
        near = heat / heat.sum(1, keepdim=True).clamp_min(1e-6)
        return near + 1 / heat.shape[1]

    def sigma(self, frame: Frame) -> float:
        """Of the heat maps, in pixels."""
        return float(self.schema["sigma"] or max(1.0, max(frame) / SIGMAS))

    def encode(self, labels: Points, frame: Frame) -> Float[Tensor, "n h w k"]:
        """Gaussian heat maps of height 1; nothing where a point is not there."""
        points = torch.from_numpy(labels.astype(np.float32))
        x, y, present = points[..., 0], points[..., 1], (points[..., 2] > 0).float()
        variance = 2 * self.sigma(frame) ** 2
        across = (-((torch.arange(frame[1])[None, :, None] - x[:, None]) ** 2) / variance).exp()
        down = (-((torch.arange(frame[0])[None, :, None] - y[:, None]) ** 2) / variance).exp() * present[:, None]
        return down[:, :, None] * across[:, None]

    def loss(
        self,
        outputs: Float[Tensor, "n k ..."],
        target: Float[Tensor, "n ... k"],
        class_weights: Tensor | None = None,  # noqa: ARG002  # no classes
    ) -> Float[Tensor, "n ..."]:
        """Binary cross-entropy with the heat maps, mean over the points."""
        return F.binary_cross_entropy_with_logits(
            outputs.float() - RARITY, target.movedim(-1, 1), reduction="none"
        ).mean(1)

    def soft_target(self, outputs: Float[Tensor, "n k h w"]) -> tuple[Float[Tensor, "n h w k"], Float[Tensor, "n h w"]]:
        """Heat maps; all pixels count, since a low one too says that no point is there."""
        heat = (outputs.float() - RARITY).sigmoid().movedim(1, -1)
        return heat, torch.ones_like(heat[..., 0])

    @torch.no_grad()
    def decode(
        self, outputs: Float[Tensor, "e n k h w"], weights: Float[Tensor, " e"] | None = None
    ) -> tuple[Points, Float[Tensor, "n k"]]:
        """The peak of the members' mean heat map; how far the members' own peaks lie from it is the uncertainty.

        For a point that is there: 1 - exp(-d / sigma), d being the root mean square distance in pixels. For one that is
        not: how near its heat map came to saying it is.
        """
        weights = equal_weights(outputs, weights)
        found = [self.decided(part, weights) for part in outputs.split(TOGETHER, 2)]  # several copies of all are much
        points, uncertainty = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return points.cpu().numpy(), uncertainty

    def decided(
        self, outputs: Float[Tensor, "e n k h w"], weights: Float[Tensor, " e"]
    ) -> tuple[Float[Tensor, "n k 3"], Float[Tensor, "n k"]]:
        """The same of some of the points, each by its own maps alone."""
        maps = (outputs.float() - RARITY).sigmoid()
        sigma = self.sigma((outputs.shape[3], outputs.shape[4]))
        smooth = blurred(maps, sigma)
        mean, mean_smooth = (torch.einsum("e,enkhw->nkhw", weights, found) for found in (maps, smooth))
        place = located(mean, mean_smooth, sigma)
        presence = torch.einsum("e,enk->nk", weights, 2 * smooth.amax((-2, -1)))
        distance = (located(maps, smooth, sigma) - place).square().sum(-1)
        spread = torch.einsum("e,enk->nk", weights, distance).sqrt()
        there = presence >= THERE
        uncertainty = torch.where(there, 1 - (-spread / sigma).exp(), presence / THERE)
        return torch.cat([place, 2.0 * there[..., None]], -1), uncertainty

    def answers(self, outputs: Float[Tensor, "n k h w"]) -> dict[str, Tensor]:
        """`points` [n, k, 3], x and y in pixels and visibility (0 or 2), and `scores`, the heat maps from 0 to 1."""
        maps = (outputs - RARITY).sigmoid()
        sigma = self.sigma((outputs.shape[2], outputs.shape[3]))
        smooth = blurred(maps, sigma)
        visible = 2.0 * (2 * smooth.amax((-2, -1)) >= THERE)
        return {"points": torch.cat([located(maps, smooth, sigma), visible[..., None]], -1), "scores": maps}


@dataclass(frozen=True)
class KeypointScores(Scores):
    """Distances in a unit that each image has of its own, see `unit`."""

    names: tuple[str, ...]
    scale: list[list[int]] | None

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Distances over all points that are there, in images whose unit is known, and how many are small.

        Where a point was predicted counts, not whether it was called seen.
        """
        errors: list[Float[np.ndarray, "n k"]] = []
        for predicted, truth in pairs:
            distance = np.linalg.norm(predicted[..., :2] - truth[..., :2], axis=-1) / self.unit(truth)[:, None]
            errors.append(np.where(truth[..., 2] > 0, distance, np.nan))
        joined = np.concatenate(errors)
        known = np.isfinite(joined)
        flat = joined[known]

        def share(below: float) -> float:
            return float((flat <= below).mean()) if len(flat) else math.nan

        counts = known.sum(0)
        hits = ((joined <= NEAR) & known).sum(0)
        parts = {name: float(hits[k] / counts[k]) for k, name in enumerate(self.names) if counts[k]}
        return {
            "metrics": {
                "pck@0.1": share(NEAR),
                "pck@0.05": share(NEAR / 2),
                "nme": float(flat.mean()) if len(flat) else math.nan,
            },
            "per_class": parts,
        }

    def unit(self, labels: Points) -> Float[np.ndarray, " n"]:
        """Pixels per unit of the scores in each image, NaN where the points that say it are not there."""
        places = np.where(labels[..., 2:] > 0, labels[..., :2], np.nan).astype(np.float64)
        if self.scale is None:
            lowest, highest = (np.full((len(labels), 2), np.nan) for _ in range(2))
            some = np.isfinite(places[..., 0]).any(1)
            lowest[some], highest[some] = np.nanmin(places[some], 1), np.nanmax(places[some], 1)
            found = (highest - lowest).max(-1)
        else:
            centres = [places[:, group].mean(1) for group in self.scale]
            found = np.linalg.norm(centres[0] - centres[1], axis=-1)
        return np.where(found > 0, found, np.nan)

    def label_statistics(self, labels: Points) -> dict[str, tuple[int, float]]:
        """Point → images that show it, as a number and as a share."""
        present = (labels[..., 2] > 0).sum(0)
        return {name: (int(present[k]), float(present[k] / len(labels))) for k, name in enumerate(self.names)}

    def measures(self, label: Float[np.ndarray, "k 3"]) -> dict[str, float]:
        """Where the points are that are there, in pixels."""
        there = [(name, point) for name, point in zip(self.names, label, strict=True) if point[2] > 0]
        return {f"{name} {axis}": round(float(point[i]), 2) for name, point in there for i, axis in enumerate("xy")}


@dataclass(frozen=True)
class KeypointDrawing(Drawing):
    """Dots in the colours of the rainbow."""

    editor: ClassVar[Editor] = "points"

    count: int

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Points) -> UInt8[np.ndarray, "n h w 3"]:
        """A dot per point that is there, in the colours of the rainbow."""
        drawn, (height, width) = images.copy(), images.shape[1:3]
        radius = max(height, width) // 128
        colours = (mpl.colormaps["gist_rainbow"](np.linspace(0, 1, self.count))[:, :3] * 255).astype(np.uint8)
        for image, points in zip(drawn, labels, strict=True):
            for (x, y, seen), colour in zip(points, colours, strict=True):
                if seen:
                    row, column = min(max(round(float(y)), 0), height - 1), min(max(round(float(x)), 0), width - 1)
                    image[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = (
                        colour
                    )
        return drawn


class Keypoints(Task):
    """`schema` is {"names", "mirror", "scale", "sigma"}.

    `mirror` lists pairs that change places in the mirror (found by left and right in the names where it is not given;
    None: not known, then nothing is mirrored, as where a name with left or right lacks its partner). `scale` is two
    groups of points whose centres' distance is the unit of the scores, such as the two eyes; None: the longer side of
    the points' box. `sigma` is that of the heat maps, in pixels; None: a 64th of the longer side, at least 1.
    """

    name = "keypoints"
    locations = (StorageLocation("keypoints"),)
    card = "points.json"
    aliases = ("keypoints",)
    metrics: ClassVar = {
        "pck@0.1": Metric("PCK@0.1"),
        "pck@0.05": Metric("PCK@0.05"),
        "nme": Metric("NME", lower_is_better=True),
    }
    part_metric = "PCK@0.1"
    pixelwise = False
    geometry: KeypointGeometry

    def __init__(self, schema: Schema) -> None:
        schema = {name: schema.get(name) for name in OPTIONS}
        names, partner = tuple(schema["names"]), list(range(len(schema["names"])))
        for a, b in schema["mirror"] or ():
            partner[a], partner[b] = b, a
        super().__init__(
            schema,
            channels=len(names),
            storage=KeypointStorage(schema),
            geometry=KeypointGeometry(schema["mirror"] is not None, tuple(partner), names),
            learning=KeypointLearning(schema),
            scores=KeypointScores(names, schema["scale"]),
            drawing=KeypointDrawing(len(names)),
            parts=names,
        )

    @classmethod
    def first_entry(cls, entry: object, where: str) -> object:
        stored_points(entry, where)
        return entry

    @classmethod
    def declare(cls, card: object, where: str, options: Mapping[str, Any], example: Any) -> Schema:
        if card is not None and not isinstance(card, dict):
            raise InputError(
                f'{where} is not a JSON object: write {{"names": […], "mirror": [[0, 1], …]}} or leave it out.'
            )
        schema = stated(card, where, options, OPTIONS, cls.name)
        places, count = {name: home(name, where, options, cls.name) for name in OPTIONS}, len(example)
        if schema.get("names") is None:
            schema["names"] = [str(index) for index in range(count)]
        named = schema["names"]
        if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
            raise InputError(f"{places['names']}: names must be a list of texts, one per point.")
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{places['names']} names the point {twice!r} twice: give every point a name of its own.")
        if len(named) != count:
            raise InputError(
                f"{places['names']} names {len(named)} points, the labels have {count} of each image: name them all."
            )
        refuse_indices(schema, count, places)
        if schema.get("mirror") is None:
            pairs = [[a, b] for a, b in enumerate(mirrored_names(named)) if a < b]
            schema["mirror"] = None if lone_sides(named) else pairs or None
        return {name: schema.get(name) for name in OPTIONS}
