"""Networks trained on the labelled photos themselves, which label generated images beside the pixel classifiers.

A pixel classifier knows photos through inversion only, whose errors move labels against the image. An image network has
seen the photos as they are, but no feature of a generator. Their mistakes differ: where the two disagree, a sample is
uncertain.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.device import on_device
from handsoff.core.errors import MismatchError
from handsoff.core.files import read_tensors, write_tensors
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.progress import Part
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays
from handsoff.learning.pyramid import PyramidNet
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import train_predictor
from handsoff.tasks.base import Task

UNFINISHED = "unfinished.safetensors"  # the network that is being trained


def train_image_networks(task: Task, photos: LabelledArrays, out: Path, settings: FitSettings) -> Part:
    """`settings.networks` predictors trained on the photos; those that lie whole in `out` are not trained again."""
    learning = LearnSettings(steps=settings.network_steps, balance=settings.balance)

    def mixture(_: float) -> list[tuple[LabelledArrays, int]]:
        return [(photos, learning.batch)]

    for index in range(settings.networks):
        if not is_whole(network_file(out, index)):
            stage = f"network {index + 1} of {settings.networks} on the photos"
            seed = settings.seed * 1000 + 500 + index
            half = out / UNFINISHED
            trained = yield from train_predictor(task, mixture, seed, learning, stage, checkpoint=half)
            write_tensors(network_file(out, index), trained.model.state_dict(), sealed=True)
            half.unlink(missing_ok=True)


def network_file(folder: Path, index: int) -> Path:
    return folder / f"network-{index}.safetensors"


def load_image_networks(folder: Path, task: Task, count: int) -> tuple[PyramidNet, ...]:
    """The image networks of a labeler, in evaluation mode.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: a file is of another task.
    """
    networks = []
    for index in range(count):
        network, file = PyramidNet(task.channels, pretrained=False), network_file(folder, index)
        try:
            network.load_state_dict(read_tensors(file))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise MismatchError(f"{file} does not fit its labeler ({reason}): run handsoff fit again.") from None
        networks.append(on_device(network.eval().requires_grad_(requires_grad=False)))
    return tuple(networks)


def with_image_networks(
    outputs: Float[Tensor, "e n k h w"],
    networks: Sequence[PyramidNet],
    images: Float[Tensor, "n 3 h w"],
    share: float,
) -> tuple[Float[Tensor, "m n k h w"], Float[Tensor, " m"]]:
    """The outputs of pixel classifiers and image networks, and the weight of each in the ensemble.

    Args:
        outputs: of the pixel classifiers.
        networks: further members of the ensemble.
        images: in about [-1, 1].
        share: weight of all networks together, in [0, 1]; the classifiers share the rest.
    """
    found = [network(images.clamp(-1, 1))[None] for network in networks]
    classifiers = [(1 - share if networks else 1.0) / len(outputs)] * len(outputs)
    weights = [*classifiers, *[share / max(len(networks), 1)] * len(networks)]
    members = torch.cat([outputs.float(), *(values.float() for values in found)])
    return members, torch.tensor(weights, device=outputs.device)
