"""Growing strands around a head, compiled with numba (decimetres, head not posed yet)."""
# Lengths and angles of the anatomy stand where they are used; a compiled kernel takes its fields one by one:
# ruff: noqa: PLR2004, PLR0913, PLR0917

import numpy as np
from numba import njit

STEPS = 14  # points per strand


@njit(cache=True)
def reach(verts: np.ndarray, rest: np.ndarray, ears: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Distance of the skin above the neck, without ears, to the cranium's middle: (24 elevations, 48 azimuths)."""
    table = np.zeros((24, 48), np.float32)
    for i in range(verts.shape[0]):
        if ears[i] > 0.05 or rest[i, 1] < 6.3 or abs(rest[i, 0]) > 1.0:
            continue
        x, y, z = verts[i, 0] - skull[0], verts[i, 1] - skull[1], verts[i, 2] - skull[2]
        r = np.sqrt(x * x + y * y + z * z)
        row = min(23, int((np.arcsin(y / r) / np.pi + 0.5) * 24))
        column = int((np.arctan2(x, z) / (2 * np.pi) + 0.5) * 48) % 48
        table[row, column] = max(table[row, column], r)
    for _ in range(6):
        table = filled(table)
    return table


@njit(cache=True)
def filled(old: np.ndarray) -> np.ndarray:
    """The reach table with its empty cells (0) set to the mean of their filled neighbours."""
    table = old.copy()
    for row in range(24):
        for column in range(48):
            if old[row, column] > 0:
                continue
            total, count = 0.0, 0
            for neighbour in range(9):
                value = old[min(max(row + neighbour // 3 - 1, 0), 23), (column + neighbour % 3 - 1) % 48]
                total += value
                count += value > 0
            table[row, column] = total / max(count, 1)
    return table


@njit(cache=True)
def surface(table: np.ndarray, x: float, y: float, z: float, r: float) -> float:
    """The table, bilinearly, in the direction of an offset (x, y, z) of length r."""
    row = min(max((np.arcsin(min(max(y / r, -1.0), 1.0)) / np.pi + 0.5) * 24 - 0.5, 0.0), 22.999)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * 48 - 0.5
    i, j = int(row), int(np.floor(column))
    u, v = row - i, column - j
    upper = table[i, j % 48] * (1 - v) + table[i, (j + 1) % 48] * v
    lower = table[i + 1, j % 48] * (1 - v) + table[i + 1, (j + 1) % 48] * v
    return upper * (1 - u) + lower * u


@njit(cache=True)
def grow(
    roots: np.ndarray,
    normals: np.ndarray,
    comb: np.ndarray,
    length: np.ndarray,
    lift: np.ndarray,
    up: float,
    weight: float,
    curl: np.ndarray,
    phase: np.ndarray,
    table: np.ndarray,
    skull: np.ndarray,
    down: np.ndarray,
    clear: np.ndarray,
    hug: float,
) -> np.ndarray:
    """Strands (S, STEPS, 3).

    They start between normal and comb direction, sink with `weight`, curl, and stay outside the head by up to `lift`.
    """
    count = roots.shape[0]
    points = np.empty((count, STEPS, 3), np.float32)
    p, q, d = np.empty(3), np.empty(3), np.empty(3)
    for s in range(count):
        step = length[s] / (STEPS - 1)
        for a in range(3):
            p[a] = roots[s, a]
            d[a] = normals[s, a] * up + comb[s, a]
        for k in range(STEPS):
            t = k / (STEPS - 1)
            turn = phase[s, 0] + phase[s, 1] * t * length[s]
            amount = curl[s] * min(1.0, 4 * t * length[s])
            points[s, k, 0] = p[0] + amount * np.cos(turn)
            points[s, k, 1] = p[1] + amount * np.sin(turn + 0.7) * 0.6
            points[s, k, 2] = p[2] + amount * np.sin(turn)
            unit_of(d, d)
            for a in range(3):
                d[a] += (down[a] * weight + comb[s, a] * 0.35 * (1 - t)) * step
            unit_of(d, d)
            for a in range(3):
                q[a] = p[a] + d[a] * step
            keep_out(q, table, skull, lift[s], min(1.0, 0.25 + 3 * t * length[s]), hug)
            if clear[s] > 0 and q[2] > 0.7:
                free_face(q, clear[s], step, comb[s, 0] > 0)
            for a in range(3):
                d[a] = q[a] - p[a]
                p[a] = q[a]
    return points


@njit(cache=True)
def free_face(q: np.ndarray, clear: float, step: float, left: bool) -> None:  # noqa: FBT001  # compiled functions take no keywords
    """Move a point before the face to the back and, below the forehead, to its side, until |x| is `clear`."""
    least = clear * min(max((8.25 - q[1]) / 0.75, 0.0), 1.0)
    if q[1] < 7.9 and q[2] > 0.45 + clear * 0.5:
        q[2] -= min(q[2] - 0.45 - clear * 0.5, step * 0.6)
    if abs(q[0]) < least:
        q[0] += min(least - abs(q[0]), step * 0.9) * (1 if left else -1)


@njit(cache=True, inline="always")
def unit_of(vector: np.ndarray, out: np.ndarray) -> None:
    """Make a vector (3,) a unit vector."""
    length = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) + 1e-9
    for a in range(3):
        out[a] = vector[a] / length


@njit(cache=True)
def keep_out(q: np.ndarray, table: np.ndarray, skull: np.ndarray, lift: float, share: float, hug: float) -> None:
    """Move a point out of the cranium or the neck, to `lift` above the skin.

    On the cranium it is a `share` of `lift`. `hug` draws a point back that is farther out.
    """
    x, y, z = q[0] - skull[0], q[1] - skull[1], q[2] - skull[2]
    r = np.sqrt(x * x + y * y + z * z) + 1e-6
    if y > -0.9:
        away = surface(table, x, y, z, r) + lift * share
        if r < away:
            q[0], q[1], q[2] = skull[0] + x * away / r, skull[1] + y * away / r, skull[2] + z * away / r
        elif hug > 0:
            scale = 1 + (away / r - 1) * hug
            q[0], q[1], q[2] = skull[0] + x * scale, skull[1] + y * scale, skull[2] + z * scale
    else:
        hz = q[2] - 0.3
        h = np.sqrt(q[0] ** 2 + hz * hz) + 1e-6
        least = 0.66 + lift
        if h < least:
            q[0], q[2] = q[0] * least / h, 0.3 + hz * least / h
