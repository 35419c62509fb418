"""The networks of CR-GAN: dual conditional generator, domain discriminator, camera discriminator.

Paper: Chen, Zhu, Gong, "Instance-Guided Context Rendering for Cross-Domain Person Re-Identification", ICCV
2019, tables 8-10 of its supplementary material. No code of the authors is public; what the paper leaves open
is resolved in docs/methods/crgan.md. Images are [B, 3, H, W] in [-1, 1], masks [B, 1, H, W] with 1 = person.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.compositing import composite, move_colours, paint_over
from genreid.models.layers import (
    DownBlock,
    InstanceNorm,
    SameConv2d,
    ScoreConv2d,
    UpBlock,
    UpsampledConv2d,
    at_least_float32,
    initialise,
)
from genreid.models.strided import StridedConv2d

ENCODER_WIDTHS = (2, 4, 8, 8, 8, 8)
"""Channels of the U-Net's levels over the pathways' width 64 (table 8: 128, 256, 512, 512, 512, 512)."""


class ConditionPair(NamedTuple):
    """What a renderer sees: source people and the target instances that guide their new context.

    Attributes:
        source: X_S, [B, 3, H, W] in [-1, 1].
        target: X_T, [B, 3, H, W] in [-1, 1], not masked.
        source_mask: M_S, [B, 1, H, W], 1 = person.
        target_mask: M_T, [B, 1, H, W], 1 = person.
    """

    source: Tensor
    target: Tensor
    source_mask: Tensor
    target_mask: Tensor


class Rendering(NamedTuple):
    """What a renderer gives.

    Attributes:
        image: X_G = X_R * X_C + X_S * (1 - X_C) (equation 3), [B, 3, H, W] in [-1, 1].
        residual: X_R, a whole image, [B, 3, H, W] in [-1, 1].
        context_mask: X_C, [B, 1, H, W] in [0, 1]: 1 where the context is replaced.
    """

    image: Tensor
    residual: Tensor
    context_mask: Tensor


class PairRenderer(nn.Module):
    """What makes stage III's images: it is called with a pair, and says as a class what it needs."""

    needs_masks: ClassVar[bool]
    """Whether it looks at person masks; if not, those of a pair may be empty."""
    is_trained: ClassVar[bool]
    """Whether stage II trains it, guided by stage I's networks."""

    def __call__(self, pair: ConditionPair) -> Rendering:
        """Render a batch of pairs.

        Args:
            pair: Images and masks, [B, ., H, W].
        """
        rendering: Rendering = super().__call__(pair)
        return rendering


