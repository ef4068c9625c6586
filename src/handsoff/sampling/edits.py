"""What is done to latents after they were drawn: style mixing, perturbation, moves in the w space.

An edit is part of a draw's record. What it needs besides (latents of photos, directions, vectors) lies in the folder of
the dataset, see `Materials`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.tensors import read_tensors
from handsoff.generators.conditions import Condition
from handsoff.generators.latents import Latents

ANCHORS, DIRECTIONS, VECTORS = (  # in the folder of a dataset
    "anchors.safetensors",
    "directions.safetensors",
    "vectors.safetensors",
)
FILES = (ANCHORS, DIRECTIONS, VECTORS)
WS = "ws"  # the tensor of latents that edits change, [N, L, D]


@dataclass(frozen=True)
class Anchor:
    """Latents that others are moved to: of an unedited draw, or of a photo.

    Attributes:
        draw: seed, truncation and condition of the draw.
        photo: the name of its latents in `anchors.safetensors`.
    """

    draw: tuple[int, float, Condition | None] | None = None
    photo: str | None = None

    def record(self) -> dict[str, Any]:
        if self.draw is None:
            return {"photo": self.photo}
        seed, psi, condition = self.draw
        return {"seed": seed, "psi": psi, "condition": list(condition) if isinstance(condition, tuple) else condition}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Anchor":
        if "photo" in record:
            return cls(photo=str(record["photo"]))
        return cls((int(record["seed"]), float(record["psi"]), condition_of_record(record["condition"])))


def condition_of_record(condition: Any) -> Condition | None:
    """The condition that JSON holds: a class id, or the values of attributes.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(condition, list):
        return tuple(None if value is None else float(value) for value in condition)
    return None if condition is None else int(condition)


@dataclass(frozen=True)
class Mix:
    """Layers [start, stop) of ws move towards those of an anchor by `strength` in (0, 1].

    Strength 1 is style mixing (StyleGAN, section 3.1); less, on all layers, is the anchor perturbed by a draw.
    """

    anchor: Anchor
    start: int
    stop: int
    strength: float = 1.0

    def record(self) -> dict[str, Any]:
        return {"mix": self.anchor.record(), "layers": [self.start, self.stop], "strength": self.strength}


@dataclass(frozen=True)
class Move:
    """Layers [start, stop) of ws move along a direction of `directions.safetensors`.

    Attributes:
        strength: in standard deviations of w along it; the tensors of the file are that long.
    """

    direction: str
    start: int
    stop: int
    strength: float

    def record(self) -> dict[str, Any]:
        return {"move": self.direction, "layers": [self.start, self.stop], "strength": self.strength}


@dataclass(frozen=True)
class Vector:
    """ws move by an edit vector of `vectors.safetensors` that was learnt from an edited mask (`handsoff edit`).

    Attributes:
        strength: 1 = the edit as it was learnt.
    """

    vector: str
    strength: float

    def record(self) -> dict[str, Any]:
        return {"vector": self.vector, "strength": self.strength}


Edit = Mix | Move | Vector


def edit_of_record(record: Mapping[str, Any]) -> Edit:
    """The edit that a record is of.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    strength = float(record["strength"])
    if "vector" in record:
        return Vector(str(record["vector"]), strength)
    start, stop = map(int, record["layers"])
    if "mix" in record:
        return Mix(Anchor.of_record(record["mix"]), start, stop, strength)
    return Move(str(record["move"]), start, stop, strength)


@dataclass(frozen=True)
class Materials:
    """What edits need besides the generator.

    Attributes:
        anchors: name of a photo → its ws [L, D].
        directions: name → one standard deviation of w along it [D].
        vectors: name → an edit of ws [L, D].
    """

    anchors: Mapping[str, Float[Tensor, "l d"]] = field(default_factory=dict)
    directions: Mapping[str, Float[Tensor, " d"]] = field(default_factory=dict)
    vectors: Mapping[str, Float[Tensor, "l d"]] = field(default_factory=dict)


NOTHING = Materials()


def read_materials(folder: Path) -> Materials:
    """What the folder of a dataset holds; nothing where its draws were not edited.

    Raises:
        InputError: a file is damaged.
    """
    found = (read_tensors(file) if (file := folder / name).is_file() else {} for name in FILES)
    return Materials(*found)


def edited(
    latents: Latents, edits: Sequence[Edit | None], drawn: Float[Tensor, "n l d"] | None, materials: Materials
) -> Latents:
    """Latents after one edit of each.

    Args:
        latents: of N samples.
        edits: N, None for samples that stay as they are.
        drawn: the ws of the anchors that are draws, in the rows of the samples that are mixed with them.
        materials: the ws of photos, directions, and vectors.

    Raises:
        InputError: the latents are no ws, or a photo, direction or vector is missing.
    """
    if WS not in latents.tensors:
        raise InputError("The samples were made by edits in a w space, and this generator has none: take its own.")
    ws = latents.tensors[WS].clone()
    for row, edit in enumerate(edits):
        if edit is None:
            continue
        if isinstance(edit, Vector):
            ws[row] += edit.strength * found(materials.vectors, edit.vector).to(ws)
            continue
        layers = slice(edit.start, edit.stop)
        if isinstance(edit, Move):
            ws[row, layers] += edit.strength * found(materials.directions, edit.direction).to(ws)
            continue
        photo = edit.anchor.photo
        target = drawn[row] if drawn is not None and photo is None else found(materials.anchors, photo)
        ws[row, layers] = torch.lerp(ws[row, layers], target.to(ws)[layers], edit.strength)
    return Latents({**latents.tensors, WS: ws}, latents.condition)


def found(tensors: Mapping[str, Tensor], name: str | None) -> Tensor:
    if name is None or name not in tensors:
        raise InputError(
            f"The latents of a sample need {name}, which is not in {', '.join(FILES)} of its dataset: restore the "
            "dataset's folder."
        )
    return tensors[name]
