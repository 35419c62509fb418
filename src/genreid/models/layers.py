"""Convolutions with TensorFlow's SAME padding, and the up- and down-sampling residual blocks of CR-GAN.

Shape letters: B = batch, C = channels, H, W = height and width of a map.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.strided import PointConv2d, strided_conv2d

KERNEL = 4
"""Every spatial convolution of CR-GAN's generator and discriminators is 4x4 (tables 8-10)."""

_SUBPIXEL_MIN_PIXELS = 32
"""Below so many input pixels, folding the kernel costs more than it saves (measured on a CPU, batch 32)."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after one axis such that the output has `ceil(size / stride)` entries.

    The odd pixel goes after, as in TensorFlow's SAME (spec/cr-gan.md E2).

    Args:
        size: Length of the axis, in pixels.
        kernel: Kernel length.
        stride: Stride.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution to [B, C_out, ceil(H / stride), ceil(W / stride)], padded as TensorFlow does.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: Height and width of the kernel.
        stride: Stride.
        bias: Whether a bias is added.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int = KERNEL, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B, C_in, H, W]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        top, bottom = same_padding(input.shape[2], kernel, stride)
        left, right = same_padding(input.shape[3], kernel, stride)
        if top == bottom and left == right:  # the backend pads by itself, without a copy
            return strided_conv2d(input, self.weight, self.bias, (stride, stride), (top, left))
        padded = F.pad(input, (left, right, top, bottom))
        return strided_conv2d(padded, self.weight, self.bias, (stride, stride))


class UpsampledConv2d(SameConv2d):
    """Nearest up-sampling to a given size, then a 4x4 SAME convolution with stride 1.

    For an exact doubling the two are one 3x3 convolution at the low resolution: each of the four output
    phases sees at most 3x3 input pixels, so the 4x4 kernel is folded (taps that fall on the same input pixel
    are added) into four 3x3 kernels. The same sums, 36 products for each four outputs instead of 64, and no
    large intermediate map.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        bias: Whether a bias is added.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, bias=bias)

    def forward(self, input: Tensor, size: torch.Size | None = None) -> Tensor:  # noqa: A002  (the name of torch)
        """Up-sample [B, C_in, h, w] to `size` (default: the double), then convolve.

        Args:
            input: The map to enlarge.
            size: Height and width of the output.
        """
        height, width = input.shape[2:]
        size = torch.Size((2 * height, 2 * width)) if size is None else size
        doubled = tuple(size) == (2 * height, 2 * width)
        if doubled and height * width >= _SUBPIXEL_MIN_PIXELS:
            return self._subpixel(input)
        return super().forward(F.interpolate(input, size=size, mode="nearest"))

    def _subpixel(self, low: Tensor) -> Tensor:
        """Convolve at the low resolution with the folded kernel, then interleave the four phases."""
        kernel = _fold(_fold(self.weight, dim=2), dim=4)  # [C_out, C_in, 2, 3, 2, 3]
        kernel = kernel.permute(0, 2, 4, 1, 3, 5).reshape(-1, self.in_channels, 3, 3)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(low, kernel, bias, padding=1), 2)


def _fold(kernel: Tensor, dim: int) -> Tensor:
    """Fold the four taps along `dim` into [2 phases, 3 low-resolution taps]."""
    tap = kernel.unbind(dim)
    even = torch.stack((tap[0], tap[1] + tap[2], tap[3]), dim)
    odd = torch.stack((torch.zeros_like(tap[0]), tap[0] + tap[1], tap[2] + tap[3]), dim)
    return torch.stack((even, odd), dim)


class InstanceNorm(nn.Module):
    """Instance normalisation with scale and shift, over [B, C, H, W] (spec/cr-gan.md E4).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise each of `maps` of each image to zero mean and unit variance, then scale and shift."""
        return instance_norm(maps, self.weight, self.bias)


