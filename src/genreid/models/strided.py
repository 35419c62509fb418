"""1x1 convolutions with a stride, which read every other pixel only: those pixels are taken out first.

oneDNN (3.13.3, in torch 2.15) writes past the end of a buffer in the backward pass of such a convolution on one CPU
thread, channels last, if it has fewer input channels than a vector register holds numbers (8 with AVX2, 16 with
AVX-512): the heap is corrupted, and the process dies some time later. Slicing first gives the same sums.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

SAFE_CHANNELS = 16
"""Input channels from which on the backend's own stride is safe, whatever the CPU."""


class PointConv2d(nn.Conv2d):
    """A 1x1 convolution without padding: [B, C_in, H, W] -> [B, C_out, ceil(H / stride), ceil(W / stride)]."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B, C_in, H, W]."""
        if input.device.type != "cpu" or self.in_channels >= SAFE_CHANNELS:
            return super().forward(input)
        rows, columns = self.stride
        return F.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias, groups=self.groups)


def slice_before_strides(network: nn.Module) -> None:
    """Exchange the convolutions of this kind in place; weights, names and results stay.

    Args:
        network: Any network, such as a timm backbone.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and _is_exposed(module):
            network.set_submodule(name, _exchanged(module))


def _is_exposed(conv: nn.Conv2d) -> bool:
    """Tell whether a convolution can take the backend's faulty path."""
    padded = conv.padding not in {(0, 0), "valid"}
    pointwise = conv.kernel_size == (1, 1) and max(conv.stride) > 1 and conv.groups == 1
    return pointwise and not padded and conv.in_channels < SAFE_CHANNELS


def _exchanged(conv: nn.Conv2d) -> PointConv2d:
    """Return the form that slices, with the very same parameters; no random number is drawn."""
    stride, biased = cast(tuple[int, int], conv.stride), conv.bias is not None
    new = PointConv2d(conv.in_channels, conv.out_channels, 1, stride=stride, bias=biased, device="meta")
    new.weight, new.bias = conv.weight, conv.bias
    return new.train(conv.training)
