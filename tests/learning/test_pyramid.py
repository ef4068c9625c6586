"""The default predictor: sizes of its outputs, gradients of its 16-bit layers."""

import pytest
import torch

from handsoff.backbones.lite0 import SameConv
from handsoff.learning.pyramid import PyramidNet


@pytest.mark.parametrize("frame", [(32, 32), (48, 32), (160, 136)])
def test_outputs_are_as_large_as_the_image(frame: tuple[int, int]) -> None:
    model = PyramidNet(5).eval()
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, *frame)).shape == (2, 5, *frame)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_bfloat16_depthwise_layers_have_the_gradients_of_float32(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    quick, plain = (SameConv(32, 32, kernel, stride, groups=32, bias=False) for _ in range(2))
    plain.load_state_dict({"weight": quick.weight.data.bfloat16().float()})
    x = torch.randn(2, 32, 15, 16).bfloat16()
    inputs = [x.clone().requires_grad_(), x.float().requires_grad_()]
    outputs = [quick(inputs[0]).float(), plain(inputs[1])]
    assert torch.allclose(outputs[0], outputs[1], atol=0.05)
    for output in outputs:
        output.square().sum().backward()
    for one, other in ((inputs[0].grad, inputs[1].grad), (quick.weight.grad, plain.weight.grad)):
        assert one is not None
        assert other is not None
        assert (one.float() - other).norm() < 0.01 * other.norm()
