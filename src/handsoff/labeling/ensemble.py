"""All pixel classifiers (small MLPs) as one module: the first layers are one matrix, the others batched products."""

import itertools
import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.core.frames import Frame
from handsoff.labeling.hypercolumn import Features, project_tiles


class Ensemble(nn.Module):
    """`members` MLPs from hypercolumn (C channels) to `outputs`: C → hidden[0] → hidden[1] → outputs, ReLU between.

    Features are standardised by `mean` and `scale`, which at inference fold into the first layer.
    """

    def __init__(
        self, channels: int, outputs: int, members: int, hidden: tuple[int, int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.members, self.dropout = members, dropout
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        sizes = (channels, *hidden, outputs)
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.randn(members, i, o) * math.sqrt(2 / i)) for i, o in itertools.pairwise(sizes)]
        )
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(members, 1, o)) for o in sizes[1:]])

    def first_matrix(self) -> tuple[Float[Tensor, "o c"], Float[Tensor, " o"]]:
        """The first layers of all members as one matrix on raw features, standardisation folded in."""
        weight = self.weights[0].permute(0, 2, 1).flatten(0, 1) / self.scale
        return weight, self.biases[0].flatten() - weight @ self.mean

    def forward(self, hypercolumns: Float[Tensor, "p c"]) -> Float[Tensor, "e p k"]:
        """Hypercolumns of P pixels → outputs of each member."""
        standard = (hypercolumns.float() - self.mean) / self.scale
        hidden = torch.einsum("pc,eco->epo", standard, self.weights[0]) + self.biases[0]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = torch.bmm(F.dropout(F.relu(hidden), self.dropout, self.training), weight) + bias
        return hidden

    def alone(self, member: int, hypercolumns: Float[Tensor, "p c"]) -> Float[Tensor, "p k"]:
        """Outputs of one member."""
        x = (hypercolumns.float() - self.mean) / self.scale
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (F.relu(x) if layer else x) @ weight[member] + bias[member]
        return x

    def dense(
        self,
        features: Features,
        size: Frame,
        classes: Int64[Tensor, " n"] | None = None,  # noqa: ARG002  # the features of a pixel say enough
    ) -> Float[Tensor, "e n k h w"]:
        """Outputs of each member at every pixel of `size`, by the commuting form.

        One image and one tile at a time, so that the working set stays in cache.
        """
        weight, bias = (values.to(features[0].dtype) for values in self.first_matrix())
        count, outputs = features[0].shape[0], self.biases[-1].shape[2]
        found = features[0].new_empty(self.members, count, outputs, *size)
        for index in range(count):
            for tile, first in project_tiles([feature[index] for feature in features], weight, bias, size):
                part = found[:, index, :, tile[0], tile[1]]
                part.copy_(self.later_layers(first).transpose(1, 2).reshape(part.shape))
        return found

    def later_layers(self, x: Float[Tensor, "p o"]) -> Float[Tensor, "e p k"]:
        """Outputs of each member from what the first layers give."""
        x = x.unflatten(1, (self.members, -1)).transpose(0, 1)
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            x = torch.baddbmm(bias.to(x.dtype), x.relu_(), weight.to(x.dtype))
        return x
