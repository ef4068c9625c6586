"""Networks that learnt from the labelled photos themselves and vote on generated images beside the MLPs.

What an MLP knows passed through inversion, whose errors move labels against the image; a network has seen the photos as
they are, but never a generator's feature. Their mistakes differ, and where the two disagree a sample is uncertain.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.device import on_device
from handsoff.core.errors import MismatchError
from handsoff.core.files import read_tensors, write_tensors
from handsoff.jobs.progress import Part
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays
from handsoff.learning.pyramid import PyramidNet
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import Choice, train_predictor
from handsoff.tasks.base import Task


def train_networks(task: Task, photos: LabelledArrays, out: Path, settings: FitSettings) -> Part:
    """`settings.networks` runs of the downstream model on the photos; those that lie in `out` already stay."""
    learning = LearnSettings(steps=settings.network_steps, balance=settings.balance)
    for index in range(settings.networks):
        if not file_of(out, index).is_file():
            stage = f"network {index + 1} of {settings.networks} on the photos"
            model = yield from train_predictor(
                task,
                lambda _: [(photos, learning.batch)],
                settings.seed * 1000 + 500 + index,
                learning,
                stage,
                Choice(None),
            )
            write_tensors(file_of(out, index), model.state_dict())


def file_of(folder: Path, index: int) -> Path:
    return folder / f"network-{index}.safetensors"


def load_networks(folder: Path, task: Task, count: int) -> tuple[PyramidNet, ...]:
    """The networks of a label generator, ready to be asked.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: a file is of another task.
    """
    networks = []
    for index in range(count):
        network = PyramidNet(task.channels, pretrained=False)
        try:
            network.load_state_dict(read_tensors(file_of(folder, index)))
        except RuntimeError as error:
            raise MismatchError(
                f"{file_of(folder, index)} does not fit its label generator ({str(error).splitlines()[0]}): run handsoff fit again."
            ) from None
        networks.append(on_device(network.eval().requires_grad_(requires_grad=False)))
    return tuple(networks)


def with_networks(
    members: Float[Tensor, "e n k h w"], networks: tuple[PyramidNet, ...], image: Float[Tensor, "n 3 h w"], share: float
) -> tuple[Float[Tensor, "m n k h w"], Float[Tensor, " m"]]:
    """Further members, one per network, and every member's part of the vote: `share` for all networks together."""
    parts = [(1 - share if networks else 1.0) / len(members)] * len(members) + [share / max(len(networks), 1)] * len(
        networks
    )
    outputs = [network(image.clamp(-1, 1))[None] for network in networks]
    return torch.cat([members.float(), *(output.float() for output in outputs)]), torch.tensor(
        parts, device=members.device
    )