def compose(source: Tensor, residual: Tensor, context_mask: Tensor) -> Rendering:
    """Blend the residual map into the source image (equation 3).

    Args:
        source: X_S, [B, 3, H, W] in [-1, 1].
        residual: X_R, [B, 3, H, W] in [-1, 1].
        context_mask: X_C, [B, 1, H, W] in [0, 1].
    """
    return Rendering(torch.lerp(source, residual, context_mask), residual, context_mask)


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The dual conditional image generator (table 8)."""

    width: int = 64
    """Channels of each pathway; all others follow (the paper: 64)."""
    res_convs: Literal[1, 2] = 2
    """Convolutions in the main path of a residual block (figure 8 cannot be read: 2 is our reading)."""
    dual_condition: bool = True
    """False: the generator sees the source image alone (the paper's ablation `w/o dual cond`)."""
    leaky_slope: float = 0.2
    """Slope of the leaky ReLU of pathways and encoder (not stated in the paper)."""
    prior: Literal["none", "composite"] = "none"
    """What G starts from: noise, as in the paper, or the composition of the person in the target's colours
    and the target's background (spec D3), which it then only changes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.prior == "composite" and not self.dual_condition:
            msg = (
                "generator: prior composite shows G the target, which dual_condition false hides "
                "(--renderer crgan_single does that); set --generator.prior none"
            )
            raise ValueError(msg)
        if self.width < 1 or not 0 <= self.leaky_slope < 1:
            msg = f"generator: width >= 1 and leaky_slope in [0, 1), got {self.width}, {self.leaky_slope}"
            raise ValueError(msg)


def encoder_levels(height: int, width: int) -> int:
    """Return how many encoder blocks fit an image: the deepest skip keeps at least two pixels (spec E2).

    Args:
        height: Image height in pixels.
        width: Image width in pixels.

    Raises:
        ValueError: If not even one block fits.
    """
    levels = 0
    height, width = math.ceil(height / 2), math.ceil(width / 2)
    while levels < len(ENCODER_WIDTHS):
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        if height * width < 2:
            break
        levels += 1
    if levels == 0:
        msg = "the generator needs images of at least 8x4 pixels; set --image.height and --image.width"
        raise ValueError(msg)
    return levels


class Generator(PairRenderer):
    """G: source person + target instance -> the person in the target's context (table 8, equations 2, 3).

    Args:
        config: Widths and readings of table 8.
        height: Image height in pixels; with the width it sets the number of encoder blocks.
        width: Image width in pixels.
    """

    needs_masks: ClassVar[bool] = True
    is_trained: ClassVar[bool] = True

    def __init__(self, config: GeneratorConfig, height: int, width: int) -> None:
        super().__init__()
        base = config.width
        channels = [base * factor for factor in ENCODER_WIDTHS[: encoder_levels(height, width)]]
        self.slope = config.leaky_slope
        self.prior = config.prior
        people = 3 if config.prior == "none" else 4  # with the prior its mask, too: where its edges are
        # without dual condition the identity pathway takes the whole width: the U-Net is the same (spec E22)
        self.identity_path = SameConv2d(people, base if config.dual_condition else 2 * base, stride=2)
        self.context_path = SameConv2d(3, base, stride=2) if config.dual_condition else None
        inputs = [2 * base, *channels[:-1]]
        self.encoder = nn.ModuleList(
            DownBlock(i, o, config.res_convs, config.leaky_slope)
            for i, o in zip(inputs, channels, strict=True)
        )
        self.bottom = SameConv2d(channels[-1], channels[-1], stride=2)
        inputs = [channels[-1], *(2 * c for c in reversed(channels[1:]))]
        self.decoder = nn.ModuleList(
            UpBlock(i, o, config.res_convs) for i, o in zip(inputs, reversed(channels), strict=True)
        )
        self.last = UpsampledConv2d(2 * channels[0], 2 * base, bias=False)
        self.last_norm = InstanceNorm(2 * base)
        self.heads = UpsampledConv2d(2 * base, 4)  # residual map (3) and context mask (1) side by side
        initialise(self)
        if config.prior == "composite":  # no change yet: the first rendering is the composition
            nn.init.zeros_(self.heads.weight)

    def conditions(self, pair: ConditionPair) -> ConditionPair:
        """Return what a rendering begins with: the pair as it is, or its parts of the composition (spec D3).

        Args:
            pair: Images and masks, each [B, ., H, W].

        Returns:
            With the prior: X_S in the colours of X_T, and X_T whose person is painted over; masks stay.
        """
        if self.prior == "none":
            return pair
        background = paint_over(pair.target, pair.target_mask)
        return pair._replace(source=move_colours(pair.source, pair.target), target=background)

    def forward(self, pair: ConditionPair) -> Rendering:
        """Render each source person into the context of the target image at the same place of the batch.

        Args:
            pair: Images and masks, each [B, ., H, W].
        """
        pair = self.conditions(pair)
        maps = F.leaky_relu(self._dual_path(pair), self.slope, inplace=True)
        half = maps.shape[2:]
        skips: list[Tensor] = []
        for down in self.encoder:
            maps = down(maps)
            skips.append(maps)
        maps = self.bottom(maps)
        for number, up in enumerate(self.decoder):
            skip = skips[-1 - number]
            maps = torch.cat((up(maps, skip.shape[2:]), skip), dim=1)
        maps = F.relu(self.last_norm(self.last(maps, half)), inplace=True)
        heads = at_least_float32(self.heads(maps, pair.source.shape[2:]))
        if self.prior == "composite":
            return _changed_composition(pair, heads)
        return compose(pair.source, torch.tanh(heads[:, :3]), torch.sigmoid(heads[:, 3:]))

    def _dual_path(self, pair: ConditionPair) -> Tensor:
        """Encode the source person and, apart, the target's background X_T * (1 - M_T) (equation 2)."""
        if self.prior == "composite":  # the background is whole: its person has been painted over
            person, context = torch.cat((pair.source, pair.source_mask), dim=1), pair.target
        else:
            person, context = pair.source, pair.target * (1 - pair.target_mask)
        identity: Tensor = self.identity_path(person)
        if self.context_path is None:
            return identity
        return torch.cat((identity, self.context_path(context)), dim=1)


def _changed_composition(pair: ConditionPair, changes: Tensor) -> Rendering:
    """Change a composition: X_R is the composition plus three channels, the fourth opens or closes X_C.

    X_C begins at a half on the person: at 0, as its mask says, neither X_R nor X_C would get a gradient
    there. At the very values where they are clamped both still do.

    Args:
        pair: The parts of the composition, as `Generator.conditions` gives them.
        changes: [B, 4, H, W], of any size; zeros: X_G is the composition.
    """
    pasted = composite(pair.source, pair.source_mask, pair.target)
    residual = (pasted + torch.tanh(changes[:, :3])).clamp(-1, 1)
    context_mask = (1 - 0.5 * pair.source_mask + torch.tanh(changes[:, 3:])).clamp(0, 1)
    return compose(pair.source, residual, context_mask)


@dataclass(frozen=True, kw_only=True)
class DomainDiscriminatorConfig:
    """The domain discriminator D_d (table 9)."""

    width: int = 128
    """Filters of the first layer; the others have 2, 4 and 4 times as many (the paper: 128)."""
    noise_std: float = 0.1
    """Standard deviation of the Gaussian noise on its input, images in [-1, 1]."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    """`sigmoid` as table 9 lists it, or `linear` as least-squares GANs usually have it."""
    leaky_slope: float = 0.2
    """Slope of the leaky ReLU (not stated in the paper)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width < 1 or not 0 <= self.noise_std <= 1:
            msg = f"domain discriminator: width >= 1, noise_std in [0, 1], got {self.width}, {self.noise_std}"
            raise ValueError(msg)


class DomainDiscriminator(nn.Module):
    """D_d: does a patch come from the target domain? A PatchGAN with a noise layer in front (table 9).

    Args:
        config: Widths, noise, output.
    """

    def __init__(self, config: DomainDiscriminatorConfig) -> None:
        super().__init__()
        widths = [config.width, 2 * config.width, 4 * config.width, 4 * config.width]
        strides = [2, 2, 1, 1]
        inputs = [3, *widths[:-1]]
        self.hidden = nn.ModuleList(
            StridedConv2d(i, o, 4, stride, padding=2)
            for i, o, stride in zip(inputs, widths, strides, strict=True)
        )
        self.norms = nn.ModuleList(InstanceNorm(width) for width in widths[1:])
        self.score = ScoreConv2d(widths[-1], padding=2)
        self.config = config
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, 1, h, w] scores (60x32 for 224x112): 1 = real target image; noise in training mode only.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        if self.training:
            images = images + self.config.noise_std * _normal_like(images)
        maps = F.leaky_relu(self.hidden[0](images), self.config.leaky_slope, inplace=True)
        for conv, norm in zip(self.hidden[1:], self.norms, strict=True):
            maps = F.leaky_relu(norm(conv(maps)), self.config.leaky_slope, inplace=True)
        scores = at_least_float32(self.score(maps))
        return torch.sigmoid(scores) if self.config.output == "sigmoid" else scores


