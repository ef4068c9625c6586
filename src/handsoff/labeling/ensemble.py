"""Ten small MLPs as one batched module: the first layers are one matrix, the others batched products."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from handsoff.core.frames import Frame
from handsoff.labeling.hypercolumn import Features, project_bands


class Ensemble(nn.Module):
    """`members` MLPs from hypercolumn (C channels) to `outputs`: C → hidden[0] → hidden[1] → outputs, ReLU between.

    Features are standardised by `mean` and `scale`, which at inference fold into the first layer.
    """

    def __init__(self, channels: int, outputs: int, members: int, hidden: tuple[int, int], dropout: float = 0.0) -> None:
        super().__init__()
        self.members, self.dropout = members, dropout
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        sizes = (channels, *hidden, outputs)
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(members, i, o) * math.sqrt(2 / i)) for i, o in itertools.pairwise(sizes)])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(members, 1, o)) for o in sizes[1:]])

    def first_matrix(self) -> tuple[Float[Tensor, "o c"], Float[Tensor, " o"]]:
        """The first layers of all members as one matrix on raw features, standardisation folded in."""
        weight = self.weights[0].permute(0, 2, 1).flatten(0, 1) / self.scale
        return weight, self.biases[0].flatten() - weight @ self.mean

    def forward(self, columns: Float[Tensor, "p c"]) -> Float[Tensor, "e p k"]:
        """Hypercolumns of P pixels → outputs of each member."""
        standard = (columns.float() - self.mean) / self.scale
        hidden = torch.einsum("pc,eco->epo", standard, self.weights[0]) + self.biases[0]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = torch.bmm(F.dropout(F.relu(hidden), self.dropout, self.training), weight) + bias
        return hidden

    def alone(self, member: int, columns: Float[Tensor, "p c"]) -> Float[Tensor, "p k"]:
        """Outputs of one member."""
        x = (columns.float() - self.mean) / self.scale
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (F.relu(x) if layer else x) @ weight[member] + bias[member]
        return x

    def dense(self, features: Features, size: Frame) -> Float[Tensor, "e n k h w"]:
        """Outputs of each member at every pixel of `size`, by the commuting form.

        One image and one band of rows at a time, so that the working set stays in cache: ten times faster on a CPU than
        the batch at once, and in little memory at any size.
        """
        weight, bias = self.first_matrix()
        tails = [self.grouped(index) for index in range(1, len(self.weights))]
        outputs = []
        for index in range(features[0].shape[0]):
            bands = []
            for band in project_bands([feature[index : index + 1] for feature in features], weight, size):
                x = band + bias[:, None, None].to(band.dtype)
                for matrix, offset in tails:
                    x = F.conv2d(x.relu_(), matrix.to(x.dtype), offset.to(x.dtype), groups=self.members)
                bands.append(x)
            outputs.append(torch.cat(bands, 2).view(self.members, -1, *size))
        return torch.stack(outputs, 1)

    def grouped(self, layer: int) -> tuple[Float[Tensor, "o i 1 1"], Float[Tensor, " o"]]:
        """A later layer of all members as one grouped 1×1 convolution."""
        return self.weights[layer].transpose(1, 2).flatten(0, 1)[:, :, None, None], self.biases[layer].flatten()
