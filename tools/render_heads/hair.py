"""Hair, brows and beards as strands, grown on the morphed head before it is posed (decimetres)."""
# ruff: noqa: PLR2004  # lengths and angles of the anatomy stand where they are used

from typing import NamedTuple

import numpy as np
from grow import STEPS, grow
from roots import Pool, angles, beard_field, brow_field, scalp_field, smooth
from shape import SKULL
from styles import BEARD_FIELD, HUG, RISE, Style

HAIR, BROW, BEARD = 7, 4, 8  # materials are class ids


class Strands(NamedTuple):
    """S strands: points (S, STEPS, 3), widths (S, STEPS) in dm, material (S,), linear colour (S, 3), shade (S,)."""

    points: np.ndarray
    widths: np.ndarray
    material: np.ndarray
    colour: np.ndarray
    tone: np.ndarray


def scalp_roots(rng: np.random.Generator, style: Style, pool: Pool) -> tuple[Pool, np.ndarray]:
    """The points of the pool that carry hair, and how far inside the hairline they lie (degrees)."""
    inside = scalp_field(pool.place, style.high, style.temple, style.nape)
    keep = inside + rng.normal(0, 1.2, len(inside)) > 0
    if style.name == "bald":
        azimuth, elevation = angles(pool.place)
        keep &= elevation < np.where(np.abs(azimuth) < 60, -10, 18) + rng.normal(0, 4, len(inside))
        keep &= rng.random(len(inside)) < (0.9 if style.stubble > 0.2 else 0.0)
    if style.name in {"buzz", "bald"}:
        keep &= rng.random(len(keep)) < 0.8
    return pool.take(keep), inside[keep]


