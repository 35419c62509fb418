"""Convolutions with a stride, kept from two faults of the CPU backend oneDNN (3.13.3, in torch 2.15).

A 1x1 convolution: its backward pass on one thread, channels last, writes past the end of a buffer if it has
fewer input channels than a vector register holds numbers (8 with AVX2, 16 with AVX-512): the heap is
corrupted, and the process dies some time later. Such a convolution reads every other pixel only, so those are
taken out first: the same sums.

A larger one, in bfloat16, whose output is one pixel wide: on some CPUs with bfloat16 units its output, or the
gradient of its weights, is whatever stood in memory, in silence. Such maps are the smallest there are, so
they are computed in float32.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SAFE_CHANNELS = 16
"""Input channels from which on the backend's own stride is safe, whatever the CPU."""


class PointConv2d(nn.Conv2d):
    """A 1x1 convolution without padding: [B,C_in,H,W] -> [B,C_out,ceil(H/stride),ceil(W/stride)]."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B, C_in, H, W]."""
        if input.device.type != "cpu" or self.in_channels >= SAFE_CHANNELS:
            return super().forward(input)
        rows, columns = self.stride
        return F.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias, groups=self.groups)


class StridedConv2d(nn.Conv2d):
    """A convolution with a stride and borders of zeros: `strided_conv2d` with weights of its own."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B, C_in, H, W]."""
        padding = cast(tuple[int, int], self.padding)
        return strided_conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation)


def strided_conv2d(
    input: Tensor,  # noqa: A002  (the name of torch)
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, ...] = (1, 1),
) -> Tensor:
    """Convolve as `torch.nn.functional.conv2d` does, in float32 where bfloat16 comes out wrong.

    Args:
        input: [B, C_in, H, W].
        weight: [C_out, C_in, K, L].
        bias: [C_out].
        stride: Down and to the right.
        padding: Zeros above and below, left and right.
        dilation: Distance of the kernel's taps, down and to the right.
    """
    reach = dilation[1] * (weight.shape[3] - 1)
    width = (input.shape[3] + 2 * padding[1] - reach - 1) // stride[1] + 1
    exposed = width == 1 and max(stride) > 1 and weight.shape[2:] != (1, 1)
    if not exposed or input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.conv2d(input, weight, bias, stride, padding, dilation)
    with torch.autocast("cpu", enabled=False):
        made = F.conv2d(input.float(), weight, bias, stride, padding, dilation)
    return made.to(torch.get_autocast_dtype("cpu"))


def mend_strides(network: nn.Module) -> None:
    """Exchange the convolutions that can take a faulty path, in place; weights, names and results stay.

    Args:
        network: Any network, such as a timm backbone.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and (mended := _mended(module)) is not None:
            network.set_submodule(name, _exchanged(module, mended))


def _mended(conv: nn.Conv2d) -> type[PointConv2d | StridedConv2d] | None:
    """Return what has to stand in a convolution's place; None: it can stay."""
    other = conv.groups > 1 or isinstance(conv.padding, str) or type(conv) is not nn.Conv2d
    if other or max(conv.stride) == 1:
        return None
    if conv.kernel_size == (1, 1):
        exposed = conv.padding == (0, 0) and conv.in_channels < SAFE_CHANNELS
        return PointConv2d if exposed else None
    return StridedConv2d if conv.padding_mode == "zeros" else None


def _exchanged(conv: nn.Conv2d, kind: type[PointConv2d | StridedConv2d]) -> nn.Conv2d:
    """Return the mended form, with the very same parameters; no random number is drawn."""
    kernel, stride, padding = (
        cast(tuple[int, int], sizes) for sizes in (conv.kernel_size, conv.stride, conv.padding)
    )
    biased = conv.bias is not None
    new = kind(conv.in_channels, conv.out_channels, kernel, stride, padding, bias=biased, device="meta")
    new.dilation = conv.dilation
    new.weight, new.bias = conv.weight, conv.bias
    return new.train(conv.training)
