"""The label generator: a generator and the ensemble that reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.device import mixed_precision
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, read_tensors, write_json, write_tensors
from handsoff.core.frames import Frame
from handsoff.core.images import to_uint8
from handsoff.generators.contract import Generator
from handsoff.generators.stored import generator_hash, load_generator
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.features import Reader, make_reader
from handsoff.labeling.image_networks import load_networks, with_networks
from handsoff.learning.pyramid import PyramidNet
from handsoff.tasks import make_task
from handsoff.tasks.base import Labels, Task

Images = UInt8[np.ndarray, "n h w 3"]
Doubts = Float[np.ndarray, "n ..."]

WEIGHTS, CARD, GENERATOR = "labeler.safetensors", "labeler.json", "generator"


@dataclass(frozen=True)
class Labeler:
    """Labels whatever its generator makes."""

    reader: Reader
    ensemble: Ensemble
    networks: tuple[PyramidNet, ...]
    task: Task
    card: dict[str, Any]

    @property
    def generator(self) -> Generator:
        return self.reader.generator

    @property
    def size(self) -> Frame:
        """(H, W) of images and labels."""
        return self.generator.resolution

    def label(self, ws: Float[Tensor, "n l d"]) -> tuple[Images, Labels, Doubts]:
        """Image, label and uncertainty in [0, 1], per pixel or per point, of codes [N, num_ws, w_dim]."""
        images, ((labels, uncertainty),) = label_together([self], ws)
        return images, labels, uncertainty


@torch.no_grad()
def label_together(
    labelers: Sequence[Labeler], ws: Float[Tensor, "n l d"]
) -> tuple[Images, list[tuple[Labels, Doubts]]]:
    """Images and, from each label generator of their generator, labels and uncertainty; the features are made once for all."""
    with mixed_precision():
        image, features = labelers[0].generator.synthesize(ws)
        taps = next((labeler.reader.taps(image) for labeler in labelers if labeler.reader.perception), [])
        votes = [labeler.ensemble.dense(labeler.reader.blocks(features, taps), labeler.size) for labeler in labelers]
    found = []
    for labeler, members in zip(labelers, votes, strict=True):
        labels, uncertainty = labeler.task.learning.decode(
            *with_networks(members, labeler.networks, image.float(), labeler.card["network_share"])
        )
        found.append((labels, uncertainty.float().cpu().numpy()))
    return to_uint8(image), found


def save_labeler(folder: Path, ensemble: Ensemble, card: dict[str, Any]) -> None:
    """Write the ensemble and its card (task, schema, widths, generator hash)."""
    write_json(folder / CARD, card)
    write_tensors(folder / WEIGHTS, ensemble.state_dict())


def load_labeler(folder: Path | str) -> Labeler:
    """Read a label generator with the generator it was fitted to.

    Raises:
        InputError: the folder is none or is damaged.
        MismatchError: the generator beside it is another one.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no label generator: give the folder that handsoff fit wrote.")
    card = read_json(folder / CARD)
    found = generator_hash(folder / GENERATOR)
    if found != card["generator"]:
        raise MismatchError(
            f"{folder} was fitted to generator {card['generator'][:12]}, but {folder / GENERATOR} is {found[:12]}: run handsoff fit again."
        )
    generator = load_generator(folder / GENERATOR)
    task = make_task(card["task"], card["schema"])
    reader = make_reader(generator, perception=card["perception"])
    ensemble = Ensemble(reader.channels, task.channels, card["members"], tuple(card["hidden"]))
    try:
        ensemble.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise MismatchError(
            f"{folder / WEIGHTS} does not fit {CARD} ({str(error).splitlines()[0]}): run handsoff fit again."
        ) from None
    device = next(iter(generator.parameters())).device
    networks = load_networks(folder, task, card["networks"])
    return Labeler(reader, ensemble.eval().requires_grad_(requires_grad=False).to(device), networks, task, card)
