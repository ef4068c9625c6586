"""Keypoints: K points per image, each (x, y, visibility) in pixels, the first pixel's centre at (0, 0).

In a pack: `keypoints.json`, {NAME: [[x, y] or [x, y, visibility], …]}, and, if there is more to say, `points.json`:
{"names": […], "mirror": [[a, b], …], "scale": [[a, …], [b, …]], "sigma": pixels}. Visibility is 0 where the point is not
in the image, 1 where something hides it, 2 where it is seen (COCO's numbers).
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.frames import Frame
from handsoff.geometry.affine import moved_points
from handsoff.geometry.peaks import blurred, located
from handsoff.tasks.base import (
    Metric,
    Pairs,
    PoolLabels,
    StorageLocation,
    Task,
    equal_votes,
    mirrored_names,
    refuse_unknown,
    same,
    worst_tenth,
)

Points = Float[np.ndarray, "n k 3"]
OPTIONS = ("names", "mirror", "scale", "sigma")
SIGMAS = 64  # sigmas along the longer side, unless the schema says otherwise
LEAST_SIGMA = 0.5  # pixels: a narrower heat map falls between them
RARITY = 4.0  # outputs are logits above the odds e^-RARITY : 1, for nearly every pixel is far from every point
NEAR = 0.1  # of the unit of the scores: a hit
THERE = 0.1  # of a whole heat map, found by the blur as a matched filter: from here on a point counts as seen


class Keypoints(Task):
    """`schema` is {"names", "mirror", "scale", "sigma"}.

    `mirror` lists pairs that change places in the mirror (found by left and right in the names where it is not given;
    None: not known, then nothing is mirrored). `scale` is two groups of points whose centres' distance is the unit of the
    scores, such as the two eyes; None: the longer side of the points' box. `sigma` is that of the heat maps, in pixels.
    """

    name: ClassVar[str] = "keypoints"
    places: ClassVar[tuple[StorageLocation, ...]] = (StorageLocation("keypoints"),)
    card: ClassVar[str] = "points.json"
    metrics: ClassVar[dict[str, Metric]] = {
        "pck@0.1": Metric("PCK@0.1"),
        "pck@0.05": Metric("PCK@0.05"),
        "nme": Metric("NME", lower_is_better=True),
    }
    part_metric: ClassVar[str] = "PCK@0.1"

    def __init__(self, schema: dict[str, Any]) -> None:
        self.place = self.places[0]
        self.schema: dict[str, Any] = {name: schema.get(name) for name in OPTIONS}
        self.channels = len(schema["names"])
        self.mirrors = self.schema["mirror"] is not None
        self.partner = np.arange(self.channels)
        for a, b in self.schema["mirror"] or ():
            self.partner[[a, b]] = b, a

    @classmethod
    def described(cls, card: object, where: str, options: dict[str, Any], example: object) -> "Keypoints":
        if card is not None and not isinstance(card, dict):
            raise InputError(
                f'{where} is not a JSON object: write {{"names": […], "mirror": [[0, 1], …]}} or leave it out.'
            )
        refuse_unknown({**(card or {}), **options}, OPTIONS, cls.name)
        schema: dict[str, Any] = {**(card or {}), **options}
        if not isinstance(example, list) or not example:
            raise InputError(
                f"The keypoints.json that {where} belongs to is not made of lists of [x, y] or [x, y, visibility]: correct it."
            )
        count = len(example)
        if schema.get("names") is None:
            schema["names"] = [str(index) for index in range(count)]
        named = schema["names"]
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise InputError(f"{where}: names must be a list of texts, one per point.")
        if len(named) != count or len(set(named)) != count:
            raise InputError(
                f"{where} names {len(named)} points, keypoints.json has {count} per image: name every point once."
            )
        refuse_indices(schema, count, where)
        if schema.get("mirror") is None:
            partners = mirrored_names(named)
            pairs = [[a, b] for a, b in enumerate(partners) if a < b]
            schema["mirror"] = pairs or None
        return cls(schema)

    def reading(self, card: object, where: str) -> "Keypoints":
        if isinstance(card, dict) and card.get("names") is not None and not same(card["names"], self.schema["names"]):
            raise MismatchError(
                f"{where} names other points than the dataset has: give labelled data with the same points."
            )
        return self

    def parse(self, data: Any, where: str, size: Frame) -> Float[np.ndarray, "k 3"]:
        """Without visibility, a point up to half an image outside counts as cut off; with it, a seen point must lie inside."""
        points = numbers(data)
        if points.ndim != 2 or points.shape[1] not in (2, 3):  # noqa: PLR2004  # x, y and perhaps visibility
            raise InputError(f"{where} is not a list of [x, y] or [x, y, visibility]: correct it.")
        if len(points) != self.channels:
            raise InputError(
                f"{where} has {len(points)} points, the others have {self.channels}: give all of them, with visibility 0 for what is not there."
            )
        stated = points.shape[1] == 3  # noqa: PLR2004  # as above
        points = points if stated else np.column_stack([points, np.full(len(points), 2.0)])
        seen = points[:, 2] > 0
        broken = ~np.isfinite(points).all(1) | ~np.isin(points[:, 2], (0, 1, 2))
        if broken.any():
            raise InputError(
                f"{where}: point {int(broken.argmax())} is {data[int(broken.argmax())]}: write finite pixels, and visibility 0, 1 or 2."
            )
        far = seen & ~within(points, size, 0.0 if stated else 0.5)
        if far.any():
            index = int(far.argmax())
            remedy = "correct it, or give it visibility 0"
            raise InputError(
                f"{where}: point {index} at {points[index, 0]:g}, {points[index, 1]:g} lies outside the image of {size[1]}x{size[0]} pixels: {remedy}."
            )
        points[~within(points, size), 2] = 0
        return points.astype(np.float32)

    def serialise(self, label: Float[np.ndarray, "k 3"]) -> Any:
        """Three decimals of a pixel."""
        return [[round(float(x), 3), round(float(y), 3), int(v)] for x, y, v in label]

    def cards(self) -> dict[str, object]:
        return {self.card: {name: value for name, value in self.schema.items() if value is not None}}

    def move(
        self,
        labels: Points,
        theta: Float[Tensor, "n 2 3"],
        flipped: Shaped[Tensor, " n"],
        frame: Frame,
        size: Frame | None = None,
    ) -> Points:
        moved = np.concatenate([moved_points(labels[..., :2], theta, frame, size), labels[..., 2:]], -1)
        moved[~within(moved, frame), 2] = 0
        return np.where(flipped.cpu().numpy()[:, None, None], moved[:, self.partner], moved)

    def hidden(self, label: Float[np.ndarray, "k 3"], where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "k 3"]:
        columns, rows = (np.rint(label[:, axis]).clip(0, where.shape[1 - axis] - 1).astype(int) for axis in (0, 1))
        points = label.copy()
        points[where[rows, columns], 2] = 0
        return points

    def parts(self) -> list[str]:
        names: list[str] = self.schema["names"]
        return names

    def spots(self, label: Float[np.ndarray, "k 3"], part: str) -> Float[np.ndarray, "n 2"]:
        point = label[[self.parts().index(part)]].astype(np.float64)
        return point[point[:, 2] > 0, :2]

    def settled(self, labels: Points, where: str) -> "Keypoints":
        if (labels[..., 2] == 0).all():
            raise InputError(
                f"The keypoints of {where} are all outside of their images or have visibility 0: give points that can be seen."
            )
        return self

    def balanced(self, pools: Sequence[PoolLabels], power: float) -> "Keypoints":  # noqa: ARG002  # every point is one point per image
        return self

    def chances(self, labels: Points, frame: Frame, power: float) -> Float[Tensor, "n p"]:  # noqa: ARG002  # half of the pixels near points, always
        heat = torch.stack([self.encode(label[None], frame)[0].amax(-1).flatten() for label in labels])
        near = heat / heat.sum(1, keepdim=True).clamp_min(1e-6)
        return near + 1 / heat.shape[1]

    def sigma(self, frame: Frame) -> float:
        return float(self.schema["sigma"] or max(1.0, max(frame) / SIGMAS))

    def encode(self, labels: Points, frame: Frame) -> Float[Tensor, "n h w k"]:
        """Gaussian heat maps of height 1; nothing where a point is not there."""
        points = torch.from_numpy(labels.astype(np.float32))
        x, y, present = points[..., 0], points[..., 1], (points[..., 2] > 0).float()
        variance = 2 * self.sigma(frame) ** 2
        across = (-((torch.arange(frame[1])[None, :, None] - x[:, None]) ** 2) / variance).exp()
        down = (-((torch.arange(frame[0])[None, :, None] - y[:, None]) ** 2) / variance).exp() * present[:, None]
        return down[:, :, None] * across[:, None]

    def loss(self, outputs: Float[Tensor, "n k ..."], target: Float[Tensor, "n ... k"]) -> Float[Tensor, "n ..."]:
        """Binary cross-entropy with the heat maps, mean over the points."""
        return F.binary_cross_entropy_with_logits(
            outputs.float() - RARITY, target.movedim(-1, 1), reduction="none"
        ).mean(1)

    @torch.no_grad()
    def decode(
        self, members: Float[Tensor, "e n k h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[Points, Float[Tensor, "n k"]]:
        """The peak of the members' mean heat map; how far the members' own peaks lie from it is the uncertainty.

        For a point that is there: 1 - exp(-d / sigma), d being the root mean square distance in pixels. For one that is
        not: how near its heat map came to saying it is.
        """
        votes = equal_votes(members, votes)
        maps = (members.float() - RARITY).sigmoid()
        sigma = self.sigma((members.shape[3], members.shape[4]))
        smooth = blurred(maps, sigma)
        mean, mean_smooth = (torch.einsum("e,enkhw->nkhw", votes, found) for found in (maps, smooth))
        place = located(mean, mean_smooth, sigma)
        presence = torch.einsum("e,enk->nk", votes, 2 * smooth.amax((-2, -1)))
        distance = (located(maps, smooth, sigma) - place).square().sum(-1)
        spread = torch.einsum("e,enk->nk", votes, distance).sqrt()
        there = presence >= THERE
        uncertainty = torch.where(there, 1 - (-spread / sigma).exp(), presence / THERE)
        return torch.cat([place, 2.0 * there[..., None]], -1).cpu().numpy(), uncertainty

    def doubt(self, uncertainty: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        return worst_tenth(uncertainty)

    def score(self, pairs: Pairs) -> dict[str, Any]:
        """Over all points that are there and all images whose unit is known: distances in that unit, and how many are small.

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
        parts = {str(name): float(hits[k] / counts[k]) for k, name in enumerate(self.schema["names"]) if counts[k]}
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
        if self.schema["scale"] is None:
            lowest, highest = (np.full((len(labels), 2), np.nan) for _ in range(2))
            some = np.isfinite(places[..., 0]).any(1)
            lowest[some], highest[some] = np.nanmin(places[some], 1), np.nanmax(places[some], 1)
            found = (highest - lowest).max(-1)
        else:
            centres = [places[:, group].mean(1) for group in self.schema["scale"]]
            found = np.linalg.norm(centres[0] - centres[1], axis=-1)
        return np.where(found > 0, found, np.nan)

    def census(self, labels: Points) -> dict[str, tuple[int, float]]:
        """Point → images that show it, as a number and as a share."""
        present = (labels[..., 2] > 0).sum(0)
        return {
            str(name): (int(present[k]), float(present[k] / len(labels))) for k, name in enumerate(self.schema["names"])
        }

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: Points) -> UInt8[np.ndarray, "n h w 3"]:
        """A dot per point that is there, in the colours of the rainbow."""
        drawn, (height, width) = images.copy(), images.shape[1:3]
        radius = max(height, width) // 128
        colours = (mpl.colormaps["gist_rainbow"](np.linspace(0, 1, self.channels))[:, :3] * 255).astype(np.uint8)
        for image, points in zip(drawn, labels, strict=True):
            for (x, y, seen), colour in zip(points, colours, strict=True):
                if seen:
                    row, column = min(max(round(float(y)), 0), height - 1), min(max(round(float(x)), 0), width - 1)
                    image[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = (
                        colour
                    )
        return drawn

    def legend(self) -> list[tuple[str, str]]:
        return []


def numbers(data: object) -> Float[np.ndarray, "*_"]:
    """JSON lists as an array; empty where they are not lists of numbers."""
    try:
        found = np.array(data)
    except ValueError:  # lists of several lengths
        return np.empty(0)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return found.astype(np.float32) if found.dtype.kind in "iuf" else np.empty(0)


def within(points: Float[np.ndarray, "*n k 3"], frame: Frame, margin: float = 0.0) -> Shaped[np.ndarray, "*n k"]:
    """Which points lie on the image, or beside it by up to `margin` of its sides."""
    side = np.array([frame[1], frame[0]])
    places = points[..., :2] + 0.5
    return np.asarray(((places >= -margin * side) & (places <= (1 + margin) * side)).all(-1))


def refuse_indices(schema: dict[str, Any], count: int, where: str) -> None:
    """Check what `points.json` and the user say about single points.

    Raises:
        InputError: it cannot be.
    """
    for name in ("mirror", "scale"):
        groups = schema.get(name)
        if groups is None:
            continue
        shaped = isinstance(groups, list) and all(isinstance(group, list) and group for group in groups)
        pairs = shaped and (all(len(group) == 2 for group in groups) if name == "mirror" else len(groups) == 2)  # noqa: PLR2004  # two change places; two ends
        listed = [index for group in groups for index in group] if pairs else []
        twice = name == "mirror" and len(set(map(str, listed))) < len(listed)
        if not pairs or twice or not all(isinstance(index, int) and 0 <= index < count for index in listed):
            form = (
                "[[0, 1], …]: pairs of points that change places"
                if name == "mirror"
                else "[[0, …], [1, …]]: two groups of points"
            )
            raise InputError(f"{where}: {name} must be written {form}, counted from 0 to {count - 1}.")
    sigma = schema.get("sigma")
    if sigma is not None and not (isinstance(sigma, int | float) and math.isfinite(sigma) and sigma >= LEAST_SIGMA):
        raise InputError(f"{where}: sigma = {sigma} must be a number of pixels, at least {LEAST_SIGMA}.")
