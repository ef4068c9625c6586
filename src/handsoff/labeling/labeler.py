"""The label generator: a generator and the ensemble that reads it."""

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
from handsoff.core.images import Frame, to_uint8
from handsoff.downstream.segmenter import Segmenter
from handsoff.generators.base import Generator
from handsoff.generators.stored import generator_hash, load_generator
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.networks import load_networks, with_networks
from handsoff.labeling.reader import Reader, make_reader
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

WEIGHTS, CARD, GENERATOR = "labeler.safetensors", "labeler.json", "generator"


@dataclass(frozen=True)
class Labeler:
    """Labels whatever its generator makes."""

    reader: Reader
    ensemble: Ensemble
    networks: tuple[Segmenter, ...]
    task: Task
    card: dict[str, Any]

    @property
    def generator(self) -> Generator:
        return self.reader.generator

    @property
    def size(self) -> Frame:
        """(H, W) of images and labels."""
        return self.generator.resolution

    @torch.no_grad()
    def label(self, ws: Float[Tensor, "n l d"]) -> tuple[UInt8[np.ndarray, "n h w 3"], UInt8[np.ndarray, "n h w"], Float[np.ndarray, "n h w"]]:
        """Image, label and uncertainty per pixel in [0, 1] of codes [N, num_ws, w_dim]."""
        with mixed_precision():
            image, features = self.reader.read(ws)
            members = self.ensemble.dense(features, self.size)
        label, uncertainty = self.task.decode(*with_networks(members, self.networks, image.float(), self.card["network_share"]))
        return to_uint8(image), label, uncertainty.float().cpu().numpy()


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
        raise MismatchError(f"{folder} was fitted to generator {card['generator'][:12]}, but {folder / GENERATOR} is {found[:12]}: run handsoff fit again.")
    generator = load_generator(folder / GENERATOR)
    task = make_task(card["task"], card["schema"])
    reader = make_reader(generator, perception=card["perception"])
    ensemble = Ensemble(reader.channels, task.channels, card["members"], tuple(card["hidden"]))
    try:
        ensemble.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise MismatchError(f"{folder / WEIGHTS} does not fit {CARD} ({str(error).splitlines()[0]}): run handsoff fit again.") from None
    device = next(iter(generator.parameters())).device
    networks = load_networks(folder, task, card["networks"])
    return Labeler(reader, ensemble.eval().requires_grad_(requires_grad=False).to(device), networks, task, card)


def image_uncertainty(uncertainty: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, " n"]:
    """Per image: the mean over its most uncertain tenth of pixels."""
    flat = np.sort(uncertainty.reshape(len(uncertainty), -1), 1)
    return flat[:, -max(1, flat.shape[1] // 10) :].mean(1)