def _normal_like(images: Tensor) -> Tensor:
    """Return standard normal noise of the images' shape, channels last in memory as they are.

    `randn_like` of a channels_last tensor takes a path ten times as slow on a CPU.
    """
    batch, channels, height, width = images.shape
    return torch.randn(batch, height, width, channels, device=images.device).permute(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class CameraDiscriminatorConfig:
    """The camera discriminator D_cam (table 10)."""

    width: int = 64
    """Filters of the first layer; the others have 2, 4 and 8 times as many (the paper: 64)."""
    dropout: float = 0.001
    """Probability of dropping a feature (the paper's 0.999 is TensorFlow's probability of keeping it)."""
    leaky_slope: float = 0.2
    """Slope of the leaky ReLU (not stated in the paper)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width < 1 or not 0 <= self.dropout < 1:
            msg = f"camera_discriminator: width >= 1 and dropout in [0, 1), got {self.width}, {self.dropout}"
            raise ValueError(msg)


class CameraDiscriminator(nn.Module):
    """D_cam: which target camera took this image? A five-layer classifier (table 10).

    Args:
        config: Widths, dropout.
        num_cameras: Number of target cameras.
    """

    def __init__(self, config: CameraDiscriminatorConfig, num_cameras: int) -> None:
        super().__init__()
        widths = [config.width * factor for factor in (1, 2, 4, 8)]
        inputs = [3, *widths[:-1]]
        self.hidden = nn.ModuleList(
            StridedConv2d(i, o, 4, 2, padding=1, bias=i == 3) for i, o in zip(inputs, widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.classify = nn.Conv2d(widths[-1], num_cameras, 1)
        self.config = config
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, num_cameras] logits.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = F.leaky_relu(self.hidden[0](images), self.config.leaky_slope, inplace=True)
        for conv, norm in zip(self.hidden[1:], self.norms, strict=True):
            maps = F.leaky_relu(norm(conv(maps)), self.config.leaky_slope, inplace=True)
        pooled = F.dropout(maps.mean((2, 3), keepdim=True), self.config.dropout, self.training)
        return at_least_float32(self.classify(pooled).flatten(1))
