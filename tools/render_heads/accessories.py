"""Glasses and hats: small meshes built on the morphed head before it is posed (decimetres)."""
# ruff: noqa: PLR2004  # sizes (dm) and angles stand where they are used

from typing import NamedTuple

import numpy as np
from grow import surface
from shade import FRAME_PART, HAT_PART
from shape import SKULL

LENS_PART = 8  # drawn in the overlay, like lashes
HATS = ("beanie", "cap", "brim")


class Piece(NamedTuple):
    """A mesh: vertices (V, 3), triangles (T, 3), part, and the pattern's depth per vertex (V,)."""

    verts: np.ndarray
    tris: np.ndarray
    part: int
    depth: np.ndarray


class Face(NamedTuple):
    """Where accessories sit, each (3,): middles of the left and right eye, bridge of the nose, tops of both ears."""

    left_eye: np.ndarray
    right_eye: np.ndarray
    bridge: np.ndarray
    left_ear: np.ndarray
    right_ear: np.ndarray


def grid_mesh(points: np.ndarray, part: int, depth: np.ndarray | None = None, *, closed: bool = True) -> Piece:
    """A grid (R, C, 3) as triangles; `closed` joins the last column to the first."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, 1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1], right[:-1], right[1:], left[1:]
    tris = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    values = np.zeros(rows * columns) if depth is None else np.broadcast_to(depth, (rows, columns)).ravel()
    return Piece(points.reshape(-1, 3).astype(np.float32), tris.astype(np.int32), part, values.astype(np.float32))


def tube(line: np.ndarray, radius: float, part: int, *, ring: bool) -> Piece:
    """A tube along a polyline (N, 3)."""
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0) if ring else np.gradient(line, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    across = np.cross(ahead, [0.05, 0.1, 1.0]) if ring else np.cross(ahead, [0.1, 1.0, 0.15])
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    out = np.cross(ahead, across)
    turn = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    points = line[:, None] + radius * (
        np.cos(turn)[None, :, None] * across[:, None] + np.sin(turn)[None, :, None] * out[:, None]
    )
    if ring:
        points = np.concatenate([points, points[:1]])
    return grid_mesh(points, part)


def glasses(rng: np.random.Generator, face: Face) -> list[Piece]:
    """Round, square or pilot glasses."""
    power = float(rng.choice([2.0, 2.4, 3.6, 5.0]))
    half = np.array([rng.uniform(0.24, 0.28), rng.uniform(0.17, 0.24) if power > 2 else 0.25])
    radius = rng.uniform(0.017, 0.034)
    droop = rng.uniform(0, 0.06)
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    front = max(face.bridge[2] + 0.1, face.left_eye[2] + 0.32)
    pieces, inner, outer = [], [], []
    for eye, ear, sign in ((face.left_eye, face.left_ear, 1), (face.right_eye, face.right_ear, -1)):
        cosine, sine = np.cos(turn), np.sin(turn)
        x = sign * half[0] * np.sign(cosine) * np.abs(cosine) ** (2 / power)
        y = half[1] * np.sign(sine) * np.abs(sine) ** (2 / power)
        y -= droop * np.clip(-y / half[1], 0, 1) * 2 * half[1]
        middle = np.array([eye[0] + sign * 0.015, eye[1] - 0.03, front])
        line = np.stack([middle[0] + x, middle[1] + y, middle[2] - 0.4 * (middle[0] + x) ** 2 * 0.8], 1)
        pieces.append(tube(line, radius, FRAME_PART, ring=True))
        lens = np.stack([np.repeat(line.mean(0)[None], len(line), 0), line], 0)
        pieces.append(grid_mesh(lens, LENS_PART))
        inner.append(line[np.argmin(sign * x - 0.4 * y)])
        outer.append(line[np.argmax(sign * x + 0.6 * y)])
        bend = outer[-1] * 0.25 + 0.75 * (ear + np.array([sign * 0.03, 0.0, 0.1])) + [sign * 0.05, 0.02, 0]
        temple = np.linspace(0, 1, 8)[:, None]
        curve = (
            (1 - temple) ** 2 * outer[-1]
            + 2 * temple * (1 - temple) * bend
            + temple**2 * (ear + np.array([sign * 0.02, 0.03, -0.1]))
        )
        pieces.append(tube(curve, radius * 0.9, FRAME_PART, ring=False))
    arch = np.linspace(0, 1, 7)[:, None]
    bridge = inner[0] * (1 - arch) + inner[1] * arch + np.array([0, 0.14, 0.1]) * arch * (1 - arch)
    pieces.append(tube(bridge, radius, FRAME_PART, ring=False))
    return pieces


def hat_edge(kind: str, azimuth: np.ndarray, tilt: float) -> np.ndarray:
    """Elevation (degrees) of the lower edge of a hat around the head."""
    front, back = {"beanie": (20, -22), "cap": (24, -10), "brim": (24, -4)}[kind]
    along = 0.5 + 0.5 * np.cos(np.radians(azimuth))
    return back + (front - back) * along + tilt


def dome(kind: str, table: np.ndarray, tilt: float, room: float, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """The shell of a hat: points (16, 44, 3) from the edge to the crown, and azimuths (44,)."""
    azimuth = np.linspace(-180, 180, 44, endpoint=False)
    edge = hat_edge(kind, azimuth, tilt)
    share = np.linspace(0, 1, 16)[:, None]
    elevation = np.radians(edge + (89.5 - edge) * share)
    turn = np.radians(azimuth)[None] + 0 * share
    offset = np.stack([np.sin(turn) * np.cos(elevation), np.sin(elevation), np.cos(turn) * np.cos(elevation)], -1)
    radius = np.array([[surface(table, *offset[i, j], 1.0) for j in range(44)] for i in range(16)])
    smooth = (radius + np.roll(radius, 1, 1) + np.roll(radius, -1, 1)) / 3
    stretch = 1 + np.stack([0 * share, tall * share**1.5, 0 * share], -1)
    return SKULL + offset * (np.maximum(radius, smooth) + room)[..., None] * stretch, azimuth


def hat(rng: np.random.Generator, kind: str, table: np.ndarray, tilt: float) -> list[Piece]:
    """A knitted beanie, a peaked cap or a brimmed hat."""
    points, azimuth = dome(
        kind, table, tilt, rng.uniform(0.12, 0.17), {"beanie": rng.uniform(0.0, 0.22), "cap": 0.06, "brim": 0.2}[kind]
    )
    rows = np.linspace(0, 1, 16)[:, None]
    depth = np.where(rows < 0.22, 0.05, 0.5) + 0 * azimuth[None]
    if kind == "beanie":
        cuff = rng.uniform(0.0, 0.09) * (rows < 0.22)[..., None]
        away = points - SKULL
        return [grid_mesh(points + cuff * away / np.linalg.norm(away, axis=2, keepdims=True), HAT_PART, depth)]
    shell = grid_mesh(points, HAT_PART, depth + 0.4)
    edge = points[0]
    outward = edge - SKULL
    outward[:, 1] = 0
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    out = np.linspace(0, 1, 6)[:, None, None]
    if kind == "cap":
        chosen = np.abs(azimuth) < 62
        length = 0.72 * np.cos(np.radians(azimuth[chosen] * 1.42)) ** 0.5
        side = edge[chosen, 0][None, :, None]
        peak = (
            edge[chosen]
            + (outward[chosen] * [0.35, 0, 1]) * out * length[None, :, None]
            + [0, 1, 0] * (-0.16 * out - 0.28 * out * side**2)
        )
        return [shell, grid_mesh(peak, HAT_PART, np.full(peak.shape[:2], 0.05), closed=False)]
    width = rng.uniform(0.4, 0.65)
    wave = rng.uniform(-0.05, 0.16) * np.abs(np.sin(np.radians(azimuth)))[None, :, None]
    brim = edge + outward * out * width + [0, 1, 0] * (wave * out**2 - 0.05 * out)
    crown = points.copy()
    crown[:, :, 1] -= 0.12 * (rows > 0.75) * (np.abs(crown[:, :, 0]) < 0.3)  # the dent
    return [grid_mesh(crown, HAT_PART, depth), grid_mesh(brim, HAT_PART, np.full(brim.shape[:2], 0.4))]
