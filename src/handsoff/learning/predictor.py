"""A trained predictor in a folder of its own: networks, and a card that says what they see and what they are worth.

- `model.json`: the card, see `PredictorCard`.
- `network-N.safetensors`: the networks; each was trained alike from another seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from handsoff.core.device import on_device
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_record, write_json
from handsoff.core.frames import Frame, Framing
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.learning.models import build_model
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

M = TypeVar("M", bound=nn.Module)
CARD, FOLDER = "model.json", "model"  # of a model; where an evaluation keeps it


@dataclass(frozen=True)
class PredictorCard:
    """What `model.json` says.

    Attributes:
        task, schema: what the labels mean.
        network: the name of the architecture, as in `--set model=…`.
        networks: how many there are; best: the one that is best on validation, from 0.
        image_size, framing: how a photo gets into the frame that the networks see.
        licence: the terms of the labels and datasets that it learnt from.
        arm: what it learnt from, in the words of the evaluation.
        validation, test: main metric of every network; validation is empty where there was no validation part.
        metric: what that is called.
        examples: real labels it learnt from.
    """

    task: str
    schema: dict[str, Any]
    network: str
    networks: int
    best: int
    image_size: list[int]
    framing: Framing
    licence: str | None
    arm: str
    metric: str
    validation: list[float]
    test: list[float]
    examples: int


@dataclass(frozen=True)
class Predictor:
    """Networks in evaluation mode, and what they label."""

    networks: tuple[nn.Module, ...]
    task: Task
    card: PredictorCard

    @property
    def size(self) -> Frame:
        """(H, W) of the images that they see."""
        height, width = self.card.image_size
        return height, width


def save_predictor(folder: Path, networks: Sequence[Mapping[str, Tensor]], card: PredictorCard) -> None:
    """Write the networks, given by their weights, and the card last."""
    for index, weights in enumerate(networks):
        write_tensors(network_file(folder, index), weights, sealed=True)
    write_json(folder / CARD, asdict(card))


def network_file(folder: Path, index: int) -> Path:
    return folder / f"network-{index}.safetensors"


def find_predictor(folder: Path) -> Path | None:
    """The folder of the model that a folder is, or that the report of an evaluation holds; None if it has none."""
    return next((found for found in (folder, folder / FOLDER) if (found / CARD).is_file()), None)


def read_predictor_card(folder: Path) -> PredictorCard:
    """What a model says of itself.

    Raises:
        InputError: there is none, or its card is damaged.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no model: give the report of handsoff evaluate, or its folder {FOLDER}.")
    return read_record(folder / CARD, PredictorCard)


def load_predictor(folder: Path) -> Predictor:
    """Read a model.

    Raises:
        InputError: there is none, or a file is missing or damaged.
        MismatchError: the networks are others than the card says.
    """
    card = read_predictor_card(folder)
    try:
        task = make_task(card.task, card.schema)
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD} does not describe a model ({error!r}): evaluate again.") from None
    blank = [build_model(card.network, task.channels) for _ in range(card.networks)]
    return Predictor(load_networks(folder, blank, CARD, "evaluate again"), task, card)


def load_networks(folder: Path, networks: Sequence[M], owner: str, remedy: str) -> tuple[M, ...]:
    """Networks with their weights from a folder, in evaluation mode.

    Args:
        folder: with a `network-N.safetensors` for each.
        networks: newly built.
        owner: for the message: what says how they must be.
        remedy: for the message: what to do if they are not so.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: a file is of another network.
    """
    for index, network in enumerate(networks):
        file = network_file(folder, index)
        try:
            network.load_state_dict(read_tensors(file))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise MismatchError(f"{file} does not fit {owner} ({reason}): {remedy}.") from None
    return tuple(on_device(network.eval().requires_grad_(requires_grad=False)) for network in networks)
