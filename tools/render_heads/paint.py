"""The walk over all samples: which surface is seen, its colour and its class."""
# Thresholds stand where they are used; a compiled kernel takes its fields one by one:
# ruff: noqa: PLR2004, PLR0913, PLR0917

import numpy as np
from hair import Strands
from light import Light, dot, shadow, unit
from numba import njit
from shade import (
    BEARD,
    BODY_PART,
    CLOTHING,
    COLLAR_PART,
    EAR,
    EYE,
    EYE_PART,
    FRAME_PART,
    GLASSES,
    HAIR,
    HAT,
    HAT_PART,
    LASH_PART,
    MOUTH,
    TEETH_PART,
    TONGUE_PART,
    Look,
    Mesh,
    eyeball,
    fabric,
    plain,
    skin,
    skin_albedo,
    skin_class,
    strand,
)


@njit(cache=True)
def mixed(values: np.ndarray, tri: np.ndarray, u: float, v: float, out: np.ndarray) -> None:
    """Vertex values (V, C) at a point of a triangle."""
    for k in range(values.shape[1]):
        out[k] = (1 - u - v) * values[tri[0], k] + u * values[tri[1], k] + v * values[tri[2], k]


@njit(cache=True)
def hard_sample(
    part: int,
    rest: np.ndarray,
    p: np.ndarray,
    n: np.ndarray,
    view: np.ndarray,
    ao: float,
    sh: float,
    look: Look,
    light: Light,
    albedo: np.ndarray,
    out: np.ndarray,
) -> int:
    """Eyes, teeth, tongue and frames: colour into `out`; the class."""
    if part == EYE_PART:
        eyeball(p, view, 0 if rest[0] > 0 else 1, look, ao, sh, light, out)
        return EYE
    if part == FRAME_PART:
        plain(n, view, 0.9, sh, look.frame, 0.5, light, out)
        return GLASSES
    albedo[0], albedo[1], albedo[2] = (0.62, 0.56, 0.46) if part == TEETH_PART else (0.35, 0.09, 0.09)
    dim = 0.25 + 0.75 * min(max((rest[2] - 1.2) / 0.25, 0.0), 1.0)
    plain(n, view, dim * 0.8, (0.3 + 0.7 * sh) * dim, albedo, 0.06, light, out)
    return MOUTH


@njit(cache=True)
def triangle_sample(
    mesh: Mesh,
    look: Look,
    light: Light,
    t: int,
    u: float,
    v: float,
    camera: np.ndarray,
    scratch: np.ndarray,
    out: np.ndarray,
) -> int:
    """Colour of a point of triangle t into `out`; its class."""
    tri, part = mesh.tris[t], mesh.parts[t]
    p, n, rest, regions, paint = scratch[0, :3], scratch[1, :3], scratch[2, :3], scratch[3], scratch[4]
    albedo, view, above = scratch[5, :3], scratch[6, :3], scratch[7, :3]
    mixed(mesh.verts, tri, u, v, p)
    mixed(mesh.normals, tri, u, v, n)
    mixed(mesh.rest, tri, u, v, rest)
    unit(n)
    view[0], view[1], view[2] = camera[0] - p[0], camera[1] - p[1], camera[2] - p[2]
    unit(view)
    if part > TONGUE_PART and dot(n, view) < 0:
        n[0], n[1], n[2] = -n[0], -n[1], -n[2]
    ao = (1 - u - v) * mesh.open[tri[0]] + u * mesh.open[tri[1]] + v * mesh.open[tri[2]]
    above[0], above[1], above[2] = p[0] + n[0] * 0.03, p[1] + n[1] * 0.03, p[2] + n[2] * 0.03
    sh = shadow(above, light, 0.05)
    if part in (EYE_PART, TEETH_PART, TONGUE_PART, FRAME_PART):
        return hard_sample(part, rest, p, n, view, ao, sh, look, light, albedo, out)
    mixed(mesh.paint, tri, u, v, paint)
    if part == HAT_PART:
        fabric(rest, look.hat, look.hat_pattern, paint[3], look.seed, albedo)
        plain(n, view, ao, sh, albedo, 0.03, light, out)
        return HAT
    if part == COLLAR_PART or paint[3] > 0:
        fabric(rest, look.cloth, look.cloth_pattern, paint[3], look.seed, albedo)
        plain(n, view, ao * min(0.55 + paint[3] * 9, 1.0) if part == BODY_PART else ao, sh, albedo, 0.02, light, out)
        return CLOTHING
    mixed(mesh.regions, tri, u, v, regions)
    gloss = look.gloss * skin_albedo(rest, regions, paint, look, albedo)
    near = 1 - 0.3 * min(max(paint[3] * 8 + 1, 0.0), 1.0)
    skin(n, view, ao * near, sh, gloss, albedo, light, out)
    found = skin_class(rest, regions)
    if paint[0] > 0.5 and found != EAR:
        return HAIR
    return BEARD if paint[2] > 0.5 and found == 1 else found


