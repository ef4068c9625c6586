"""Where hairs grow: pools of points on the rest mesh, and the fields that say what grows there.

Fields are functions of the place on the rest mesh (decimetres), so that they move with every face.
"""
# ruff: noqa: PLR2004  # the anatomy is numbers (dm, degrees) that stand where they are used

from typing import NamedTuple

import numpy as np
from assets import Assets
from shape import SKULL

BROW = np.array([[0.115, 7.51], [0.25, 7.55], [0.40, 7.56], [0.53, 7.50]])  # x, y of the right half's arch (mirrored)


class Pool(NamedTuple):
    """Points on the mesh: triangle (N,), weights of its corners (N, 3), place on the rest mesh (N, 3)."""

    tri: np.ndarray
    weights: np.ndarray
    place: np.ndarray

    def take(self, chosen: np.ndarray) -> "Pool":
        return Pool(self.tri[chosen], self.weights[chosen], self.place[chosen])

    def on(self, values: np.ndarray, tris: np.ndarray) -> np.ndarray:
        """Vertex values (V, C) at the points (N, C)."""
        return np.einsum("nk,nkc->nc", self.weights, values[tris[self.tri]]).astype(np.float32)


def make_pools(assets: Assets) -> dict[str, Pool]:
    """Pools for `scalp`, `brow`, `beard` and `lash`, the same for every head."""
    rng = np.random.default_rng(2024)
    corners = assets.rest[assets.tris]
    middle, body = corners.mean(1), assets.parts == 0
    ear = assets.regions[assets.tris, 2].mean(1) > 0.3
    up, round_head = middle[:, 1], np.abs(middle[:, 0]) < 0.95
    scalp = body & round_head & ~ear & (up > 6.35) & ((middle[:, 2] < 0.95) | (up > 7.6)) & (middle[:, 2] < 1.65)
    brow = body & round_head & (np.abs(up - 7.5) < 0.13) & (middle[:, 2] > 1.0)
    beard = body & round_head & ~ear & (up > 5.95) & (up < 7.3) & (middle[:, 2] > 0.5)
    return {
        "scalp": scatter(rng, assets, scalp, 9000),
        "brow": scatter(rng, assets, brow, 5000),
        "beard": scatter(rng, assets, beard, 7000),
    }


def scatter(rng: np.random.Generator, assets: Assets, chosen: np.ndarray, count: int) -> Pool:
    """Points spread evenly by area over the chosen triangles."""
    faces = np.flatnonzero(chosen)
    a, b, c = (assets.rest[assets.tris[faces, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    place = (np.arange(count) + rng.random(count)) / count
    tri = faces[np.minimum(np.searchsorted(np.cumsum(area) / area.sum(), place), len(faces) - 1)]
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], 1)
    points = np.einsum("nk,nkc->nc", weights, assets.rest[assets.tris[tri]])
    order = rng.permutation(count)  # any prefix is an even sample
    return Pool(tri[order], weights[order].astype(np.float32), points[order].astype(np.float32))


def smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Smoothstep from 0 at `low` to 1 at `high` (which may be lower)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def angles(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth (0 in front, positive to the subject's left), elevation about the middle of the cranium, in degrees."""
    offset = place - SKULL
    return np.degrees(np.arctan2(offset[:, 0], offset[:, 2])), np.degrees(
        np.arctan2(offset[:, 1], np.hypot(offset[:, 0], offset[:, 2]))
    )


def scalp_field(place: np.ndarray, high: float, temple: float, nape: float) -> np.ndarray:
    """How far inside the hairline, in degrees of elevation (negative: no hair).

    `high` lifts the front, `temple` the corners (receding).
    """
    azimuth, elevation = angles(place)
    side = np.abs(azimuth)
    line = np.interp(
        side, [0, 22, 42, 58, 70, 84, 92, 104, 118, 140, 180], [31, 32, 27, 12, 4, -22, -6, 4, -16, -38, -48]
    )
    line = (
        line + high * smooth(75, 40, side) + temple * np.exp(-(((side - 38) / 17) ** 2)) + nape * smooth(110, 140, side)
    )
    return elevation - line


def brow_field(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the arch of the brow (dm, positive above), and the position along it (0 inner, 1 outer end)."""
    x = np.abs(place[:, 0])
    along = (x - BROW[0, 0]) / (BROW[-1, 0] - BROW[0, 0])
    return place[:, 1] - np.interp(x, BROW[:, 0], BROW[:, 1]), along


def beard_field(place: np.ndarray) -> dict[str, np.ndarray]:
    """Fields 0 to 1 on the face: `full`, `moustache`, `chin` (goatee) and `stubble` (softer edge)."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    cheek = np.interp(
        x, [0.0, 0.28, 0.42, 0.58, 0.7, 0.8], [6.52, 6.60, 6.66, 6.78, 6.98, 7.15]
    )  # upper edge on the cheek
    lower = 6.12 + 0.32 * smooth(1.2, 0.7, z)  # edge below the jaw
    lips = ((x / 0.285) ** 2 + ((y - 6.605) / 0.125) ** 2) < 1
    full = smooth(0.03, -0.03, y - cheek) * smooth(-0.03, 0.05, y - lower) * smooth(0.5, 0.62, z) * ~lips
    top = np.interp(x, [0, 0.1, 0.32, 0.4], [6.82, 6.82, 6.66, 6.5])
    moustache = (
        smooth(0.015, -0.02, y - top) * (y > 6.6 - 0.07 * smooth(0.22, 0.36, x)) * (x < 0.37) * ~lips * (z > 1.1)
    )
    chin = smooth(0.30, 0.2, x) * (y < 6.5) * smooth(-0.03, 0.05, y - lower) * ~lips * (z > 1.0)
    stubble = (
        np.maximum(smooth(0.1, -0.12, y - cheek) * smooth(-0.25, 0.1, y - lower) * smooth(0.35, 0.8, z), moustache)
        * ~lips
    )
    return {
        "full": np.maximum(full, moustache),
        "moustache": moustache,
        "chin": np.maximum(chin, moustache * (x < 0.36)),
        "stubble": stubble,
    }
