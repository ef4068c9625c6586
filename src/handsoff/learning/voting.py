"""What the members of an ensemble say of an image together; a network looks at it, and at its mirror image."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.tasks.base import Labels, Task

DISAGREEMENT = "disagreement"


@dataclass(frozen=True)
class Consensus:
    """What an ensemble says of N images.

    Attributes:
        labels: of the images.
        uncertainty: in [0, 1], per pixel [N, H, W] or per point [N, K].
        numbers: what else is known, one number per image. `DISAGREEMENT`, where there are two groups of members: the
            uncertainty of an ensemble of two that say the groups' mean outputs, in [0, 1].
    """

    labels: Labels
    uncertainty: Float[np.ndarray, "n ..."]
    numbers: dict[str, Float[np.ndarray, " n"]] = field(default_factory=dict)


def consensus(task: Task, groups: Sequence[tuple[Float[Tensor, "_m n k h w"], float]]) -> Consensus:
    """What an ensemble says, given the outputs of its members as for `weighted`."""
    labels, uncertainty = task.learning.decode(*weighted(groups))
    numbers = {}
    if len(groups) > 1:
        between = task.learning.decode(torch.stack([found.mean(0) for found, _ in groups]))[1]
        numbers[DISAGREEMENT] = task.scores.image_uncertainty(between.float().cpu().numpy())
    return Consensus(labels, uncertainty.float().cpu().numpy(), numbers)


def vote(
    task: Task, networks: Sequence[nn.Module], images: Float[Tensor, "n 3 h w"], *, mirrored: bool = True
) -> Float[Tensor, "m n k h w"]:
    """The outputs of all networks, one member of the ensemble each; twice as many where mirror images vote too.

    Args:
        task: whose outputs these are; mirror images vote only where it is known what their labels are.
        networks: in evaluation mode.
        images: in about [-1, 1].
        mirrored: whether mirror images vote.
    """
    images = images.clamp(-1, 1)
    found = [network(images).float() for network in networks]
    if mirrored and task.geometry.mirrors:
        found += [task.geometry.mirror_outputs(network(images.flip(-1)).float()) for network in networks]
    return torch.stack(found)


def weighted(
    groups: Sequence[tuple[Float[Tensor, "_m n k h w"], float]],
) -> tuple[Float[Tensor, "m n k h w"], Float[Tensor, " m"]]:
    """The members of an ensemble, given in groups, and the weight of each.

    Args:
        groups: the outputs of a group's members, and the weight of all of them together; alone it has all the weight.
    """
    shares = [share for _, share in groups] if len(groups) > 1 else [1.0]
    weights = [share / len(found) for (found, _), share in zip(groups, shares, strict=True) for _ in found]
    members = torch.cat([found for found, _ in groups])
    return members, torch.tensor(weights, device=members.device)
