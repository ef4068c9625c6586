"""Who it is and how the head is held: morph weights, pose, and the posed mesh.

All lengths are decimetres, in the axes of the base mesh: x to the subject's left, y up, z forward.
"""
# ruff: noqa: PLR2004  # the anatomy is numbers (dm, years) that stand where they are used

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from assets import Assets, Sparse
from numba import njit

PIVOT = np.array([0.0, 6.35, 0.35], np.float32)  # the head turns about this point of the neck
CENTRE = np.array([0.0, 7.28, 0.55], np.float32)  # what the camera looks at
SKULL = np.array([0.0, 7.55, 0.6], np.float32)  # middle of the cranium: hair and hats are laid around it
ETHNICITIES = ("african", "asian", "caucasian")
STRENGTH = {
    "head": 0.22,
    "forehead": 0.2,
    "eyebrows": 0.25,
    "eyes": 0.25,
    "nose": 0.24,
    "mouth": 0.22,
    "cheek": 0.28,
    "chin": 0.22,
    "ears": 0.25,
    "neck": 0.15,
}
UNUSED = (
    "trans",
    "head-angle",
    "head-age",
    "double",
    "pointed",
    "ear-shape-triangle",
    "ear-shape-square",
    "measure",
    "push",
    "laugh-lines",
)
OPPOSITES = (("-incr", "-decr"), ("-up", "-down"), ("-in", "-out"), ("-convex", "-concave"), ("-forward", "-backward"))


@dataclass(frozen=True)
class Person:
    """What stays the same from picture to picture; fractions 0 to 1 unless said otherwise."""

    weights: np.ndarray  # (M,) target weights without expression
    male: float
    age: float  # years
    mix: np.ndarray  # (3,) of ETHNICITIES
    melanin: float


class Pose(NamedTuple):
    """Rotation of the head (3, 3) and of the body (3, 3), from base axes to camera axes."""

    head: np.ndarray
    body: np.ndarray


@cache
def pairs(names: tuple[str, ...]) -> list[tuple[str, list[str], list[str]]]:
    """Opposite feature targets: (folder, the positive ones of both sides, the negative ones of both sides)."""
    known, found = set(names), []
    for name in names:
        folder, _, stem = name.partition("/")
        if folder not in STRENGTH or stem.startswith("r-") or any(word in stem for word in UNUSED):
            continue
        for plus, minus in OPPOSITES:
            if stem.endswith(plus) and name.removesuffix(plus) + minus in known:
                sides = [name, name.removesuffix(plus) + minus]
                twins = [side.replace("/l-", "/r-") for side in sides]
                found.append((folder, sorted({sides[0], twins[0]}), sorted({sides[1], twins[1]})))
    return found


def sample_person(rng: np.random.Generator, assets: Assets) -> Person:
    """Draw an identity; every fraction is continuous."""
    male = float(np.clip(rng.beta(0.35, 0.35), 0.03, 0.97))
    age = float(rng.choice([rng.uniform(16, 30), rng.uniform(25, 50), rng.uniform(45, 80)], p=[0.35, 0.4, 0.25]))
    mix = rng.dirichlet([0.45, 0.45, 0.55])
    weights = np.zeros(len(assets.names), np.float32)
    old = np.clip((age - 28) / 55, 0, 1)
    child = np.clip((24 - age) / 24, 0, 0.35)
    ages = {"old": old, "child": (1 - old) * child, "young": (1 - old) * (1 - child)}
    build = float(np.clip(rng.normal(0.0, 0.4), -0.9, 0.9))
    builds = {"minweight": max(0, -build), "averageweight": 1 - abs(build), "maxweight": max(0, build)}
    for sex, share in (("male", male), ("female", 1 - male)):
        for stage, part in ages.items():
            for place, ethnicity in enumerate(ETHNICITIES):
                weights[assets.names[f"macrodetails/{ethnicity}-{sex}-{stage}"]] = share * part * mix[place]
            for shape, amount in builds.items():
                weights[assets.names[f"macrodetails/universal-{sex}-{stage}-averagemuscle-{shape}"]] = (
                    share * part * amount
                )
    for folder, plus, minus in pairs(tuple(assets.names)):
        value = float(np.clip(rng.normal(0, STRENGTH[folder]), -0.6, 0.6))
        for name in plus if value > 0 else minus:
            weights[assets.names[name]] = (
                abs(value) * (0.6 if folder == "neck" else 1.0) * (1 + 0.12 * rng.standard_normal())
            )
    for side in "lr":
        weights[assets.names[f"eyes/{side}-eye-scale-incr"]] += 0.35  # a portrait lives by its eyes
    add_asymmetry(rng, assets, weights)
    melanin = float(np.clip(mix @ np.array([0.78, 0.3, 0.14]) + rng.normal(0, 0.1), 0, 1))
    return Person(weights, male, age, mix, melanin)


def add_asymmetry(rng: np.random.Generator, assets: Assets, weights: np.ndarray) -> None:
    """No face is symmetric: small weights on the asymmetry targets, and one of the basic head forms."""
    for name, row in assets.names.items():
        if name.startswith("asym/"):
            weights[row] = max(0.0, rng.normal(0, 0.09))
    forms = ["oval", "round", "rectangular", "square", "triangular", "invertedtriangular", "diamond"]
    weights[assets.names[f"head/head-{forms[rng.integers(len(forms))]}"]] = rng.uniform(0, 0.4)


