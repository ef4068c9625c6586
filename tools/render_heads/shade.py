"""Colour and class of every sample of the supersampled picture, in linear light, compiled with numba.

Materials are small functions from a surface point to a colour; `shade` walks over the samples.
"""
# ruff: noqa: PLR2004, PLR0913, PLR0917  # the anatomy is numbers (dm); a compiled kernel takes its fields one by one

from typing import NamedTuple

import numpy as np
from light import Light, dot, hemisphere, lit, noise, unit, wrap
from numba import njit

BACKGROUND, SKIN, NOSE, EYE, BROW, EAR, MOUTH, HAIR, BEARD, GLASSES, HAT, CLOTHING = range(12)
BODY_PART, EYE_PART, TEETH_PART, TONGUE_PART, LASH_PART, FRAME_PART, HAT_PART, COLLAR_PART = range(8)


class Mesh(NamedTuple):
    """Body and accessories in camera axes (dm): V vertices, T triangles."""

    verts: np.ndarray  # (V, 3)
    normals: np.ndarray  # (V, 3)
    rest: np.ndarray  # (V, 3) place on the rest mesh
    regions: np.ndarray  # (V, 4) lips, inside of the mouth, ears, eyelids
    paint: np.ndarray  # (V, 4) hair on the scalp, stubble, under a beard, cloth (depth below the neckline, dm)
    open: np.ndarray  # (V,) how much of the sky the vertex sees
    tris: np.ndarray  # (T, 3)
    parts: np.ndarray  # (T,)


class Look(NamedTuple):
    """Colours are linear RGB (3,)."""

    skin: np.ndarray
    blush: np.ndarray  # what redness multiplies the skin by
    lips: np.ndarray
    rosy: float  # strength of redness
    freckles: float
    gloss: float
    wrinkles: float
    stubble: float
    hair: np.ndarray
    iris: np.ndarray
    pupil: float  # share of the iris
    eyes: np.ndarray  # (2, 4) middle (camera axes) and radius of both eyeballs
    gaze: np.ndarray  # (2, 3) unit
    cloth: np.ndarray  # (2, 3)
    cloth_pattern: int
    frame: np.ndarray
    lens: np.ndarray  # (4,) colour and opacity
    hat: np.ndarray  # (2, 3)
    hat_pattern: int
    makeup: float
    seed: float


@njit(cache=True, inline="always")
def spot(p: np.ndarray, x: float, y: float, z: float, r: float) -> float:
    """A soft spot of radius r around (±x, y, z) on the rest mesh."""
    d = (abs(p[0]) - x) ** 2 + (p[1] - y) ** 2 + (p[2] - z) ** 2
    return np.exp(-d / (r * r))


@njit(cache=True)
def skin_albedo(p: np.ndarray, regions: np.ndarray, paint: np.ndarray, look: Look, colour: np.ndarray) -> float:
    """Write the skin's colour at rest place p; return its gloss."""
    s = look.seed
    mottle = noise(p[0] * 5 + s, p[1] * 5, p[2] * 5) - 0.5
    fine = noise(p[0] * 24, p[1] * 24 + s, p[2] * 24) - 0.5
    red = (
        0.75 * spot(p, 0.5, 6.95, 1.25, 0.27) + 0.8 * spot(p, 0.0, 6.95, 1.75, 0.2) + 0.5 * spot(p, 0.0, 6.3, 1.5, 0.2)
    )
    red += 0.6 * regions[2] + 0.35 * regions[3] + 0.25 * mottle + 0.12
    red = max(red * look.rosy, 0.0)
    socket = 0.35 * spot(p, 0.28, 7.2, 1.4, 0.12) + 0.3 * spot(p, 0.2, 7.33, 1.4, 0.12)
    shade_of = 1 + 0.10 * mottle + 0.07 * fine - 0.5 * socket * (0.5 + 0.5 * look.wrinkles)
    if look.freckles > 0:
        spots = noise(p[0] * 46 + s, p[1] * 46, p[2] * 46) - 0.68
        near = spot(p, 0.35, 7.0, 1.4, 0.38) + spot(p, 0.0, 7.0, 1.6, 0.3)
        shade_of *= 1 - min(max(spots * 6, 0.0), 1.0) * look.freckles * min(near, 1.0) * 0.4
    lips = min(max((regions[0] - 0.35) / 0.3, 0.0), 1.0) * (1 - paint[2] * 0.3)
    stubble = paint[1] * look.stubble * (0.75 + 0.5 * noise(p[0] * 50, p[1] * 50, p[2] * 50 + s)) * (1 - lips)
    shadow_eye = look.makeup * regions[3] * 0.6
    scalp = paint[0]
    for k in range(3):
        c = look.skin[k] * (1 + red * (look.blush[k] - 1)) * shade_of
        c = c * (1 - stubble * 0.62) + look.hair[k] * stubble * 0.62 * 0.8
        c = c * (1 - shadow_eye) + look.hair[k] * 0.5 * shadow_eye
        c = c * (1 - lips) + look.lips[k] * (1 + 0.25 * fine) * lips
        under = max(scalp, paint[2] * 0.85)
        colour[k] = c * (1 - under) + (0.72 * look.hair[k] + 0.06 * c) * under
    inner = min(regions[1], 1.0)
    if inner > 0.3:
        colour[0] = colour[0] * (1 - inner) + 0.16 * inner
        colour[1] = colour[1] * (1 - inner) + 0.035 * inner
        colour[2] = colour[2] * (1 - inner) + 0.035 * inner
    return (
        (0.55 + 0.5 * spot(p, 0.0, 7.0, 1.75, 0.35) + 0.35 * spot(p, 0.0, 7.85, 1.45, 0.5) + 0.9 * lips)
        * (1 - scalp)
        * (1 - 0.6 * stubble)
    )


