"""The networks of SPGAN: a generator each way, a patch discriminator for each domain, a Siamese network.

Paper: Deng, Zheng, Ye, Kang, Yang, Jiao, "Image-Image Domain Adaptation with Preserved Self-Similarity and
Domain-Dissimilarity for Person Re-identification", CVPR 2018; sizes as in its two releases (spec/baselines.md
B1). What they leave open is resolved in docs/methods/spgan.md. Images are [B, 3, H, W] in [-1, 1].
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.crgan import ConditionPair, PairRenderer, Rendering
from genreid.models.layers import SameConv2d, ScoreConv2d, at_least_float32, instance_norm

SIAMESE_BLOCKS = 4
"""Most blocks of the Siamese network: those of 256x256 images."""


@dataclass(frozen=True, kw_only=True)
class TranslatorConfig:
    """A generator, G or F: CycleGAN's residual network."""

    width: int = 64
    """Channels at full size; half the size has twice, a quarter four times as many (the paper: 64)."""
    blocks: int = 9
    """Residual blocks at a quarter of the size (the paper: 9)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width < 1 or self.blocks < 0:
            msg = f"spgan.generator: width >= 1 and blocks >= 0, got {self.width}, {self.blocks}"
            raise ValueError(msg)


class Translator(PairRenderer):
    """G or F: an image of one domain -> the same person as the other domain would show it (spec B1).

    As a renderer it looks at the source image alone: every target image gives the same rendering.

    Args:
        config: Width and depth.
        height: Image height in pixels, a multiple of 4.
        width: Image width in pixels, a multiple of 4.

    Raises:
        ValueError: If height or width is no multiple of 4, or the image is too small.
    """

    needs_masks: ClassVar[bool] = False
    is_trained: ClassVar[bool] = True

    def __init__(self, config: TranslatorConfig, height: int, width: int) -> None:
        super().__init__()
        if height % 4 or width % 4 or min(height, width) < 8 or max(height, width) < 16:
            msg = (
                f"SPGAN needs images of 16x8 pixels or more whose height and width are multiples of 4, got "
                f"{height}x{width}; set --image.height and --image.width"
            )
            raise ValueError(msg)
        base = config.width
        self.first = nn.Conv2d(3, base, 7, bias=False)
        self.down = nn.ModuleList(
            nn.Conv2d(i, 2 * i, 3, stride=2, padding=1, bias=False) for i in (base, 2 * base)
        )
        self.blocks = nn.ModuleList(ResidualBlock(4 * base) for _ in range(config.blocks))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(i, i // 2, 3, stride=2, padding=1, output_padding=1, bias=False)
            for i in (4 * base, 2 * base)
        )
        self.last = nn.Conv2d(base, 3, 7)
        _initialise(self)

    def forward(self, pair: ConditionPair) -> Rendering:
        """Translate each source image; the context mask is 1, since the whole image is made anew.

        Args:
            pair: Images, each [B, 3, H, W]; target and masks are not looked at.
        """
        image = self.translate(pair.source)
        return Rendering(image, image, torch.ones_like(image[:, :1]))

    def translate(self, images: Tensor) -> Tensor:
        """Return the images as the other domain would show them, [B, 3, H, W] in [-1, 1].

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = instance_norm(self.first(_mirrored(images, 3))).relu_()
        for down in self.down:
            maps = instance_norm(down(maps)).relu_()
        for block in self.blocks:
            maps = block(maps)
        for up in self.up:
            maps = instance_norm(up(maps)).relu_()
        return torch.tanh(at_least_float32(self.last(_mirrored(maps, 3))))


class ResidualBlock(nn.Module):
    """maps + IN(conv3(ReLU(IN(conv3(maps))))), with mirrored borders.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the shape of `maps`, [B, C, H, W]."""
        inner = instance_norm(self.first(_mirrored(maps, 1))).relu_()
        return maps + instance_norm(self.second(_mirrored(inner, 1)))


