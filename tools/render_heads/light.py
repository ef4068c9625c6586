"""Lights, soft shadows and value noise, compiled with numba. Directions: unit vectors to the light, in camera axes."""

from typing import NamedTuple

import numpy as np
from numba import njit

SPAN = 5.2  # the shadow map covers this many dm


class Light(NamedTuple):
    """Key with shadow map, fill, rim, and a sky above a ground (linear RGB)."""

    key: np.ndarray
    key_colour: np.ndarray
    fill: np.ndarray
    fill_colour: np.ndarray
    rim: np.ndarray
    rim_colour: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    axes: np.ndarray  # (3, 3) rows: right, up, towards the key
    softness: int  # radius of the shadow's edge, in texels
    shadow: np.ndarray  # (D, D) distance from the key, dm


def sample_light(rng: np.random.Generator, size: int) -> Light:
    """A portrait lighting, with an empty shadow map of `size` texels."""
    side = rng.choice([-1, 1])
    azimuth, elevation = np.radians(side * rng.uniform(5, 65)), np.radians(rng.uniform(12, 55))
    key = direction(azimuth, elevation)
    fill = direction(-azimuth * 0.9, np.radians(rng.uniform(-10, 25)))
    rim = direction(np.pi - azimuth * rng.uniform(0.5, 1.2), np.radians(rng.uniform(15, 55)))
    warm = rng.normal(0, 0.07)
    key_colour = np.array([1 + warm, 1, 1 - warm]) * rng.uniform(0.75, 1.25)
    cool = rng.normal(-0.01, 0.07)
    fill_colour = np.array([1 + cool, 1, 1 - cool]) * rng.uniform(0.12, 0.5)
    tint = 1 + 0.5 * rng.normal(0, 0.35, 3)
    rim_colour = np.clip(tint, 0.3, 2) * rng.choice([0.0, 0.35, 0.9]) * rng.uniform(0.6, 1.2)
    sky = np.array([1 + cool, 1, 1 - cool]) * rng.uniform(0.26, 0.52)
    ground = sky * np.array([1.1, 0.95, 0.85]) * rng.uniform(0.35, 0.7)
    right = np.cross([0, 1, 0], key)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(key, right), key])
    colours = [
        np.asarray(value, np.float32)
        for value in (key, key_colour, fill, fill_colour, rim, rim_colour, sky, ground, axes)
    ]
    return Light(*colours, int(rng.integers(1, 4)), np.full((size, size), 1e9, np.float32))


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector (3,) from angles in radians; azimuth 0 is towards the camera."""
    return np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])


@njit(cache=True)
def from_light(points: np.ndarray, axes: np.ndarray, size: int) -> np.ndarray:
    """Points (N, 3) → texel x, texel y, distance (N, 3) in the shadow map."""
    result = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        for k in range(3):
            result[i, k] = axes[k, 0] * points[i, 0] + axes[k, 1] * points[i, 1] + axes[k, 2] * points[i, 2]
        result[i, 0] = (result[i, 0] / SPAN + 0.5) * size
        result[i, 1] = (0.5 - result[i, 1] / SPAN) * size
        result[i, 2] = 20.0 - result[i, 2]
    return result


@njit(cache=True)
def shadow(p: np.ndarray, light: Light, bias: float) -> float:
    """How much of the key light reaches p: 0 to 1, soft at the edges."""
    size = light.shadow.shape[0]
    a = light.axes
    x = ((a[0, 0] * p[0] + a[0, 1] * p[1] + a[0, 2] * p[2]) / SPAN + 0.5) * size
    y = (0.5 - (a[1, 0] * p[0] + a[1, 1] * p[1] + a[1, 2] * p[2]) / SPAN) * size
    w = 20.0 - (a[2, 0] * p[0] + a[2, 1] * p[1] + a[2, 2] * p[2]) - bias
    r = light.softness
    fx, fy = x - 0.5, y - 0.5
    i0, j0 = int(np.floor(fx)), int(np.floor(fy))
    u, v = fx - i0, fy - j0
    total, weights = 0.0, 0.0
    for j in range(j0 - r, j0 + r + 2):
        wy = min(1.0, j - (j0 - r) + 1 - v) if j == j0 - r else (v if j == j0 + r + 1 else 1.0)
        for i in range(i0 - r, i0 + r + 2):
            wx = min(1.0, i - (i0 - r) + 1 - u) if i == i0 - r else (u if i == i0 + r + 1 else 1.0)
            weight = wx * wy
            weights += weight
            if not (0 <= i < size and 0 <= j < size) or light.shadow[j, i] > w:
                total += weight
    return total / weights


@njit(cache=True, inline="always")
def unit(v: np.ndarray) -> None:
    """Make a vector (3,) a unit vector, in place."""
    length = np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-6
    v[0], v[1], v[2] = v[0] / length, v[1] / length, v[2] / length


@njit(cache=True, inline="always")
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Inner product of two vectors (3,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, inline="always")
def wrap(n: np.ndarray, direction_: np.ndarray, soft: float) -> float:
    """Lambert's cosine, let around the edge by `soft`."""
    value = (n[0] * direction_[0] + n[1] * direction_[1] + n[2] * direction_[2] + soft) / (1 + soft)
    return value * (0.6 + 0.4 * min(value, 1.0)) if value > 0 else 0.0


@njit(cache=True)
def lit(n: np.ndarray, view: np.ndarray, direction_: np.ndarray, power: float) -> float:
    """Blinn's highlight."""
    x, y, z = view[0] + direction_[0], view[1] + direction_[1], view[2] + direction_[2]
    cosine = (n[0] * x + n[1] * y + n[2] * z) / (np.sqrt(x * x + y * y + z * z) + 1e-6)
    return cosine**power if cosine > 0 else 0.0


@njit(cache=True, inline="always")
def hemisphere(n: np.ndarray, light: Light, k: int) -> float:
    """Light from sky and ground on a surface with normal n, channel k."""
    t = 0.5 + 0.5 * n[1]
    return light.ground[k] * (1 - t) + light.sky[k] * t


@njit(cache=True)
def lattice(x: int, y: int, z: int) -> float:
    """A fixed random number in [0, 1) per lattice point."""
    h = (x * 374761393 + y * 668265263 + z * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 65536.0


@njit(cache=True)
def noise(x: float, y: float, z: float) -> float:
    """Value noise in [0, 1), one cell per unit."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for dz in range(2):
        for dy in range(2):
            for dx in range(2):
                weight = (u if dx else 1 - u) * (v if dy else 1 - v) * (w if dz else 1 - w)
                total += weight * lattice(i + dx, j + dy, k + dz)
    return total
