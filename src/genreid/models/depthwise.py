"""Depthwise convolutions in float32 on a CPU, even under bfloat16 autocast.

The CPU backend has no fast backward pass for them in bfloat16: with a stride it takes up to 70 times as long
as in float32, without one two to three times. For an EfficientNet-Lite that was most of a training step.
"""

from typing import cast

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn


class _Float32Conv2d(nn.Conv2d):
    """A convolution that leaves autocast on a CPU."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
            return super().forward(input)  # the forward pass alone is fast in bfloat16
        dtype = torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(dtype)


class _Float32Conv2dSame(_Float32Conv2d, Conv2dSame):
    """The same for timm's convolution with TensorFlow's SAME padding."""


def use_float32_for_depthwise(network: nn.Module) -> None:
    """Exchange the depthwise convolutions in place; weights, names and results stay.

    Args:
        network: Any network, such as a timm backbone.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            exchanged = _exchanged(module)
            network.set_submodule(name, exchanged)


def _exchanged(conv: nn.Conv2d) -> nn.Conv2d:
    """Return the float32 form of a convolution, with the very same parameters."""
    kind = _Float32Conv2dSame if isinstance(conv, Conv2dSame) else _Float32Conv2d
    new = kind(
        conv.in_channels,
        conv.out_channels,
        _pair(conv.kernel_size),
        stride=_pair(conv.stride),
        padding=conv.padding if isinstance(conv.padding, str) else _pair(conv.padding),
        dilation=_pair(conv.dilation),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    new.weight, new.bias = conv.weight, conv.bias
    return new


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width, with their type."""
    return cast(tuple[int, int], values)