def instance_norm(maps: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Normalise each map of each image to zero mean and unit variance, then scale and shift if asked to.

    torch's own (2.15) gives a wrong gradient, in silence, for a single image whose gradient comes channels
    last; of a single image it is batch norm, whose gradient is right.

    Args:
        maps: [B, C, H, W].
        weight: [C], the scale.
        bias: [C], the shift.
    """
    if maps.shape[0] == 1:  # not len(maps), which an exporter takes for a constant
        return F.batch_norm(maps, None, None, weight, bias, training=True)
    return F.instance_norm(maps, weight=weight, bias=bias)


class ScoreConv2d(nn.Conv2d):
    """A convolution to one channel, as a patch discriminator ends in: [B, C, H, W] -> [B, 1, H', W'].

    Convolution backends are slow for a single filter. The same sums: a 1x1 convolution gives every pixel its
    product with each tap, and `fold` adds those at their places.

    Args:
        in_channels: C.
        padding: Zeros added on each side.
    """

    def __init__(self, in_channels: int, *, padding: int) -> None:
        super().__init__(in_channels, 1, KERNEL)
        self.crop = KERNEL - 1 - padding

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B, C, H, W] with zero padding."""
        height, width = input.shape[2:]
        # the pixel that tap (i, j) reads adds to the output at (-i, -j): the taps are laid out back to front
        taps = self.weight[0].flip(1, 2).permute(1, 2, 0).reshape(KERNEL * KERNEL, -1, 1, 1)
        products = at_least_float32(F.conv2d(input, taps).flatten(2))
        full = F.fold(products, (height + KERNEL - 1, width + KERNEL - 1), KERNEL)
        crop = self.crop
        scores = full[:, :, crop : full.shape[2] - crop, crop : full.shape[3] - crop]
        return scores if self.bias is None else scores + self.bias


class DownBlock(nn.Module):
    """Residual block that halves the map: figure 8, left, as resolved in spec/cr-gan.md E3.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        convs: Convolutions in the main path, 1 or 2.
        slope: Slope of the leaky ReLU.
    """

    def __init__(self, in_channels: int, out_channels: int, convs: int, slope: float) -> None:
        super().__init__()
        self.first = SameConv2d(in_channels, out_channels, stride=2)
        self.second = SameConv2d(out_channels, out_channels) if convs == 2 else None
        self.shortcut = PointConv2d(in_channels, out_channels, 1, stride=2)
        self.slope = slope

    def forward(self, maps: Tensor) -> Tensor:
        """Bring `maps` [B, C_in, H, W] to [B, C_out, ceil(H/2), ceil(W/2)]."""
        main = self.first(maps)
        if self.second is not None:
            main = self.second(F.leaky_relu(main, self.slope, inplace=True))
        return F.leaky_relu(main + self.shortcut(maps), self.slope, inplace=True)


class UpBlock(nn.Module):
    """Residual block that enlarges the map to a given size: figure 8, right, as in spec/cr-gan.md E3.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        convs: Convolutions in the main path, 1 or 2.
    """

    def __init__(self, in_channels: int, out_channels: int, convs: int) -> None:
        super().__init__()
        self.first = UpsampledConv2d(in_channels, out_channels, bias=False)  # the norm would take a bias away
        self.first_norm = InstanceNorm(out_channels)
        self.second = SameConv2d(out_channels, out_channels, bias=False) if convs == 2 else None
        self.second_norm = InstanceNorm(out_channels) if convs == 2 else None
        self.shortcut = SameConv2d(in_channels, out_channels, kernel=1)

    def forward(self, maps: Tensor, size: torch.Size) -> Tensor:
        """Bring `maps` [B, C_in, h, w] to the height and width `size`: [B, C_out, *size]."""
        main = self.first_norm(self.first(maps, size))
        if self.second is not None and self.second_norm is not None:
            main = self.second_norm(self.second(F.relu(main, inplace=True)))
        # a 1x1 convolution commutes with nearest up-sampling: done first, it costs a quarter
        shortcut = F.interpolate(self.shortcut(maps), size=size, mode="nearest")
        return F.relu(main + shortcut, inplace=True)


def at_least_float32(values: Tensor) -> Tensor:
    """Return bfloat16 values of autocast as float32, and float32 or float64 values as they are.

    Args:
        values: Any tensor of floating-point numbers.
    """
    return values.float() if values.dtype in {torch.bfloat16, torch.float16} else values


def initialise(network: nn.Module, std: float = 0.02) -> None:
    """Draw every convolution's weights from N(0, std^2) and clear its bias (spec/cr-gan.md E5).

    Args:
        network: The network to initialise in place.
        std: Standard deviation of the weights.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
