"""The networks of DG-Net: appearance encoder E_a, structure encoder E_s, decoder G, discriminator D.

Paper: Zheng, Yang, Yu, Zheng, Yang, Kautz, "Joint Discriminative and Generative Learning for Person
Re-identification", CVPR 2019, tables 6-8. What it leaves open is spec dg-net F2-F5; the authors' code, which
is non-commercial, was not used. All networks live in ImageNet-normalised space and none converts inside
itself: `to_normalised` leads in, `from_normalised` out. Every width follows from the configurations' `width`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.appearance import (
    STRIPES,
    Appearance,
    AppearanceConfig,
    AppearanceEncoder,
    HeadOutput,
    build_appearance_encoder,
    combine_halves,
    from_normalised,
    to_normalised,
)
from genreid.models.dgnet_layers import (
    SLOPE,
    AdaptiveResBlock,
    DilatedPyramid,
    ImageLayerNorm,
    InstanceResBlock,
    PlainResBlock,
    ReflectConv2d,
    leaky,
    normalise_instances,
)
from genreid.models.doubling import DoublingConv2d
from genreid.models.layers import at_least_float32, initialise

__all__ = [
    "Appearance",
    "AppearanceConfig",
    "AppearanceEncoder",
    "Decoder",
    "DecoderConfig",
    "DgnetNetworks",
    "HeadOutput",
    "ScaleDiscriminator",
    "ScaleDiscriminatorConfig",
    "StructureConfig",
    "StructureEncoder",
    "build_appearance_encoder",
    "combine_halves",
    "from_normalised",
    "to_normalised",
]

RESIDUAL_BLOCKS = 4
"""Residual blocks of E_s, of G and of each scale of D (tables 6-8)."""


def _initialise_kaiming(network: nn.Module) -> None:
    """Draw weights from N(0, 2 / fan_in) and clear biases (spec dg-net F4)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True, kw_only=True)
class StructureConfig:
    """The structure encoder E_s (table 6)."""

    width: int = 16
    """Filters of the first layer; all others follow: 2, 2, 4, 4 and 8 times as many (the paper: 16)."""
    aspp: bool = True
    """Atrous spatial pyramid pooling, optional in the paper and always on in the published code; False: one
    1x1 convolution instead."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width < 1:
            msg = f"structure: got width {self.width}, expected at least 1 (the paper: 16)"
            raise ValueError(msg)


class StructureEncoder(nn.Module):
    """E_s: image -> structure code, a map of a quarter of its height and width (table 6, spec dg-net F3).

    Args:
        config: Width, pyramid.

    Attributes:
        out_channels: Channels of the structure code: 8 * width.
    """

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        width = config.width
        self.out_channels = 8 * width
        self.stem = nn.ModuleList(
            (
                ReflectConv2d(1, width, stride=2),
                ReflectConv2d(width, 2 * width),
                ReflectConv2d(2 * width, 2 * width),
                ReflectConv2d(2 * width, 4 * width, stride=2),
            )
        )
        self.blocks = nn.Sequential(*(InstanceResBlock(4 * width) for _ in range(RESIDUAL_BLOCKS)))
        self.pyramid = DilatedPyramid(4 * width) if config.aspp else None
        self.widen = None if config.aspp else ReflectConv2d(4 * width, 8 * width, 1)
        _initialise_kaiming(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the structure code.

        Args:
            images: [B,3,H,W], ImageNet-normalised; E_s sees the mean of the three channels.

        Returns:
            [B,8*width,H/4,W/4].

        Raises:
            ValueError: If height or width is no multiple of 8.
        """
        _check_size(images)
        maps = images.mean(dim=1, keepdim=True)
        for conv in self.stem:
            maps = leaky(normalise_instances(conv(maps)))
        maps = self.blocks(maps)
        if self.pyramid is not None:
            return self.pyramid(maps)  # type: ignore[no-any-return]
        assert self.widen is not None
        return normalise_instances(self.widen(maps))


