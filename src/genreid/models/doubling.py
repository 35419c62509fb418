"""Nearest doubling followed by a 5x5 convolution with reflected borders, as DG-Net's decoder enlarges maps.

Computed at the low resolution: two fifths of the products, exact at the borders. Shape letters: B = batch,
C = channels, h, w = height and width of the low-resolution map, O = output channels.
"""

from typing import cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from genreid.models.dgnet_layers import ReflectConv2d

_SUBPIXEL_MIN_SIZE = 4
"""Below so many rows or columns, folding the kernel gains nothing."""


class DoublingConv2d(ReflectConv2d):
    """Nearest doubling, then a 5x5 convolution with reflected borders: [B,C,h,w] -> [B,O,2h,2w].

    Both are one 3x3 convolution at the low resolution: a 5x5 window on the doubled map covers 3x3 pixels of
    the original, so for each of the four output phases the taps that fall on the same pixel are added. The
    same sums, 36 products for each four outputs instead of 100, and no large intermediate map. At the border
    the mirror image of the doubled map is not the doubled mirror image: repeating the edge of the original is
    right for all but the outermost row and column on each side, which are computed apart.

    Args:
        in_channels: C.
        out_channels: O.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 5)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Double `input` [B,C,h,w] and convolve it."""
        if min(input.shape[2:]) < _SUBPIXEL_MIN_SIZE:
            return super().forward(F.interpolate(input, scale_factor=2, mode="nearest"))
        weight, bias = self.weight, cast(Tensor, self.bias)
        padded, around_rows, around_columns = _Surroundings.apply(input)
        kernel = _fold(_fold(weight, dim=2), dim=4)  # [O,C,2,3,2,3]
        kernel = kernel.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)  # [2*2*O,C,3,3]
        phases = F.conv2d(padded, kernel, bias.repeat(4))
        rows = _outermost(around_rows, weight, bias)
        columns = _outermost(around_columns, weight.transpose(2, 3), bias)
        result: Tensor = _Assembled.apply(phases, rows, columns)
        return result


def _fold(kernel: Tensor, dim: int) -> Tensor:
    """Fold the five taps along `dim` into [2 phases, 3 low-resolution taps]."""
    tap = kernel.unbind(dim)
    even = torch.stack((tap[0] + tap[1], tap[2] + tap[3], tap[4]), dim)
    odd = torch.stack((tap[0], tap[1] + tap[2], tap[3] + tap[4]), dim)
    return torch.stack((even, odd), dim)