@njit(cache=True)
def strand_sample(
    strands: Strands,
    light: Light,
    s: int,
    along: float,
    across: float,
    w: float,
    ray: np.ndarray,
    camera: np.ndarray,
    scratch: np.ndarray,
    out: np.ndarray,
) -> int:
    """Colour of a point of strand s into `out`; its class."""
    count, material = strands.points.shape[1], strands.material[s]
    p, n, tangent, view, half, albedo = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    k = min(int(along * (count - 1)), count - 2)
    for a in range(3):
        tangent[a] = strands.points[s, k + 1, a] - strands.points[s, k, a]
        p[a] = camera[a] + ray[a] * w
        view[a] = -ray[a]
        albedo[a] = strands.colour[s, a] * strands.tone[s]
    unit(tangent)
    unit(view)
    n[0], n[1], n[2] = (
        p[0],
        p[1] - min(0.3 if material == HAIR else 0.0, p[1]),
        p[2] + (0.15 if material == HAIR else 0.6),
    )
    unit(n)
    half[0], half[1], half[2] = view[0] + light.key[0], view[1] + light.key[1], view[2] + light.key[2]
    unit(half)
    strand(n, tangent, half, material, (along, across), shadow(p, light, 0.09), light, albedo, out)
    return material


@njit(cache=True)
def overlay(mesh: Mesh, look: Look, t: int, u: float, v: float, out: np.ndarray) -> int:
    """Lashes and lenses lie over what is behind them.

    The class is EYE for lashes, GLASSES for dark lenses, −1 for what stays as it is.
    """
    if mesh.parts[t] == LASH_PART:
        y = mesh.rest[mesh.tris[t, 0], 1]
        dark = (0.72 if y > 7.278 else 0.3) + 0.15 * look.makeup
        for k in range(3):
            out[k] = out[k] * (1 - dark) + 0.012 * dark
        return EYE
    for k in range(3):
        out[k] = out[k] * (1 - look.lens[3]) + look.lens[k] * look.lens[3]
    tri = mesh.tris[t]
    shine = (1 - u - v) * mesh.open[tri[0]] + u * mesh.open[tri[1]] + v * mesh.open[tri[2]]
    for k in range(3):
        out[k] += shine * (0.05 + 0.12 * look.lens[3])
    return GLASSES if look.lens[3] > 0.5 else -1


@njit(cache=True)
def shade(
    mesh: Mesh,
    strands: Strands,
    look: Look,
    light: Light,
    buffers: tuple,
    focal: float,
    distance: float,
    colour: np.ndarray,
    classes: np.ndarray,
) -> None:
    """Fill colour (H, W, 3; the background is there already) and classes (H, W).

    The buffers are depth, owner and bary, then owner and bary of the overlay.
    """
    depth, owner, bary, over, over_bary = buffers
    height, width = depth.shape
    camera = np.array([0.0, 0.0, distance], np.float32)
    ray, out, scratch = np.empty(3, np.float32), np.empty(3, np.float32), np.empty((8, 4), np.float32)
    for y in range(height):
        for x in range(width):
            found = 0
            who = owner[y, x]
            if who >= 0:
                found = triangle_sample(mesh, look, light, who, bary[y, x, 0], bary[y, x, 1], camera, scratch, out)
            elif who < -1:
                ray[0], ray[1], ray[2] = (x + 0.5 - 0.5 * width) / focal, (0.5 * height - y - 0.5) / focal, -1.0
                found = strand_sample(
                    strands, light, -2 - who, bary[y, x, 0], bary[y, x, 1], depth[y, x], ray, camera, scratch, out
                )
            else:
                out[0], out[1], out[2] = colour[y, x, 0], colour[y, x, 1], colour[y, x, 2]
            if over[y, x] >= 0:
                above = overlay(mesh, look, over[y, x], over_bary[y, x, 0], over_bary[y, x, 1], out)
                found = above if above >= 0 else found
            colour[y, x, 0], colour[y, x, 1], colour[y, x, 2] = out[0], out[1], out[2]
            classes[y, x] = found