def _check_size(images: Tensor) -> None:
    """Refuse images whose structure code does not lie evenly on them."""
    for name, size in zip(("height", "width"), images.shape[2:], strict=True):
        if size % 8:
            height, width = images.shape[2:]
            msg = (
                f"got images of {height}x{width}, expected a {name} that is a multiple of 8;"
                f" set --image.{name} {max(8, round(size / 8) * 8)}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The decoder G (table 7); the widths of its maps follow from the structure code."""

    mlp_width: int = 512
    """Hidden width of the eight perceptrons that turn the appearance code into AdaIN's scale and shift."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.mlp_width < 1:
            msg = f"decoder: got mlp_width {self.mlp_width}, expected at least 1 (published: 512)"
            raise ValueError(msg)


class Decoder(nn.Module):
    """G: structure code and appearance code -> image (table 7, spec dg-net F4).

    Residual block i reads the i-th quarter of the appearance code.

    Args:
        config: Width of the perceptrons.
        structure_channels: Channels S of the structure code, a multiple of 4.
        appearance_channels: C, a quarter of the appearance code.
    """

    def __init__(self, config: DecoderConfig, structure_channels: int, appearance_channels: int) -> None:
        super().__init__()
        wide, middle, narrow = structure_channels, structure_channels // 2, structure_channels // 4
        self.blocks = nn.ModuleList(AdaptiveResBlock(wide) for _ in range(RESIDUAL_BLOCKS))
        self.scales = nn.ModuleList(
            _perceptron(appearance_channels, config.mlp_width, 2 * wide) for _ in range(RESIDUAL_BLOCKS)
        )
        self.shifts = nn.ModuleList(
            _perceptron(appearance_channels, config.mlp_width, 2 * wide) for _ in range(RESIDUAL_BLOCKS)
        )
        self.enlarge = nn.ModuleList((DoublingConv2d(wide, middle), DoublingConv2d(middle, narrow)))
        self.norms = nn.ModuleList((ImageLayerNorm(middle), ImageLayerNorm(narrow)))
        self.refine = nn.ModuleList((ReflectConv2d(narrow, narrow), ReflectConv2d(narrow, narrow)))
        self.paint = ReflectConv2d(narrow, 3, 1)
        _initialise_kaiming(self)

    def forward(self, structure: Tensor, appearance: Tensor) -> Tensor:
        """Return an image of someone with this appearance in this structure.

        Args:
            structure: s, [B,S,H/4,W/4].
            appearance: a, [B,4C].

        Returns:
            [B,3,H,W], ImageNet-normalised and unbounded, at least float32.
        """
        maps = structure
        quarters = appearance.chunk(STRIPES, dim=1)
        for block, scale, shift, quarter in zip(self.blocks, self.scales, self.shifts, quarters, strict=True):
            maps = block(maps, scale(quarter), shift(quarter))
        for conv, norm in zip(self.enlarge, self.norms, strict=True):
            maps = leaky(norm(conv(maps)))
        for conv in self.refine:
            maps = leaky(conv(maps))
        return at_least_float32(self.paint(maps))


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return three linear layers with leaky ReLUs between them, without norm."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Linear(hidden, outputs),
    )


@dataclass(frozen=True, kw_only=True)
class ScaleDiscriminatorConfig:
    """The multi-scale discriminator D (table 8)."""

    width: int = 32
    """Filters of the first four layers; the others have twice as many (the paper: 32)."""
    scales: int = 3
    """Number of scales, each half as high and wide as the one before, each with weights of its own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width < 1 or self.scales < 1:
            msg = f"discriminator: width >= 1 and scales >= 1, got {self.width}, {self.scales}"
            raise ValueError(msg)


class ScaleDiscriminator(nn.Module):
    """D: is each patch of an image real, seen at several scales (table 8, spec dg-net F5)?

    Args:
        config: Width, number of scales.
    """

    def __init__(self, config: ScaleDiscriminatorConfig) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_PatchJudge(config.width) for _ in range(config.scales))
        initialise(self, std=0.02)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return a score map [B,1,h,w] per scale, largest first: 64x32, 32x16, 16x8 for 256x128.

        Args:
            images: [B,3,H,W], ImageNet-normalised.
        """
        scores = []
        for number, judge in enumerate(self.judges):
            if number > 0:
                images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            scores.append(at_least_float32(judge(images)))
        return tuple(scores)


class _PatchJudge(nn.Module):
    """The discriminator of one scale: seven layers without normalisation (table 8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            (
                ReflectConv2d(3, width, 1),
                ReflectConv2d(width, width),
                ReflectConv2d(width, width, stride=2),
                ReflectConv2d(width, width),
                ReflectConv2d(width, 2 * width, stride=2),
            )
        )
        self.blocks = nn.Sequential(*(PlainResBlock(2 * width) for _ in range(RESIDUAL_BLOCKS)))
        self.score = ReflectConv2d(2 * width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B,1,H/4,W/4] scores of [B,3,H,W]."""
        maps = images
        for conv in self.stem:
            maps = leaky(conv(maps))
        return self.score(self.blocks(maps))  # type: ignore[no-any-return]


class DgnetNetworks(NamedTuple):
    """The networks that generate.

    Attributes:
        appearance: E_a.
        structure: E_s.
        decoder: G.
    """

    appearance: AppearanceEncoder
    structure: StructureEncoder
    decoder: Decoder
