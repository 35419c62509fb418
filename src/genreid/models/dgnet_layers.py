"""Layers of DG-Net's generator and discriminator: reflected borders, instance and layer norms, AdaIN, ASPP.

Spec dg-net F3-F5; paper: Zheng et al., "Joint Discriminative and Generative Learning for Person
Re-identification", CVPR 2019, tables 6-8. Written from these, without the authors' code, whose licence is
non-commercial. Shape letters: B = batch, C = channels, H, W = height and width of a map.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from genreid.models.layers import at_least_float32
from genreid.models.strided import strided_conv2d

SLOPE = 0.2
"""Negative slope of every leaky ReLU (paper, appendix A)."""
EPSILON = 1e-5
"""Added to the variance by instance norm and AdaIN, and to the standard deviation by the layer norm."""
_LEAST_DEVIATION = 1e-12
"""Keeps the gradient of the layer norm finite where a whole image is constant."""


def leaky(maps: Tensor) -> Tensor:
    """Apply DG-Net's leaky ReLU in place.

    Args:
        maps: Any shape; overwritten.
    """
    return F.leaky_relu(maps, SLOPE, inplace=True)


def reflect_pad(maps: Tensor, margin: int) -> Tensor:
    """Mirror a map at its outermost rows and columns.

    Args:
        maps: [B,C,H,W].
        margin: Rows and columns to add on each side. Where it reaches beyond the opposite border, as the wide
            dilations do on small images, the mirror image is mirrored again, as numpy's `reflect` does.

    Returns:
        [B,C,H+2*margin,W+2*margin].
    """
    if margin == 0:
        return maps
    if margin < min(maps.shape[2:]):
        with torch.autocast("cpu", enabled=False):  # which would turn the map to float32
            return F.pad(maps, (margin,) * 4, mode="reflect")
    for axis in (2, 3):
        maps = maps.index_select(axis, _mirrored_places(maps.shape[axis], margin, maps.device))
    return maps


def _mirrored_places(size: int, margin: int, device: torch.device) -> Tensor:
    """Return which of `size` entries stand at -margin .. size + margin - 1."""
    period = max(2 * (size - 1), 1)
    places = torch.arange(-margin, size + margin, device=device).remainder(period)
    return torch.minimum(places, period - places) if size > 1 else torch.zeros_like(places)


class ReflectConv2d(nn.Conv2d):
    """A convolution with bias and reflected borders: [B,C_in,H,W] -> [B,C_out,ceil(H/stride),ceil(W/stride)].

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: Height and width of the kernel, odd.
        stride: Stride.
        dilation: Distance of the kernel's taps.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, dilation=dilation)
        self.margin = dilation * (kernel - 1) // 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        """Convolve `input` [B,C_in,H,W]."""
        padded = reflect_pad(input, self.margin)
        return strided_conv2d(padded, self.weight, self.bias, self.stride, dilation=self.dilation)


class _Modulation(torch.autograd.Function):
    """Normalise a map, then scale and shift it: the common part of instance norm, AdaIN and layer norm.

    Everything is computed in float32 from the map as it is, of which alone a copy is kept; the result has the
    map's type and is channels last. Sums over pixels are taken first, per image and channel; what is summed
    further over channels (layer norm) is small. torch's own kernels are slower for channels last maps.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, maps: Tensor, scale: Tensor, shift: Tensor, whole: bool) -> Tensor:  # noqa: FBT001
        """Normalise [B,C,H,W]; scale and shift are [B,C] or [1,C]; whole: over C, H, W instead of H, W."""
        pixels = _pixels(maps)
        count = pixels.shape[1]
        mean = pixels.mean(1)
        if whole:
            mean = mean.mean(1, keepdim=True)
        centred = pixels - mean.unsqueeze(1)
        squares = centred.square().sum(1)
        if whole:
            count *= pixels.shape[2]
            deviation = (squares.sum(1, keepdim=True) / (count - 1)).sqrt()
            factor = 1 / (deviation + EPSILON)
            # d factor / d x = - factor^2 d deviation / d x, and d deviation / d x = x / ((n - 1) deviation)
            slope = factor.square() / ((count - 1) * deviation.clamp_min(_LEAST_DEVIATION))
        else:
            factor = (squares / count + EPSILON).rsqrt()
            slope = factor.pow(3) / count
        ctx.save_for_backward(maps, scale, mean, factor, slope)
        ctx.count, ctx.whole = count, whole  # type: ignore[attr-defined]
        result = torch.addcmul(_columns(shift), _as_map(centred, maps), _columns(factor * scale))
        return result.to(maps.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Return the gradients of the map, the scale and the shift."""
        maps, scale, mean, factor, slope = ctx.saved_tensors  # type: ignore[attr-defined]
        rising, centred = _pixels(gradient), _pixels(maps) - mean.unsqueeze(1)
        total, product = rising.sum(1), (rising * centred).sum(1)
        shared, projected = total * scale, product * scale
        if ctx.whole:  # type: ignore[attr-defined]
            shared, projected = shared.sum(1, keepdim=True), projected.sum(1, keepdim=True)
        constant = -factor * shared / ctx.count  # type: ignore[attr-defined]
        result = torch.addcmul(constant.unsqueeze(1), rising, (factor * scale).unsqueeze(1))
        result.addcmul_(centred, (-slope * projected).unsqueeze(1))
        of_scale, of_shift = (factor * product).sum_to_size(scale.shape), total.sum_to_size(scale.shape)
        return _as_map(result, maps).to(maps.dtype), of_scale, of_shift, None