def _outermost(surroundings: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the first and the last row of the result, [B,O,2,2w], from what `_widened` gives.

    Around the first row the reflected doubled map shows the low rows 1, 0, 0, 0, 1; the last row sees the
    same from the other end.
    """
    kernel = torch.stack((weight[:, :, 1:4].sum(2), weight[:, :, 0] + weight[:, :, 4]), 2)
    return torch.cat(F.conv2d(surroundings, kernel, bias).chunk(2), dim=2)


class _Surroundings(torch.autograd.Function):
    """What the convolutions of a doubling read: the map in a frame, and the pixels around its border.

    One function, because slices of the map would each give a gradient of the whole map's size.
    """

    @staticmethod
    def forward(_ctx: FunctionCtx, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return [B,C,h,w] with its edge repeated, and `_widened` of it and of its transpose."""
        batch, channels, height, width = maps.shape
        padded = _empty_map(maps, (batch, channels, height + 2, width + 2))
        padded[:, :, 1:-1, 1:-1] = maps
        padded[:, :, :: height + 1, 1:-1] = maps[:, :, :: height - 1]
        padded[:, :, :, :: width + 1] = padded[:, :, :, 1 : width + 1 : width - 1]
        return padded, _widened(maps), _widened(maps.transpose(2, 3))

    @staticmethod
    @once_differentiable
    def backward(_ctx: FunctionCtx, padded: Tensor, around_rows: Tensor, around_columns: Tensor) -> Tensor:
        """Return the gradient of the map."""
        height, width = padded.shape[2] - 2, padded.shape[3] - 2
        maps = padded[:, :, 1:-1, 1:-1].clone(memory_format=torch.channels_last)
        maps[:, :, :: height - 1] += padded[:, :, :: height + 1, 1:-1]
        maps[:, :, :, :: width - 1] += padded[:, :, 1:-1, :: width + 1]
        maps[:, :, :: height - 1, :: width - 1] += padded[:, :, :: height + 1, :: width + 1]
        _add_widened(maps, around_rows)
        _add_widened(maps.transpose(2, 3), around_columns)
        return maps


def _widened(maps: Tensor) -> Tensor:
    """Return two rows at each end of [B,C,h,w], border first, doubled and reflected in w: [2B,C,2,2w+4]."""
    batch, channels, _, width = maps.shape
    wide = _empty_map(maps, (2 * batch, channels, 2, 2 * width + 4))
    for part, edge in zip(wide.chunk(2), (maps[:, :, :2], maps[:, :, -2:].flip(2)), strict=True):
        part[:, :, :, 2:-2:2] = edge
        part[:, :, :, 3:-2:2] = edge
        part[:, :, :, :2] = edge[:, :, :, :2].flip(3)
        part[:, :, :, -2:] = edge[:, :, :, -2:].flip(3)
    return wide


def _add_widened(maps: Tensor, wide: Tensor) -> None:
    """Add the gradient of what `_widened` gives to that of the map, in place."""
    gathered = wide[:, :, :, 2:-2:2] + wide[:, :, :, 3:-2:2]
    gathered[:, :, :, :2] += wide[:, :, :, :2].flip(3)
    gathered[:, :, :, -2:] += wide[:, :, :, -2:].flip(3)
    first, last = gathered.chunk(2)
    maps[:, :, :2] += first
    maps[:, :, -2:] += last.flip(2)


class _Assembled(torch.autograd.Function):
    """The doubled map from its four phases, with the outermost rows and columns in their place."""

    @staticmethod
    def forward(_ctx: FunctionCtx, phases: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Interleave [B,2*2*O,h,w]; rows [B,O,2,2w], columns transposed [B,O,2,2h]."""
        batch, channels, height, width = phases.shape
        maps = _empty_map(phases, (batch, channels // 4, 2 * height, 2 * width))
        _by_phase(maps).copy_(_apart(phases))
        maps[:, :, :: 2 * height - 1] = rows
        maps[:, :, :, :: 2 * width - 1] = columns.transpose(2, 3)
        return maps

    @staticmethod
    @once_differentiable
    def backward(_ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of phases, rows and columns; the corners belong to the columns."""
        batch, channels, height, width = gradient.shape
        phases = _empty_map(gradient, (batch, 4 * channels, height // 2, width // 2))
        apart = _apart(phases)
        apart.copy_(_by_phase(gradient))
        apart[:, 0, :, 0] = 0
        apart[:, -1, :, 1] = 0
        apart[:, :, 0, :, 0] = 0
        apart[:, :, -1, :, 1] = 0
        rows = gradient[:, :, :: height - 1].clone()
        rows[:, :, :, :: width - 1] = 0
        columns = gradient[:, :, :, :: width - 1].transpose(2, 3).contiguous()
        return phases, rows, columns


def _apart(phases: Tensor) -> Tensor:
    """Show a channels last [B,2*2*O,h,w] as [B,h,w,2,2,O]."""
    batch, channels, height, width = phases.shape
    pixels = phases.permute(0, 2, 3, 1).contiguous()  # a view: convolutions of channels last maps give such
    return pixels.view(batch, height, width, 2, 2, channels // 4)


def _by_phase(maps: Tensor) -> Tensor:
    """Show a channels last [B,O,2h,2w] as [B,h,w,2,2,O]."""
    batch, channels, height, width = maps.shape
    pixels = maps.permute(0, 2, 3, 1).contiguous()
    return pixels.view(batch, height // 2, 2, width // 2, 2, channels).transpose(2, 3)


def _empty_map(like: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Return an unfilled channels last map of the type of another one."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)
