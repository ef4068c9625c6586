"""What grows on a head: cut, colour, brows and beard, as drawn from the person's generator."""
# ruff: noqa: PLR2004  # probabilities and lengths (dm) stand where they are used

from dataclasses import dataclass, field

import numpy as np
from shape import Person

STYLES = ("bald", "buzz", "crop", "side", "slick", "quiff", "curls", "afro", "bob", "long", "bun", "pixie")
FEMININE = np.array([0.01, 0.02, 0.03, 0.03, 0.04, 0.01, 0.12, 0.06, 0.18, 0.30, 0.11, 0.09])
MASCULINE = np.array([0.09, 0.14, 0.24, 0.17, 0.08, 0.11, 0.07, 0.04, 0.01, 0.03, 0.005, 0.015])
COLOURS = {  # sRGB of the lit strand
    "black": (48, 40, 38),
    "brown": (74, 49, 35),
    "chestnut": (104, 64, 40),
    "fair": (158, 118, 74),
    "blond": (206, 170, 112),
    "auburn": (128, 58, 30),
    "ginger": (176, 88, 38),
}
HUG = {
    "bun": 0.9,
    "slick": 0.5,
    "side": 0.12,
    "quiff": 0.15,
    "crop": 0.1,
    "pixie": 0.25,
}  # how closely styles follow the cranium
RISE = {  # how much hair rises from the scalp at its root, and how much it weighs
    "afro": (2.5, 0.0),
    "curls": (0.7, 1.5),
    "quiff": (0.6, 1.0),
    "buzz": (2.0, 0.0),
    "crop": (0.75, 0.6),
    "bun": (0.1, 0.0),
    "slick": (0.3, 1.2),
    "long": (0.25, 5.0),
    "bob": (0.3, 4.5),
}
BEARDS = ("none", "stubble", "moustache", "goatee", "short", "full")
BEARD_FIELD = {"moustache": "moustache", "goatee": "chin", "short": "full", "full": "full"}  # where its hair grows


@dataclass
class Style:
    """What grows on one head, as drawn from the person's generator."""

    name: str
    beard: str
    colour: np.ndarray  # (3,) sRGB 0 to 1
    brow_colour: np.ndarray
    grey: float
    high: float  # hairline lift, degrees
    temple: float
    nape: float
    part: float  # x of the parting on the top of the head
    length: tuple[float, float]  # on top, at the sides
    volume: float
    curl: float
    wave: float
    fringe: float
    stubble: float
    brow: tuple[float, float] = field(default=(0.045, 1.0))  # half thickness, density


def sample_style(rng: np.random.Generator, person: Person) -> Style:
    """Draw hair, beard and brows that go with sex, age and ethnicity, with exceptions."""
    odds = person.male * MASCULINE + (1 - person.male) * FEMININE
    african = person.mix[0]
    odds = odds * np.where(np.isin(STYLES, ("afro", "curls", "buzz")), 0.6 + 1.8 * african, 1.0 - 0.5 * african)
    odds[0] *= 1 + 3 * person.male * max(0, (person.age - 35) / 40)
    name = str(rng.choice(STYLES, p=odds / odds.sum()))
    fair = np.clip(1.3 * person.mix[2] - 0.35, 0, 1) * np.clip(1.4 - 2 * person.melanin, 0, 1)
    shades = np.array(
        [0.2 + 0.9 * (1 - fair), 0.75, 0.2 + 0.35 * fair, 0.4 * fair, 0.42 * fair, 0.12 * fair, 0.12 * fair]
    )
    names = list(COLOURS)
    first, second = rng.choice(len(names), 2, p=shades / shades.sum())
    mix = rng.uniform(0, 0.35)
    colour = np.array(COLOURS[names[first]]) * (1 - mix) + np.array(COLOURS[names[second]]) * mix
    grey = float(np.clip(rng.normal((person.age - 48) / 28, 0.25), 0, 1)) if rng.random() < 0.85 else 0.0
    brow_colour = colour * rng.uniform(0.75, 1.1) * (1 - 0.3 * grey) + 40 * grey
    if rng.random() < 0.03:  # dyed
        colour, grey = np.array([(150, 60, 110), (60, 90, 150), (190, 110, 140), (70, 120, 100)][rng.integers(4)]), 0.0
    colour = (colour * rng.uniform(0.85, 1.15) * (1 - grey) + np.array([172, 170, 168]) * grey) / 255
    receding = max(0.0, rng.normal((person.age - 35) / 9, 5)) * person.male
    style = Style(
        name,
        "none",
        colour,
        np.clip(brow_colour / 255, 0.05, 0.7),
        grey,
        rng.normal(0, 3) + 0.5 * receding,
        receding,
        rng.normal(0, 4),
        0,
        (0, 0),
        0,
        0,
        0,
        0,
        0,
    )
    set_cut(rng, style, african)
    set_face(rng, style, person)
    return style


def set_cut(rng: np.random.Generator, style: Style, african: float) -> None:
    """Lengths, volume and curl of the named style."""
    top, sides, volume, fringe = {
        "bald": (0.05, 0.12, 0.03, 0.0),
        "buzz": (0.07, 0.06, 0.05, 0.0),
        "crop": (rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.25), 0.13, rng.uniform(0.2, 0.7)),
        "side": (rng.uniform(0.6, 0.95), rng.uniform(0.15, 0.35), 0.2, 0.15),
        "slick": (rng.uniform(0.8, 1.2), rng.uniform(0.3, 0.8), 0.12, -1.0),
        "quiff": (rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.2), 0.22, -0.6),
        "curls": (rng.uniform(0.7, 1.3), rng.uniform(0.5, 1.2), 0.26, -0.6),
        "afro": (rng.uniform(0.25, 0.65), rng.uniform(0.15, 0.5), 0.4, 0.0),
        "bob": (rng.uniform(1.9, 2.3), rng.uniform(1.3, 1.7), 0.22, rng.choice([0.0, 0.9])),
        "long": (rng.uniform(2.8, 3.8), rng.uniform(2.4, 3.4), 0.22, rng.choice([0.0, 0.0, 0.9])),
        "bun": (rng.uniform(1.1, 1.3), rng.uniform(1.0, 1.2), 0.08, -1.0),
        "pixie": (rng.uniform(0.7, 1.0), rng.uniform(0.35, 0.6), 0.18, rng.uniform(0.5, 1.0)),
    }[style.name]
    style.length, style.volume, style.fringe = (top, sides), volume * rng.uniform(0.8, 1.3), float(fringe)
    style.part = (
        float(rng.choice([-1, 1]) * rng.uniform(0.12, 0.4))
        if style.name != "long" or rng.random() < 0.6
        else float(rng.normal(0, 0.05))
    )
    style.curl = {"curls": rng.uniform(0.045, 0.08), "afro": 0.06}.get(style.name, 0.02 * african)
    style.wave = rng.uniform(0, 0.09) if style.name in {"long", "bob"} else rng.uniform(0, 0.015)


def set_face(rng: np.random.Generator, style: Style, person: Person) -> None:
    """Beard, stubble and brows."""
    if rng.random() < np.clip(2 * person.male - 0.6, 0, 1):
        style.beard = str(rng.choice(BEARDS, p=[0.36, 0.22, 0.08, 0.1, 0.14, 0.1]))
        style.stubble = {"none": rng.uniform(0, 0.25), "stubble": rng.uniform(0.4, 0.8)}.get(
            style.beard, rng.uniform(0.2, 0.5)
        )
    style.brow = (rng.uniform(0.015, 0.024) + 0.012 * person.male, rng.uniform(0.45, 0.85))