def _pixels(maps: Tensor) -> Tensor:
    """Return [B,C,H,W] as [B,H*W,C], at least float32; a view where the map is float32 and channels last."""
    return at_least_float32(maps.permute(0, 2, 3, 1).flatten(1, 2))


def _as_map(pixels: Tensor, maps: Tensor) -> Tensor:
    """Show [B,H*W,C] as a channels last [B,C,H,W] of the size of `maps`."""
    batch, channels, height, width = maps.shape
    return pixels.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _columns(values: Tensor) -> Tensor:
    """Show [B,C] as [B,C,1,1]."""
    return values[:, :, None, None]


def modulate_instances(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Adaptive instance normalisation: scale * (x - mean) / sqrt(variance + 1e-5) + shift (spec dg-net F4).

    Mean and (biased) variance are those of each channel of each image, in float32 even under autocast.

    Args:
        maps: x, [B,C,H,W].
        scale: [B,C], taken as it is: no 1 is added.
        shift: [B,C].

    Returns:
        [B,C,H,W] in the type of `maps`.
    """
    result: Tensor = _Modulation.apply(maps, at_least_float32(scale), at_least_float32(shift), False)  # noqa: FBT003
    return result


def normalise_instances(maps: Tensor) -> Tensor:
    """Instance normalisation without scale and shift; statistics in float32 even under autocast.

    Args:
        maps: [B,C,H,W].

    Returns:
        [B,C,H,W] of zero mean and unit variance (+ 1e-5) by channel and image, in the type of `maps`.
    """
    ones = torch.ones(1, maps.shape[1], device=maps.device, dtype=at_least_float32(maps[:0]).dtype)
    return modulate_instances(maps, ones, torch.zeros_like(ones))


class ImageLayerNorm(nn.Module):
    """Layer norm over C, H and W of each image, as DG-Net's decoder has it (spec dg-net F4; paper silent).

    (x - mean) / (std + 1e-5) * gamma + beta with the unbiased standard deviation; statistics in float32 even
    under autocast.

    Args:
        channels: C.

    Attributes:
        gamma: [C], drawn from U(0, 1).
        beta: [C], 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise `maps` [B,C,H,W]; the type stays."""
        scale, shift = at_least_float32(self.gamma), at_least_float32(self.beta)
        result: Tensor = _Modulation.apply(maps, scale[None], shift[None], True)  # noqa: FBT003
        return result


class InstanceResBlock(nn.Module):
    """x + IN(conv(leaky(IN(conv(x))))), without an activation after the sum (spec dg-net F3).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ReflectConv2d(channels, channels)
        self.second = ReflectConv2d(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine `maps` [B,C,H,W]."""
        inner = leaky(normalise_instances(self.first(maps)))
        return maps + normalise_instances(self.second(inner))


class AdaptiveResBlock(nn.Module):
    """x + AdaIN(conv(leaky(AdaIN(conv(x))))), without an activation after the sum (spec dg-net F4).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ReflectConv2d(channels, channels)
        self.second = ReflectConv2d(channels, channels)

    def forward(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Refine `maps` [B,C,H,W]; `scale` and `shift` are [B,2C], one half for each AdaIN."""
        first_scale, second_scale = scale.chunk(2, dim=1)
        first_shift, second_shift = shift.chunk(2, dim=1)
        inner = leaky(modulate_instances(self.first(maps), first_scale, first_shift))
        return maps + modulate_instances(self.second(inner), second_scale, second_shift)


class PlainResBlock(nn.Module):
    """x + conv(leaky(conv(x))), the discriminator's block without normalisation (spec dg-net F5).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ReflectConv2d(channels, channels)
        self.second = ReflectConv2d(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine `maps` [B,C,H,W]."""
        refined: Tensor = self.second(leaky(self.first(maps)))
        return maps + refined


class DilatedPyramid(nn.Module):
    """Atrous spatial pyramid pooling and the 1x1 convolution behind it (paper table 6; spec dg-net F3).

    One branch is 1x1 and IN; three are 1x1, IN, leaky ReLU, then 3x3 with dilation 3, 6, 9 and IN. Their maps
    side by side go through 1x1 and IN.

    Args:
        in_channels: C; each branch has C / 2 channels, the result 2C.
    """

    DILATIONS = (3, 6, 9)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = in_channels // 2
        # the four 1x1 convolutions read the same map, and instance norm treats channels apart: one for all
        self.reduce = ReflectConv2d(in_channels, 4 * width, 1)
        self.dilated = nn.ModuleList(ReflectConv2d(width, width, dilation=step) for step in self.DILATIONS)
        self.fuse = ReflectConv2d(4 * width, 4 * width, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Bring `maps` [B,C,H,W] to [B,2C,H,W]."""
        plain, *reduced = normalise_instances(self.reduce(maps)).chunk(4, dim=1)
        branches = [plain]
        for conv, branch in zip(self.dilated, reduced, strict=True):
            branches.append(normalise_instances(conv(F.leaky_relu(branch, SLOPE))))
        return normalise_instances(self.fuse(torch.cat(branches, dim=1)))