def expression(rng: np.random.Generator, assets: Assets, person: Person) -> np.ndarray:
    """Weights (M,) of the expression units: a mood, plus a little of everything."""
    moods = {
        "neutral": {},
        "smile": {"mouth-corner-puller": 0.6, "mouth-elevation": 0.1, "eye-left-slit": 0.15, "eye-right-slit": 0.15},
        "grin": {
            "mouth-corner-puller": 0.75,
            "mouth-part-later": 0.5,
            "mouth-parling": 0.3,
            "eye-left-slit": 0.2,
            "eye-right-slit": 0.2,
        },
        "laugh": {
            "mouth-corner-puller": 0.7,
            "mouth-open": 0.45,
            "mouth-part-later": 0.45,
            "eye-left-slit": 0.3,
            "eye-right-slit": 0.3,
        },
        "surprise": {
            "mouth-open": 0.35,
            "eyebrows-left-up": 0.8,
            "eyebrows-right-up": 0.8,
            "eye-left-opened-up": 0.5,
            "eye-right-opened-up": 0.5,
        },
        "sad": {"mouth-depression": 0.45, "eyebrows-left-inner-up": 0.7, "eyebrows-right-inner-up": 0.7},
        "angry": {
            "eyebrows-left-down": 0.7,
            "eyebrows-right-down": 0.7,
            "mouth-compression": 0.4,
            "nose-compression": 0.3,
        },
        "speaking": {"mouth-open": 0.3, "mouth-parling": 0.4},
        "pout": {"mouth-protusion": 0.5, "mouth-pursing": 0.3},
    }
    mood = moods[str(rng.choice(list(moods), p=[0.29, 0.28, 0.18, 0.08, 0.04, 0.03, 0.02, 0.05, 0.03]))]
    strength = rng.uniform(0.5, 1.1)
    units = {unit: amount * strength for unit, amount in mood.items()}
    for unit in ("mouth-corner-puller", "mouth-depression", "mouth-protusion", "mouth-compression"):
        units[unit] = units.get(unit, 0) + max(0, rng.normal(0, 0.12))
    blink = max(0, rng.normal(-0.02, 0.1)) if rng.random() > 0.02 else rng.uniform(0.8, 1.0)  # 2 % have their eyes shut
    raised = rng.normal(0.1, 0.18)
    for side in ("left", "right"):
        units[f"eye-{side}-opened-up"] = units.get(f"eye-{side}-opened-up", 0) + 0.25
        units[f"eye-{side}-closure"] = blink + abs(rng.normal(0, 0.02))
        for way, amount in (("up", raised), ("down", -raised)):
            units[f"eyebrows-{side}-{way}"] = units.get(f"eyebrows-{side}-{way}", 0) + max(
                0, amount + rng.normal(0, 0.05)
            )
    weights = np.zeros(len(assets.names), np.float32)
    for unit, amount in units.items():
        for place, ethnicity in enumerate(ETHNICITIES):
            weights[assets.names[f"expression/units/{ethnicity}/{unit}"]] = amount * person.mix[place]
    return weights


@njit(cache=True)
def morph(rest: np.ndarray, targets: Sparse, weights: np.ndarray) -> np.ndarray:
    """Rest vertices (V, 3) plus the weighted displacements."""
    verts = rest.copy()
    for m in range(weights.shape[0]):
        if weights[m] != 0:
            for n in range(targets.starts[m], targets.starts[m + 1]):
                for axis in range(3):
                    verts[targets.vertex[n], axis] += weights[m] * targets.delta[n, axis]
    return verts


def settle(verts: np.ndarray, assets: Assets) -> np.ndarray:
    """Move the head back to where the rest mesh has it: build and age also change the height and size of the body."""
    head = (assets.rest[:, 1] > 6.9) & (np.abs(assets.rest[:, 0]) < 0.8)  # dm, head without ears
    size = (np.std(assets.rest[head], 0) / np.std(verts[head], 0)).mean() ** 0.75
    return (verts * size + (assets.rest[head].mean(0) - verts[head].mean(0) * size)).astype(np.float32)


def sample_pose(rng: np.random.Generator) -> Pose:
    """Yaw within ±35°, less pitch and roll; the shoulders follow a part of the way."""
    yaw = float(np.clip(rng.normal(0, 16), -35, 35))
    pitch = float(np.clip(rng.normal(2, 6), -14, 16))
    roll = float(np.clip(rng.normal(0, 4.5), -12, 12))
    return Pose(rotation(yaw, pitch, roll), rotation(0.45 * yaw + rng.normal(0, 8), 0.0, rng.normal(0, 2)))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Degrees → (3, 3): roll about z, then pitch about x (positive: down), then yaw about y."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


@njit(cache=True)
def apply_pose(
    points: np.ndarray, guide: np.ndarray, head: np.ndarray, body: np.ndarray, origin: np.ndarray
) -> np.ndarray:
    """Turn points (N, 3): by `head` above the neck, by `body` below it, blended along the neck.

    Where a point is along the neck, its guide point (N, 3) says; `origin` becomes 0.
    """
    posed = np.empty(points.shape, np.float32)
    pivot = np.array([0.0, 6.35, 0.35], np.float32)
    for i in range(points.shape[0]):
        along = guide[i, 1] + 0.6 * (guide[i, 2] - 0.4)
        t = min(max((along - 5.65) / 0.9, 0.0), 1.0)
        t = t * t * (3 - 2 * t)
        for axis in range(3):
            by_head = by_body = 0.0
            for k in range(3):
                offset = points[i, k] - pivot[k]
                by_head += head[axis, k] * offset
                by_body += body[axis, k] * offset
            posed[i, axis] = t * by_head + (1 - t) * by_body + pivot[axis] - origin[axis]
    return posed