@dataclass(frozen=True, kw_only=True)
class PatchConfig:
    """A patch discriminator, D_S or D_T."""

    width: int = 64
    """Filters of the first layer; the others have 2, 4 and 8 times as many (the paper: 64)."""

    def __post_init__(self) -> None:
        """Check the range."""
        if self.width < 1:
            msg = f"spgan.discriminator: width >= 1, got {self.width}"
            raise ValueError(msg)


class PatchDiscriminator(nn.Module):
    """D_S or D_T: is a patch a real one of this domain? Five 4x4 convolutions (spec B1).

    Args:
        config: Width.
    """

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        widths = [config.width * factor for factor in (1, 2, 4, 8)]
        inputs, strides = [3, *widths[:-1]], [2, 2, 2, 1]
        self.hidden = nn.ModuleList(
            SameConv2d(i, o, stride=stride, bias=i == 3)
            for i, o, stride in zip(inputs, widths, strides, strict=True)
        )
        self.score = ScoreConv2d(widths[-1], padding=2)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, 1, ceil(H/8), ceil(W/8)] scores, of any size: 1 = real.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = F.leaky_relu(self.hidden[0](images), 0.2, inplace=True)
        for conv in self.hidden[1:]:
            maps = F.leaky_relu(instance_norm(conv(maps)), 0.2, inplace=True)
        return at_least_float32(self.score(maps))[:, :, 1:, 1:]  # SAME: a row more below than above


@dataclass(frozen=True, kw_only=True)
class SiameseConfig:
    """The Siamese network SiaNet."""

    width: int = 64
    """Filters of the first block; each further one has twice as many (the paper: 64)."""
    hidden: int = 128
    """Width of the layer before the embedding."""
    embedding: int = 64
    """Numbers of the embedding."""
    dropout: float = 0.5
    """Probability of dropping a number of the layer before."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.width, self.hidden, self.embedding) < 1 or not 0 <= self.dropout < 1:
            msg = f"spgan.siamese: widths >= 1 and dropout in [0, 1), got {self}"
            raise ValueError(msg)


def siamese_blocks(height: int, width: int) -> int:
    """Return how many blocks fit an image, each a quarter of the one before: 4 at 256x256, 3 at 256x128.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
    """
    blocks = 0
    while blocks < SIAMESE_BLOCKS and min(height, width) >= 3:
        height, width = (height + 1) // 2 // 2, (width + 1) // 2 // 2
        blocks += 1
    return blocks


class SiameseNetwork(nn.Module):
    """SiaNet: an image -> an embedding of length 1, in which an image and its translation lie near (spec B1).

    Args:
        config: Widths, dropout.
        height: Image height in pixels; with the width it sets the number of blocks.
        width: Image width in pixels.
    """

    def __init__(self, config: SiameseConfig, height: int, width: int) -> None:
        super().__init__()
        widths = [config.width * 2**number for number in range(siamese_blocks(height, width))]
        inputs = [3, *widths[:-1]]
        self.convs = nn.ModuleList(SameConv2d(i, o, stride=2) for i, o in zip(inputs, widths, strict=True))
        for _ in widths:
            height, width = (height + 1) // 2 // 2, (width + 1) // 2 // 2
        self.hidden = nn.Linear(widths[-1] * height * width, config.hidden, bias=False)
        self.embed = nn.Linear(config.hidden, config.embedding)
        self.dropout = config.dropout
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, E] embeddings of length 1; numbers are dropped in training mode only.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = images
        for conv in self.convs:
            maps = F.max_pool2d(F.leaky_relu(conv(maps), 0.2, inplace=True), 2)
        hidden = F.leaky_relu(self.hidden(maps.flatten(1)), 0.2)
        embedding = self.embed(F.dropout(hidden, self.dropout, self.training))
        return F.normalize(at_least_float32(embedding))


def _mirrored(maps: Tensor, pixels: int) -> Tensor:
    """Enlarge maps on all sides by their mirror image."""
    return F.pad(maps, (pixels,) * 4, mode="reflect")


def _initialise(network: nn.Module) -> None:
    """Draw all weights from N(0, 0.02^2) and clear all biases, as CycleGAN does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