def scalp_lengths(
    rng: np.random.Generator, style: Style, place: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Length of each strand (dm), and whether it belongs to the fringe."""
    azimuth, elevation = angles(place)
    top = smooth(0, 35, elevation)
    length = (style.length[0] * top + style.length[1] * (1 - top)) * rng.uniform(0.8, 1.08, len(place))
    length *= 0.45 + 0.55 * smooth(0, 7, inside)
    front = np.zeros(len(place), bool)
    if style.fringe > 0.5:
        front = smooth(45, 30, np.abs(azimuth)) * (inside < 24) * rng.uniform(0.8, 1.2, len(place)) > 0.4
        length = np.where(front, rng.uniform(0.36, 0.6) + inside * 0.013 + 0.06 * rng.random(len(place)), length)
    elif style.name in {"curls", "afro", "crop"}:
        length *= 1 - 0.65 * smooth(60, 35, np.abs(azimuth)) * smooth(25, 5, inside)
    return length, front


def scalp_strands(
    rng: np.random.Generator, style: Style, pool: Pool, on: "Surface", table: np.ndarray, down: np.ndarray
) -> Strands:
    """The hair of the head; `table` is its reach, `down` the direction of gravity."""
    pool, inside = scalp_roots(rng, style, pool)
    count = len(pool.tri)
    roots, normals = on(pool)
    messy = 0.1 if style.name in {"crop", "pixie"} else 0.06
    comb = (comb_field(style, pool.place, normals, inside) + rng.normal(0, messy, (count, 3))).astype(np.float32)
    length, front = scalp_lengths(rng, style, pool.place, inside)
    lift = style.volume * rng.random(count) ** 0.7 * (0.35 + 0.65 * smooth(0, 35, angles(pool.place)[1])) + 0.02
    up, weight = RISE.get(style.name, (0.3, 2.4))
    clump = np.floor(pool.place * 7).sum(1) * 2.399 + rng.normal(0, 0.5, count)
    turns = rng.uniform(16, 24) if style.curl > 0.04 else rng.uniform(3.5, 6.5)
    phase = np.stack([clump, np.full(count, turns)], 1)
    curl = (style.curl + style.wave) * rng.uniform(0.5, 1.2, count)
    beside = style.name in {"long", "bob", "side", "curls", "quiff"}
    clear = np.where(front | (not beside), 0.0, rng.uniform(0.55, 0.68) + 0.1 * rng.random(count))
    points = grow(
        roots, normals, comb, length, lift, up, weight, curl, phase, table, SKULL, down, clear, HUG.get(style.name, 0.0)
    )
    colour = style.colour * (1 + 0.06 * rng.standard_normal((count, 1)))
    thick = 0.022 if style.name in {"buzz", "bald"} else 0.03
    drawn = dress(rng, points, thick * rng.uniform(0.7, 1.25, count), HAIR, colour, clump)
    x, y, z = np.moveaxis(points, 2, 0)
    covers = (
        (np.abs(x) < 0.52) & (z > 0.95) & (y < np.where(front, 7.4, 7.75)[:, None])
    )  # no hair before eyes and cheeks
    return drawn._replace(widths=np.where(np.maximum.accumulate(covers, 1), 0, drawn.widths).astype(np.float32))


def comb_field(style: Style, place: np.ndarray, normals: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Unit directions along the scalp (S, 3) in which the hair is combed."""
    side = np.sign(place[:, 0] - style.part)[:, None]
    whorl = place - np.array([0.06, 8.35, 0.15])
    flow = {
        "side": side * [1, 0, 0] + [0, -0.25, -0.1],
        "slick": np.array([[0, -0.1, -1.0]]) + 0 * side,
        "quiff": np.array([[0.15 * np.sign(style.part), 0.7, -0.35]]) + 0 * side,
        "bun": np.array([0, 8.3, -0.25]) - place,
        "bob": side * [1, 0, 0] + [0, -0.9, 0.05],
        "long": side * [1, 0, 0] + [0, -0.9, -0.25],
        "pixie": side * [1, 0, 0] + [0, -0.5, 0.5],
    }.get(style.name, whorl / (np.linalg.norm(whorl, axis=1, keepdims=True) + 1e-6) + [0, -0.3, 0.3 * style.fringe])
    if style.fringe > 0.5:
        front = (smooth(50, 30, np.abs(angles(place)[0])) * smooth(30, 18, inside))[:, None]
        flow = flow * (1 - front) + front * (np.array([0, -0.8, 1.0]) + 0.5 * place * [1, 0, 0])
    flow = flow - normals * (flow * normals).sum(1, keepdims=True)
    return flow / (np.linalg.norm(flow, axis=1, keepdims=True) + 1e-6)


def bun(rng: np.random.Generator, style: Style, verts_top: np.ndarray) -> Strands:
    """A knot of hair on the crown: arcs around a ball. `verts_top` (3,) is the highest point of the head."""
    count, radius = 500, rng.uniform(0.26, 0.38)
    centre = verts_top + np.array([0, 0.35 * radius, rng.uniform(-0.75, -0.3)])
    axis = rng.normal(0, 1, (count, 3)) * [0.25, 0.25, 0.25] + [0, 1, 0]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    start = rng.normal(0, 1, (count, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    angle = np.linspace(0, rng.uniform(1.2, 2.0), STEPS)[None, :, None]
    a, k = start[:, None], axis[:, None]
    arc = a * np.cos(angle) + np.cross(k, a) * np.sin(angle) + k * (k * a).sum(2, keepdims=True) * (1 - np.cos(angle))
    points = centre + arc * (radius * rng.uniform(0.85, 1.03, (count, 1, 1))) * [1, 0.82, 1]
    colour = style.colour * (1 + 0.06 * rng.standard_normal((count, 1)))
    return dress(rng, points.astype(np.float32), rng.uniform(0.02, 0.035, count), HAIR, colour, start[:, 0] * 5)


def brow_strands(rng: np.random.Generator, style: Style, pool: Pool, on: "Surface") -> Strands:
    """Both eyebrows."""
    across, along = brow_field(pool.place)
    half = style.brow[0] * np.interp(along, [-0.02, 0.12, 0.55, 1.0, 1.06], [0.5, 1.0, 1.0, 0.35, 0.0])
    keep = (np.abs(across) < half) & (along > -0.03) & (along < 1.05) & (rng.random(len(along)) < style.brow[1])
    pool, along, across = pool.take(keep), along[keep], across[keep]
    count = len(along)
    roots, normals = on(pool)
    side = np.sign(pool.place[:, 0])
    flow = np.stack(
        [side * (0.25 + along), np.interp(along, [0, 0.3, 1], [0.9, 0.3, -0.35]) - 6 * across * along, -0.2 * along], 1
    ) + rng.normal(0, 0.12, (count, 3))
    flow -= normals * (flow * normals).sum(1, keepdims=True)
    flow /= np.linalg.norm(flow, axis=1, keepdims=True)
    t = np.linspace(0, 1, STEPS)[None, :, None]
    points = roots[:, None] + (flow[:, None] * t + normals[:, None] * (0.2 * t * (1 - t) + 0.03)) * (
        0.055 * rng.uniform(0.7, 1.2, (count, 1, 1))
    )
    colour = style.brow_colour * (1 + 0.1 * rng.standard_normal((count, 1)))
    return dress(rng, points.astype(np.float32), rng.uniform(0.012, 0.02, count), BROW, colour, along)


def beard_strands(rng: np.random.Generator, style: Style, pool: Pool, on: "Surface") -> Strands:
    """Beard and moustache (nothing for stubble, which is paint)."""
    fields = beard_field(pool.place)
    chosen = BEARD_FIELD.get(style.beard)
    density = fields[chosen] if chosen else np.zeros(len(pool.tri))
    keep = rng.random(len(density)) * 0.9 + 0.05 < density
    pool = pool.take(keep)
    count = len(pool.tri)
    roots, normals = on(pool)
    base = {"moustache": 0.09, "goatee": 0.1, "short": 0.06, "full": 0.24}.get(style.beard, 0.1)
    low = smooth(6.75, 6.3, pool.place[:, 1]) if style.beard == "full" else np.full(count, 0.5)
    length = base * (0.45 + 0.9 * low) * rng.uniform(0.7, 1.2, count)
    flow = (
        normals * 0.55
        + np.array([0, -1.0, 0.1])
        + np.stack([0.9 * pool.place[:, 0], 0 * low, 0 * low], 1)
        + rng.normal(0, 0.13, (count, 3))
    )
    flow /= np.linalg.norm(flow, axis=1, keepdims=True)
    t = np.linspace(0, 1, STEPS)[None, :, None]
    bend = np.array([0, -0.25, 0])
    points = roots[:, None] + (flow[:, None] * t + bend * t * t) * length[:, None, None] + normals[:, None] * 0.01
    colour = (0.35 * style.colour + 0.65 * style.brow_colour) * (1 + 0.1 * rng.standard_normal((count, 1)))
    return dress(rng, points.astype(np.float32), rng.uniform(0.012, 0.02, count), BEARD, colour, pool.place[:, 0] * 9)


def dress(
    rng: np.random.Generator,
    points: np.ndarray,
    width: np.ndarray,
    material: int,
    colour: np.ndarray,
    clump: np.ndarray,
) -> Strands:
    """Taper the strands and give each its brightness: one part per lock, one part its own."""
    count = len(points)
    t = np.linspace(0, 1, STEPS)
    widths = (width[:, None] * (1 - 0.75 * t**3)).astype(np.float32)
    tone = 1 + 0.12 * np.sin(clump * 3.1) + 0.08 * rng.standard_normal(count)
    tone = np.clip(tone, 0.5, 1.6).astype(np.float32)
    return Strands(
        points, widths, np.full(count, material, np.int32), (np.clip(colour, 0.03, 1) ** 2.2).astype(np.float32), tone
    )


def joined(parts: list[Strands]) -> Strands:
    """All strands in one list."""
    return Strands(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Surface(NamedTuple):
    """The morphed skin, asked for points and normals at the points of a pool."""

    verts: np.ndarray
    normals: np.ndarray
    tris: np.ndarray

    def __call__(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        normal = pool.on(self.normals, self.tris)
        return pool.on(self.verts, self.tris), normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9)
