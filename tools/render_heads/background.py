"""Backgrounds out of focus: studio backdrops, bokeh, rooms of blurred shapes, foliage and skies (linear RGB)."""
# ruff: noqa: PLR2004  # probabilities stand where they are used

import colorsys

import numpy as np
from numba import njit

CELLS = 40  # the background is painted at this size and enlarged: it is out of focus


def sample_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) float32, linear light."""
    painter = (studio, bokeh, room, foliage, outdoors)[rng.choice(5, p=[0.3, 0.2, 0.2, 0.15, 0.15])]
    y, x = (np.mgrid[0:CELLS, 0:CELLS] + 0.5) / CELLS
    small = np.clip(painter(rng, x, y), 0.004, 1.1).astype(np.float32)
    return enlarge(small, size)


def tint(
    rng: np.random.Generator, saturation: tuple[float, float] = (0.05, 0.5), value: tuple[float, float] = (0.15, 0.75)
) -> np.ndarray:
    """A pleasant linear colour (3,)."""
    hue = rng.choice([0.05, 0.1, 0.33, 0.5, 0.58, 0.62, 0.9], p=[0.17, 0.17, 0.12, 0.14, 0.2, 0.15, 0.05]) + rng.normal(
        0, 0.03
    )
    return np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(*saturation), rng.uniform(*value))) ** 2.2


def ramp(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A soft gradient in a random, mostly vertical direction."""
    turn = rng.normal(0, 0.7)
    t = np.clip((np.cos(turn) * (0.5 - y) + np.sin(turn) * (x - 0.5)) * 1.1 + 0.5, 0, 1)
    return low + (high - low) * t[..., None]


def studio(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A backdrop with a lit spot and cloudy paint."""
    colour = tint(rng)
    spot = np.exp(-(((x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.1, 0.7)) ** 2) / rng.uniform(0.1, 0.4)))
    clouds = sum(soft_noise(rng, cells) / cells for cells in (3, 5, 9)) * 2
    return colour * (0.45 + 0.9 * spot + rng.uniform(0, 0.25) * clouds)[..., None]


def bokeh(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Discs of light before the dark."""
    picture = ramp(rng, x, y, tint(rng, value=(0.05, 0.3)), tint(rng, value=(0.1, 0.4)))
    warm, cool = tint(rng, (0.3, 0.8), (0.6, 1.0)), tint(rng, (0.2, 0.7), (0.5, 1.0))
    for _ in range(rng.integers(8, 26)):
        radius = rng.uniform(0.03, 0.12)
        away = np.hypot(x - rng.random(), y - rng.random()) / radius
        disc = np.clip((1 - away) * radius * 22 + 0.5, 0, 1) * (0.75 + 0.25 * np.clip(away, 0, 1))
        picture = picture + (warm if rng.random() < 0.6 else cool) * disc[..., None] * rng.uniform(0.15, 0.7)
    return picture


def room(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Walls, windows, shelves and doors as soft rectangles."""
    picture = ramp(rng, x, y, tint(rng, (0.05, 0.35), (0.3, 0.6)), tint(rng, (0.05, 0.3), (0.45, 0.8)))
    for _ in range(rng.integers(3, 9)):
        cx, cy, w, h = rng.random(), rng.random(), rng.uniform(0.05, 0.3), rng.uniform(0.08, 0.5)
        blur = rng.uniform(0.02, 0.08)
        inside = np.clip((w - np.abs(x - cx)) / blur + 0.5, 0, 1) * np.clip((h - np.abs(y - cy)) / blur + 0.5, 0, 1)
        colour = tint(rng, (0.05, 0.6), (0.1, 0.95))
        picture = picture + (colour - picture) * (inside * rng.uniform(0.3, 0.9))[..., None]
    return picture


def foliage(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Leaves out of focus, with light between them."""
    hue = rng.uniform(0.16, 0.38)
    base = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.6))) ** 2.2
    leaves = 0.5 * soft_noise(rng, 5) + 0.5 * soft_noise(rng, 12)
    picture = ramp(rng, x, y, base * 0.5, base * 1.2) * (0.4 + 1.1 * leaves)[..., None]
    for _ in range(rng.integers(15, 40)):
        radius = rng.uniform(0.02, 0.08)
        away = np.hypot(x - rng.random(), y - rng.random()) / radius
        disc = np.clip((1 - away) * radius * 16 + 0.5, 0, 1)[..., None]
        colour = (
            np.array(colorsys.hsv_to_rgb(hue + rng.normal(0, 0.04), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.95)))
            ** 2.2
        )
        picture = picture + (colour - picture) * disc * rng.uniform(0.1, 0.45)
    return picture


def outdoors(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sky over hills, sea or roofs."""
    sky = ramp(
        rng,
        x,
        y,
        tint(rng, (0.05, 0.3), (0.75, 0.95)),
        np.array(colorsys.hsv_to_rgb(rng.uniform(0.54, 0.62), rng.uniform(0.2, 0.6), rng.uniform(0.6, 0.9))) ** 2.2,
    )
    sky = sky + 0.35 * np.clip(soft_noise(rng, 5) + 0.5 * soft_noise(rng, 11) - 0.8, 0, 1)[..., None]
    for layer in range(rng.integers(1, 4)):
        height = (
            rng.uniform(0.45, 0.75)
            + 0.08 * layer
            + 0.08 * np.sin(x * rng.uniform(2, 9) + rng.uniform(0, 6))
            + 0.06 * (soft_noise(rng, 5) - 0.5)
        )
        inside = np.clip((y - height) / 0.05 + 0.5, 0, 1)[..., None]
        sky = sky + (tint(rng, (0.1, 0.5), (0.2, 0.55)) * (0.8 + 0.4 * soft_noise(rng, 12))[..., None] - sky) * inside
    return sky


def soft_noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise (CELLS, CELLS) in 0 to 1, about `cells` bumps across."""
    return enlarge(rng.random((cells, cells, 1), dtype=np.float32), CELLS)[..., 0]


@njit(cache=True)
def enlarge(small: np.ndarray, size: int) -> np.ndarray:
    """Smooth interpolation of (h, w, c) to (size, size, c)."""
    height, width, channels = small.shape
    large = np.empty((size, size, channels), np.float32)
    for y in range(size):
        fy = (y + 0.5) * height / size
        i = int(fy)
        v = fy - i
        rows = (0.5 * (1 - v) ** 2, 0.5 + v - v * v, 0.5 * v * v)  # quadratic B-spline
        for x in range(size):
            fx = (x + 0.5) * width / size
            j = int(fx)
            u = fx - j
            columns = (0.5 * (1 - u) ** 2, 0.5 + u - u * u, 0.5 * u * u)
            for k in range(channels):
                total = 0.0
                for dy in range(3):
                    for dx in range(3):
                        total += (
                            rows[dy]
                            * columns[dx]
                            * small[min(max(i + dy - 1, 0), height - 1), min(max(j + dx - 1, 0), width - 1), k]
                        )
                large[y, x, k] = total
    return large
