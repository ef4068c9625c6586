"""A z-buffer for triangles and for hair strands, compiled with numba.

Screen space: x right, y down, in pixels of the supersampled picture; depth w is the distance along the optical axis in
decimetres.
"""

import numpy as np
from numba import njit

FLAT = 1e-9  # twice the area (square pixels) under which a triangle is not drawn


@njit(cache=True)
def project(points: np.ndarray, focal: float, centre: float, distance: float) -> np.ndarray:
    """World points (N, 3), camera at (0, 0, distance) looking along −z → (N, 3) of x, y in pixels and depth."""
    screen = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        w = distance - points[i, 2]
        screen[i, 0] = centre + focal * points[i, 0] / w
        screen[i, 1] = centre - focal * points[i, 1] / w
        screen[i, 2] = w
    return screen


@njit(cache=True)
def normals(points: np.ndarray, tris: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals (V, 3)."""
    result = np.zeros(points.shape, np.float32)
    for t in range(tris.shape[0]):
        a, b, c = tris[t]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            result[v, 0] += nx
            result[v, 1] += ny
            result[v, 2] += nz
    for v in range(points.shape[0]):
        length = np.sqrt(result[v, 0] ** 2 + result[v, 1] ** 2 + result[v, 2] ** 2) + 1e-12
        result[v] /= length
    return result


@njit(cache=True)
def pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The first and the last pixel of a line of `size` whose centres lie between `low` and `high`."""
    return max(0, int(np.ceil(low - 0.5))), min(size - 1, int(np.floor(high - 0.5)))


@njit(cache=True)
def corners_of(screen: np.ndarray, tri: np.ndarray) -> tuple[float, float, float, float, float, float, float]:
    """x and y (pixels) of a triangle's three corners, and twice its area."""
    a, b, c = tri
    ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
    return ax, ay, bx, by, cx, cy, (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(cache=True)
def weights_at(x: int, y: int, corners: tuple[float, float, float, float, float, float, float]) -> tuple[float, float]:
    """Weights of corners 1 and 2 at the centre of a pixel; negative, or above 1 in sum, outside the triangle."""
    ax, ay, bx, by, cx, cy, area = corners
    px, py = x + 0.5, y + 0.5
    return ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) / area, (
        (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    ) / area


@njit(cache=True)
def covered(
    corners: tuple[float, float, float, float, float, float, float], height: int, width: int
) -> tuple[int, int, int, int]:
    """First and last column, first and last row that a triangle may cover; none where it is flat."""
    ax, ay, bx, by, cx, cy, area = corners
    if abs(area) < FLAT:
        return 0, -1, 0, -1
    x0, x1 = pixels(min(ax, bx, cx), max(ax, bx, cx), width)
    y0, y1 = pixels(min(ay, by, cy), max(ay, by, cy), height)
    return x0, x1, y0, y1


@njit(cache=True)
def triangles(
    screen: np.ndarray, tris: np.ndarray, first: int, depth: np.ndarray, owner: np.ndarray, bary: np.ndarray
) -> None:
    """Draw triangles into depth (H, W), owner (H, W) and bary (H, W, 2).

    Owner gets the triangle's index + first, bary the perspective-correct weights of corners 1 and 2.
    """
    for t in range(tris.shape[0]):
        a, b, c = tris[t]
        corners = corners_of(screen, tris[t])
        x0, x1, y0, y1 = covered(corners, depth.shape[0], depth.shape[1])
        ia, ib, ic = 1 / screen[a, 2], 1 / screen[b, 2], 1 / screen[c, 2]
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                u, v = weights_at(x, y, corners)
                if u < 0 or v < 0 or u + v > 1:
                    continue
                inverse = (1 - u - v) * ia + u * ib + v * ic
                w = 1 / inverse
                if w < depth[y, x]:
                    depth[y, x] = w
                    owner[y, x] = t + first
                    bary[y, x, 0] = u * ib * w
                    bary[y, x, 1] = v * ic * w


@njit(cache=True)
def strands(
    screen: np.ndarray, widths: np.ndarray, bias: float, depth: np.ndarray, owner: np.ndarray, bary: np.ndarray
) -> None:
    """Draw strands: screen (S, K, 3), widths (S, K) in pixels.

    Owner gets −2 − strand, bary the position along it (0 root to 1 tip) and across it (−1 to 1).

    `bias` (dm) is subtracted from the depth, so that strands that lie on the skin do not sink into its facets.
    """
    height, width = depth.shape
    count = screen.shape[1]
    for s in range(screen.shape[0]):
        for k in range(count - 1):
            ax, ay, bx, by = screen[s, k, 0], screen[s, k, 1], screen[s, k + 1, 0], screen[s, k + 1, 1]
            dx, dy = bx - ax, by - ay
            square = dx * dx + dy * dy + 1e-9
            radius = 0.5 * max(widths[s, k], widths[s, k + 1])
            if radius <= 0:
                continue
            (x0, x1), (y0, y1) = (
                pixels(min(ax, bx) - radius, max(ax, bx) + radius, width),
                pixels(min(ay, by) - radius, max(ay, by) + radius, height),
            )
            length = np.sqrt(square)
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    px, py = x + 0.5 - ax, y + 0.5 - ay
                    along = min(max((px * dx + py * dy) / square, 0.0), 1.0)
                    half = 0.5 * (widths[s, k] + (widths[s, k + 1] - widths[s, k]) * along)
                    ox, oy = px - along * dx, py - along * dy
                    if ox * ox + oy * oy > half * half:
                        continue
                    w = screen[s, k, 2] + (screen[s, k + 1, 2] - screen[s, k, 2]) * along - bias
                    if w < depth[y, x]:
                        depth[y, x] = w
                        owner[y, x] = -2 - s
                        bary[y, x, 0] = (k + along) / (count - 1)
                        bary[y, x, 1] = (px * dy - py * dx) / (length * half + 1e-9)


@njit(cache=True)
def points_into(screen: np.ndarray, depth: np.ndarray) -> None:
    """Splat points (N, 3) into a depth buffer, one pixel and its right and lower neighbours each (for shadow maps)."""
    height, width = depth.shape
    for i in range(screen.shape[0]):
        x, y = int(np.floor(screen[i, 0])), int(np.floor(screen[i, 1]))
        for dy in range(2):
            for dx in range(2):
                if 0 <= x + dx < width and 0 <= y + dy < height:
                    depth[y + dy, x + dx] = min(depth[y + dy, x + dx], screen[i, 2])


@njit(cache=True)
def depth_only(screen: np.ndarray, tris: np.ndarray, depth: np.ndarray) -> None:
    """Draw triangles into a depth buffer with linear depth (orthographic light)."""
    for t in range(tris.shape[0]):
        a, b, c = tris[t]
        corners = corners_of(screen, tris[t])
        x0, x1, y0, y1 = covered(corners, depth.shape[0], depth.shape[1])
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                u, v = weights_at(x, y, corners)
                if u >= 0 and v >= 0 and u + v <= 1:
                    w = (1 - u - v) * screen[a, 2] + u * screen[b, 2] + v * screen[c, 2]
                    depth[y, x] = min(depth[y, x], w)
