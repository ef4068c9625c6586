"""Depthwise convolutions that train fast in bfloat16 on a CPU.

Measured (oneDNN of torch 2.13, AVX512/AMX, 16 images, one thread): the backward pass of a strided depthwise convolution
to its input takes 45 ms in bfloat16 and 1-5 ms in float32; that of a 5x5 one to its weights 25-35 ms against 5-7 ms.
These kernels, and only these, are called in float32 here: a training step of the whole model takes half the time.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class DepthwiseFunction(torch.autograd.Function):
    """conv2d with one filter per channel; each half of the backward pass in the precision that is fast."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        strided, large = ctx.stride > 1, weight.shape[-1] > 3  # noqa: PLR2004  # the fast kernels are for 3x3

        def half(dtype: torch.dtype, mask: list[bool]) -> tuple[Tensor | None, ...]:
            tensors = gradient.to(dtype), x.to(dtype), weight.to(dtype)
            geometry = [ctx.stride] * 2, [ctx.padding] * 2, [1, 1], False, [0, 0], weight.shape[0]
            return torch.ops.aten.convolution_backward(*tensors, None, *geometry, mask)

        dx = half(torch.float32 if strided else x.dtype, [True, False, False])[0] if ctx.needs_input_grad[0] else None
        dw = half(torch.float32 if large else x.dtype, [False, True, False])[1] if ctx.needs_input_grad[1] else None
        return None if dx is None else dx.to(x.dtype), None if dw is None else dw.to(weight.dtype), None, None, None


def depthwise(
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "c 1 k k"],
    bias: Float[Tensor, " c"] | None,
    stride: int,
    padding: int,
) -> Float[Tensor, "n c h2 w2"]:
    """conv2d with one filter per channel, in the precision of `x`; a bias must be frozen."""
    if x.device.type != "cpu" or x.dtype is not torch.bfloat16:
        return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])
    outputs: Tensor = DepthwiseFunction.apply(x, weight.to(x.dtype), bias, stride, padding)  # type: ignore[no-untyped-call]
    return outputs
