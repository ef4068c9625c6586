"""Colours and clothes: what a head looks like beside its shape."""
# ruff: noqa: PLR2004  # probabilities and thresholds stand where they are used

from typing import NamedTuple

import numpy as np
from roots import smooth
from shade import Look
from shape import Person, Pose
from styles import Style

TONES = (
    np.array(
        [
            [246, 213, 195],
            [236, 190, 165],
            [220, 167, 136],
            [189, 132, 101],
            [148, 100, 76],
            [106, 70, 53],
            [74, 49, 39],
        ]
    )
    / 255.0
)  # sRGB, pale to dark
IRISES = {
    "brown": (82, 50, 28),
    "dark": (46, 28, 20),
    "hazel": (116, 92, 50),
    "green": (92, 120, 84),
    "blue": (92, 134, 170),
    "grey": (128, 142, 150),
}
FABRICS = (
    (40, 44, 56),
    (60, 70, 92),
    (110, 44, 48),
    (236, 234, 228),
    (120, 124, 128),
    (70, 92, 74),
    (178, 136, 84),
    (44, 84, 130),
    (150, 90, 110),
    (206, 180, 150),
    (30, 30, 32),
    (190, 76, 60),
    (96, 74, 60),
    (86, 140, 150),
    (222, 190, 90),
)


class Neckline(NamedTuple):
    """Where the clothing begins on the rest mesh."""

    height: float  # dm on the side of the neck
    slope: float  # how much lower in front
    vee: float  # depth of a V in front
    thickness: float


def sample_neckline(rng: np.random.Generator) -> Neckline:
    """Crew neck, scoop, V, or a high collar."""
    kinds = [(5.86, 0.24, 0.0), (5.82, 0.42, 0.0), (5.88, 0.2, 0.6), (6.22, 0.14, 0.0), (5.95, 0.1, 0.35)]
    height, slope, vee = kinds[rng.choice(5, p=[0.34, 0.2, 0.2, 0.12, 0.14])]
    return Neckline(height + rng.normal(0, 0.02), slope, vee, rng.uniform(0.04, 0.1))


def below(line: Neckline, rest: np.ndarray) -> np.ndarray:
    """How far places (N, 3) lie below the neckline (dm; negative: skin)."""
    front = smooth(0.3, 0.7, rest[:, 2])
    edge = (
        line.height - line.slope * (rest[:, 2] - 0.2) - line.vee * np.clip(1 - np.abs(rest[:, 0]) / 0.5, 0, 1) * front
    )
    return np.clip(edge - rest[:, 1], -0.5, 2.0)


def linear(colour: np.ndarray) -> np.ndarray:
    """SRGB 0 to 1 → linear, float32."""
    colour = np.asarray(colour, float)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )  # sRGB's constants


def skin_tone(rng: np.random.Generator, melanin: float) -> np.ndarray:
    """sRGB (3,), with warmer and cooler undertones."""
    place = melanin * (len(TONES) - 1)
    tone = np.array([np.interp(place, np.arange(len(TONES)), TONES[:, k]) for k in range(3)])
    return np.clip(tone * (1 + rng.normal(0, 0.018, 3)), 0.05, 0.97)


def sample_look(rng: np.random.Generator, person: Person, style: Style, eyes: np.ndarray, pose: Pose) -> Look:
    """All colours of one head; `eyes` (2, 4) as posed."""
    tone = skin_tone(rng, person.melanin)
    skin = linear(tone)
    makeup = rng.uniform(0.2, 1.0) if rng.random() < 0.5 * (1 - person.male) else 0.0
    lips = skin * np.array([0.86, 0.58, 0.6]) * rng.uniform(0.85, 1.1)
    lipstick = linear(np.array([(170, 50, 60), (190, 90, 90), (140, 40, 70), (200, 100, 110)][rng.integers(4)]) / 255)
    lips = lips * (1 - 0.75 * makeup) + lipstick * 0.75 * makeup if makeup else lips
    light = np.clip(person.mix[2] * 1.4 - 0.3, 0, 1) * np.clip(1.3 - 2 * person.melanin, 0, 1)
    odds = np.array([0.4, 0.4 * (1 - light) + 0.02, 0.16 * light + 0.05, 0.14 * light, 0.24 * light, 0.08 * light])
    iris = np.array(IRISES[str(rng.choice(list(IRISES), p=odds / odds.sum()))]) / 255 * rng.uniform(0.75, 1.05)
    freckles = rng.uniform(0.3, 1.0) if rng.random() < 0.22 * np.clip(1.4 - 2.2 * person.melanin, 0, 1) else 0.0
    cloth = np.stack(
        [linear(np.array(FABRICS[i]) / 255 * rng.uniform(0.85, 1.05)) for i in rng.integers(len(FABRICS), size=2)]
    )
    hat = np.stack(
        [linear(np.array(FABRICS[i]) / 255 * rng.uniform(0.85, 1.05)) for i in rng.integers(len(FABRICS), size=2)]
    )
    frame = linear(
        np.array(
            [(24, 22, 22), (70, 40, 24), (130, 110, 80), (120, 120, 126), (120, 30, 36), (30, 50, 90)][
                rng.choice(6, p=[0.45, 0.2, 0.1, 0.1, 0.08, 0.07])
            ]
        )
        / 255
    )
    lens = (
        np.append(linear([0.1, 0.1, 0.12]), 0.88) if rng.random() < 0.22 else np.append(linear([0.7, 0.8, 0.85]), 0.05)
    )
    return Look(
        skin=skin,
        blush=np.array([1.03, 0.77, 0.77], np.float32),
        lips=np.clip(lips, 0.004, 0.9).astype(np.float32),
        rosy=rng.uniform(0.35, 1.15),
        freckles=float(freckles),
        gloss=rng.uniform(0.5, 1.15),
        wrinkles=float(np.clip((person.age - 30) / 50, 0, 1)),
        stubble=float(style.stubble),
        hair=linear(style.colour),
        iris=linear(np.clip(iris, 0.05, 0.9)),
        pupil=rng.uniform(0.3, 0.5),
        eyes=eyes.astype(np.float32),
        gaze=gazes(rng, pose),
        cloth=cloth.astype(np.float32),
        cloth_pattern=int(rng.choice(4, p=[0.62, 0.16, 0.14, 0.08])),
        frame=frame,
        lens=lens.astype(np.float32),
        hat=hat.astype(np.float32),
        hat_pattern=int(rng.choice([0, 3, 4])),
        makeup=float(makeup),
        seed=rng.uniform(0, 50),
    )


def gazes(rng: np.random.Generator, pose: Pose) -> np.ndarray:
    """Where the eyes look (2, 3): mostly at the camera, as far as the lids allow."""
    ahead = pose.head @ np.array([0, 0, 1.0])
    camera = np.array([0, 0, 1.0])
    share = rng.uniform(0.2, 1.0)
    towards = ahead * (1 - share) + camera * share + rng.normal(0, 0.05, 3)
    turn = towards - ahead
    size = np.linalg.norm(turn)
    towards = ahead + turn * min(1, 0.4 / (size + 1e-6))
    rows = np.stack([towards - np.array([0.02, 0, 0]), towards + np.array([0.02, 0, 0])])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
