"""Depthwise convolutions in float32 under bfloat16 autocast: the same weights, names and results."""

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from genreid.models.depthwise import use_float32_for_depthwise
from tests.drawn_tensors import normal


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=8),
        Conv2dSame(8, 8, 5, stride=2, groups=8),
    )


def test_results_names_and_parameters_stay() -> None:
    plain = network()
    parameters = dict(plain.named_parameters())
    images = normal("images", 2, 3, 13, 9).float()
    expected = plain(images)
    use_float32_for_depthwise(plain)
    assert torch.equal(plain(images), expected)
    after = dict(plain.named_parameters())
    assert list(after) == list(parameters)
    assert all(after[name] is value for name, value in parameters.items())
    assert type(plain[0]) is nn.Conv2d
    assert all(type(plain[number]) is not nn.Conv2d for number in (1, 2, 3))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_under_autocast_the_sums_are_float32(number: int) -> None:
    plain = network()
    use_float32_for_depthwise(plain)
    conv = plain[number]
    maps = normal("maps", 2, 8, 13, 9).bfloat16()
    exact = conv(maps.float())
    with torch.autocast("cpu", torch.bfloat16):
        output = conv(maps)
    assert output.dtype == torch.bfloat16
    assert torch.equal(output, exact.bfloat16())  # rounded once, at the end


def test_gradients_reach_weights_and_input_under_autocast() -> None:
    plain = network()
    use_float32_for_depthwise(plain)
    images = normal("images", 2, 3, 13, 9).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = plain(images)
    torch.autograd.backward(output.float().square().sum())
    assert images.grad is not None
    assert images.grad.any()
    assert all(p.grad is not None and p.grad.any() for p in plain.parameters())


def test_every_depthwise_convolution_of_a_backbone_is_exchanged() -> None:
    backbone = timm.create_model("test_efficientnet", pretrained=False, num_classes=0)
    names = list(backbone.state_dict())
    use_float32_for_depthwise(backbone)
    depthwise = [m for m in backbone.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert depthwise
    assert all(type(module) not in {nn.Conv2d, Conv2dSame} for module in depthwise)
    assert list(backbone.state_dict()) == names
