"""What several networks say of an image together: each looks at it, and at its mirror image."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.tasks.base import Task


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