@njit(cache=True)
def skin(
    n: np.ndarray,
    view: np.ndarray,
    ao: float,
    sh: float,
    gloss: float,
    albedo: np.ndarray,
    light: Light,
    out: np.ndarray,
) -> None:
    """Skin: wrapped diffuse with a red terminator, two soft highlights and a rim."""
    facing = max(dot(n, view), 0.0)
    rim = (1 - facing) ** 3
    soft = (0.42, 0.22, 0.16)
    spec = lit(n, view, light.key, 22.0) * sh * 0.16 + lit(n, view, light.fill, 14.0) * 0.05
    spec = gloss * (spec + lit(n, view, light.key, 70.0) * sh * 0.14) * (0.5 + 2.0 * rim)
    back = max(dot(n, light.rim), 0.0) * (0.25 + 0.75 * rim)
    for k in range(3):
        shade_soft = sh ** (0.7, 1.0, 1.1)[k]
        total = hemisphere(n, light, k) * ao ** (0.75, 1.0, 1.1)[k]
        total += light.key_colour[k] * wrap(n, light.key, soft[k]) * shade_soft * (0.5 + 0.5 * ao)
        total += light.fill_colour[k] * wrap(n, light.fill, soft[k]) * ao + light.rim_colour[k] * back * ao
        out[k] = albedo[k] * total + (spec * light.key_colour[k] + 0.10 * rim * hemisphere(n, light, k) * gloss) * (
            0.35 + 0.65 * ao
        )


@njit(cache=True)
def plain(
    n: np.ndarray,
    view: np.ndarray,
    ao: float,
    sh: float,
    albedo: np.ndarray,
    gloss: float,
    light: Light,
    out: np.ndarray,
) -> None:
    """Cloth, plastic, teeth: soft diffuse and one highlight."""
    spec = gloss * (lit(n, view, light.key, 40.0) * sh + 0.4 * lit(n, view, light.fill, 30.0))
    for k in range(3):
        total = hemisphere(n, light, k) * ao + light.key_colour[k] * wrap(n, light.key, 0.12) * sh
        total += light.fill_colour[k] * wrap(n, light.fill, 0.2) * ao
        total += light.rim_colour[k] * max(dot(n, light.rim), 0.0) * 0.4
        out[k] = albedo[k] * total + spec * light.key_colour[k]


@njit(cache=True)
def strand(
    n: np.ndarray,
    tangent: np.ndarray,
    half: np.ndarray,
    material: int,
    place: tuple,
    sh: float,
    light: Light,
    albedo: np.ndarray,
    out: np.ndarray,
) -> None:
    """Hair: the volume's diffuse, two shifted anisotropic highlights, dark roots, light that shines through.

    `n` is the outward direction of the volume, `half` lies between view and key, `place` is the position along the
    strand (0 root to 1 tip) and across it (−1 to 1).
    """
    along, across = place
    th, tl = dot(tangent, half), dot(tangent, light.key)
    first = max(1 - (th + 0.06) ** 2, 0.0) ** 45
    second = max(1 - (th - 0.14) ** 2, 0.0) ** 14
    front = min(max(dot(n, light.key) + 0.35, 0.0) / 1.35, 1.0)
    diffuse = front * (0.45 + 0.55 * np.sqrt(max(1 - tl * tl, 0.0)))
    root = 0.5 + 0.5 * min(along * 3.0, 1.0) if material == HAIR else 0.8
    edge = 1 - 0.28 * across * across
    shine = 0.5 if material == HAIR else 0.15
    back = max(dot(n, light.rim), 0.0)
    for k in range(3):
        total = hemisphere(n, light, k) * 0.8 + light.key_colour[k] * diffuse * sh * 1.15
        total += light.fill_colour[k] * wrap(n, light.fill, 0.35) + light.rim_colour[k] * back * 0.9
        spec = (
            shine
            * sh
            * front
            * light.key_colour[k]
            * (0.05 * first * (0.3 + albedo[k] * 3) + second * (0.8 * albedo[k] + 0.006))
        )
        out[k] = (albedo[k] * total + spec) * root * edge


@njit(cache=True)
def eyeball(
    p: np.ndarray, view: np.ndarray, which: int, look: Look, ao: float, sh: float, light: Light, out: np.ndarray
) -> None:
    """White, iris with dark rim, pupil, catchlight; darker under the upper lid."""
    n = p - look.eyes[which, :3]
    unit(n)
    g = look.gaze[which]
    cosine = min((n * g).sum(), 1.0)
    angle = np.degrees(np.arccos(cosine))
    size = 26.5
    up = n[1] - g[1]
    albedo = np.empty(3, np.float32)
    streak = noise(np.arctan2(n[1] - g[1], n[0] - g[0]) * 4, angle * 0.15, look.seed)
    for k in range(3):
        white = (0.8, 0.75, 0.72)[k] * (1 - 0.25 * max(angle - 40, 0.0) / 40)
        ring = min(max((angle / size - look.pupil) / (1 - look.pupil), 0.0), 1.0)
        iris = look.iris[k] * (0.75 + 0.6 * streak) * (1.35 - 0.8 * ring * ring) * (1 - 0.9 * up)
        inside = min(max((size - angle) / 3.0 + 0.5, 0.0), 1.0)
        dark = min(max((angle - look.pupil * size) / 2.5 + 0.5, 0.0), 1.0)
        albedo[k] = white * (1 - inside) + max(iris, 0.0) * dark * inside
    lid = 1 - 0.4 * min(max(up * 2.2 - 0.02, 0.0), 1.0)
    plain(n, view, (0.5 + 0.5 * ao) * lid, (0.45 + 0.55 * sh) * lid, albedo, 0.0, light, out)
    h = light.key * 0.55 + view * 0.9 + np.array([0.0, 0.12, 0.0], np.float32)
    h /= np.sqrt((h * h).sum())
    glint = min(max(((n * h).sum() - 0.972) * 90, 0.0), 1.0)
    low = light.fill * 0.5 + view
    low /= np.sqrt((low * low).sum())
    glint += 0.25 * min(max(((n * low).sum() - 0.985) * 100, 0.0), 1.0)
    for k in range(3):
        out[k] += glint * 0.9 * (0.4 + 0.6 * sh)


@njit(cache=True)
def fabric(p: np.ndarray, colours: np.ndarray, pattern: int, depth: float, seed: float, out: np.ndarray) -> None:
    """Cloth and hats: plain, stripes, checks, knit ribs, or two blocks of colour."""
    mix = 0.0
    if pattern == 1:
        mix = 1.0 if (p[1] * 3.2 + 0.15 * np.sin(p[0] * 2)) % 1.0 < 0.42 else 0.0
    elif pattern == 2:
        mix = 0.5 * ((p[0] * 3.0) % 1.0 < 0.4) + 0.5 * ((p[1] * 3.0) % 1.0 < 0.4)
    elif pattern == 3:
        mix = 0.25 + 0.25 * np.sin(np.arctan2(p[0], p[2] - 0.5) * 60)
    elif pattern == 4:
        mix = 1.0 if depth < 0.12 else 0.0
    grain = 0.88 + 0.24 * noise(p[0] * 30 + seed, p[1] * 30, p[2] * 30)
    for k in range(3):
        out[k] = (colours[0, k] * (1 - mix) + colours[1, k] * mix) * grain


@njit(cache=True)
def skin_class(p: np.ndarray, regions: np.ndarray) -> int:
    """The class of a point of the body, by its place on the rest mesh."""
    if regions[0] > 0.5 or regions[1] > 0.5:
        return MOUTH
    if regions[2] > 0.5:
        return EAR
    y = p[1]
    if 6.82 < y < 7.34 and p[2] > 1.3:
        half = 0.2 if y < 6.98 else (0.2 - (y - 6.98) * 0.62 if y < 7.16 else 0.088)
        if abs(p[0]) < half:
            return NOSE
    return SKIN
