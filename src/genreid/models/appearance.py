"""DG-Net's appearance encoder E_a, which is also its re-id network: two heads on one backbone.

Paper: Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification", CVPR 2019,
sections 3.1 and 4; what it leaves open is spec dg-net F2. `genreid.models.dgnet` has all names of this file.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.backbone import (
    BackboneConfig,
    InputStatistics,
    build_backbone,
    build_bottleneck,
    statistics_of,
)
from genreid.models.layers import at_least_float32

STRIPES = 4
"""Rows of the appearance code's map: the maximum over each quarter of the image's height (spec dg-net F2)."""
IMAGENET = InputStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of the space in which DG-Net generates (spec dg-net F1)."""


def to_normalised(images: Tensor) -> Tensor:
    """Bring images from the package's range to ImageNet-normalised space, in which DG-Net works.

    Args:
        images: [B,3,H,W] in [-1, 1].

    Returns:
        (x - mean) / std with x in [0, 1].
    """
    mean, std = _columns(IMAGENET, images.dtype, images.device)
    return ((images + 1) / 2 - mean) / std


def from_normalised(images: Tensor, *, clip: bool = True) -> Tensor:
    """Bring images from ImageNet-normalised space to the package's range.

    Args:
        images: [B,3,H,W], as E_s reads and G writes them.
        clip: Whether values outside the range are clipped; False: what G writes stays unbounded.

    Returns:
        [B,3,H,W] in [-1, 1].
    """
    mean, std = _columns(IMAGENET, images.dtype, images.device)
    shown = 2 * (images * std + mean) - 1
    return shown.clamp(-1, 1) if clip else shown


@lru_cache(maxsize=8)
def _columns(statistics: InputStatistics, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation as [1,3,1,1]; kept, since a copy to a GPU makes the host wait."""
    with torch.inference_mode(mode=False):  # what is kept must be of use in training, too
        mean = torch.tensor(statistics.mean, dtype=dtype, device=device).view(1, 3, 1, 1)
        return mean, torch.tensor(statistics.std, dtype=dtype, device=device).view(1, 3, 1, 1)


@dataclass(frozen=True, kw_only=True)
class AppearanceConfig:
    """The appearance encoder E_a (spec dg-net F2)."""

    backbone: BackboneConfig = field(
        default_factory=lambda: BackboneConfig(name="resnet50.tv_in1k", last_stride=1)
    )
    """Backbone; its own `dropout` and `bottleneck` stay 0, since the two heads have theirs."""
    head_width: int = 512
    """Width of each head's embedding."""
    primary_dropout: float = 0.5
    """Probability of dropping a number of the primary head's embedding."""
    fine_dropout: float = 0.75
    """Probability of dropping a number of the fine head's embedding."""
    code_order: Literal["channels", "stripes"] = "channels"
    """How the 4x1 code becomes a row, of which each decoder block reads a quarter: all stripes of one channel
    after the other (published: a quarter is C/4 channels), or all channels of one stripe after the other."""
    head_input: Literal["global_max", "code"] = "global_max"
    """What the heads read: the maximum over the whole map (published), or the 4x1 code (paper, section 4)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.head_width < 1:
            msg = f"appearance: got head_width {self.head_width}, expected at least 1 (published: 512)"
            raise ValueError(msg)
        if not 0 <= self.primary_dropout < 1 or not 0 <= self.fine_dropout < 1:
            msg = (
                f"appearance: got primary_dropout {self.primary_dropout}, fine_dropout {self.fine_dropout},"
                " expected probabilities of dropping in [0, 1); 0 is off"
            )
            raise ValueError(msg)
        if self.backbone.dropout or self.backbone.bottleneck:
            msg = (
                f"appearance.backbone: got dropout {self.backbone.dropout}, bottleneck"
                f" {self.backbone.bottleneck}, expected 0 for both; set appearance.primary_dropout,"
                " fine_dropout and head_width instead"
            )
            raise ValueError(msg)


class HeadOutput(NamedTuple):
    """What a head says of a batch.

    Attributes:
        embedding: After linear layer and batch norm, [B,head_width], without dropout.
        logits: [B,K] of K people.
    """

    embedding: Tensor
    logits: Tensor


class Appearance(NamedTuple):
    """What E_a says of a batch.

    Attributes:
        code: a, the appearance code, [B,4C]; gradients pass (the published step detaches it).
        primary: The primary head.
        fine: The fine head.
    """

    code: Tensor
    primary: HeadOutput
    fine: HeadOutput


class IdentityHead(nn.Module):
    """Linear layer, batch norm, dropout, linear classifier; no activation (spec dg-net F2).

    Args:
        inputs: Width of what it reads.
        width: Width of the embedding.
        num_classes: K, the number of people trained on.
        dropout: Probability of dropping a number of the embedding.
    """

    def __init__(self, inputs: int, width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.bottleneck = build_bottleneck(inputs, width)
        nn.init.ones_(
            cast(Tensor, self.bottleneck[1].weight)
        )  # the teacher's batch norm alone starts around 1
        self.classifier = nn.Linear(width, num_classes)
        self.dropout = dropout
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def embed(self, pooled: Tensor) -> Tensor:
        """Return the embedding [B,width], at least float32, of `pooled` [B,inputs]."""
        linear, norm = self.bottleneck
        embedding: Tensor = norm(at_least_float32(linear(pooled)))
        return embedding

    def forward(self, pooled: Tensor, *, dropout: bool = True) -> HeadOutput:
        """Return embedding and logits of `pooled` [B,inputs]; `dropout` False: off even while training."""
        embedding = self.embed(pooled)
        kept = F.dropout(embedding, self.dropout, self.training and dropout)
        return HeadOutput(embedding, at_least_float32(self.classifier(kept)))


class AppearanceEncoder(nn.Module):
    """E_a: a backbone, the 4x1 appearance code, and two heads that classify people.

    Use `build_appearance_encoder`; the constructor takes a backbone that is ready.

    Args:
        backbone: A timm network whose `forward_features` gives [B,C,h,w].
        num_classes: K, the number of people trained on.
        config: Heads and code; its backbone's name and weights are not looked at.
        statistics: What the backbone's weights expect of their input.

    Attributes:
        backbone: A timm network whose `forward_features` gives [B,C,h,w].
        primary: The primary head.
        fine: The head for fine-grained features.
        feature_channels: C, the backbone's own width.
        num_classes: K, the number of people trained on.
        input_scale: [1,3,1,1], times this ...
        input_offset: [1,3,1,1], ... plus this turns ImageNet-normalised into what the backbone was trained
            with; 1 and 0 for ResNet-50.
    """

    input_scale: Tensor
    input_offset: Tensor

    def __init__(
        self, backbone: nn.Module, num_classes: int, config: AppearanceConfig, statistics: InputStatistics
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_channels = int(cast(int, backbone.num_features))
        self.num_classes = num_classes
        self.config = config
        inputs = self.feature_channels * (STRIPES if config.head_input == "code" else 1)
        self.primary = IdentityHead(inputs, config.head_width, num_classes, config.primary_dropout)
        self.fine = IdentityHead(inputs, config.head_width, num_classes, config.fine_dropout)
        mean, std = (
            torch.tensor(statistics.mean).view(1, 3, 1, 1),
            torch.tensor(statistics.std).view(1, 3, 1, 1),
        )
        own_mean, own_std = (
            torch.tensor(IMAGENET.mean).view(1, 3, 1, 1),
            torch.tensor(IMAGENET.std).view(1, 3, 1, 1),
        )
        self.register_buffer("input_scale", own_std / std, persistent=False)
        self.register_buffer("input_offset", (own_mean - mean) / std, persistent=False)
        self._converts = statistics != IMAGENET

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the backbone's last map.

        Args:
            images: [B,3,H,W], ImageNet-normalised.

        Returns:
            [B,C,h,w]; 16x8 for 256x128 with the last stride 1.
        """
        if self._converts:
            images = torch.addcmul(self.input_offset, images, self.input_scale)
        return cast(Tensor, self.backbone.forward_features(images))  # type: ignore[operator]

    def forward(self, images: Tensor, *, dropout: bool = True) -> Appearance:
        """Return the appearance code and what both heads say; their embeddings are the features for matching.

        Args:
            images: [B,3,H,W], ImageNet-normalised (`to_normalised`), like those of E_s, G and D.
            dropout: False: both heads' dropout is off even in training mode.
        """
        code, pooled = self._pool(self.feature_map(images))
        return Appearance(code, self.primary(pooled, dropout=dropout), self.fine(pooled, dropout=dropout))

    def _pool(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the appearance code [B,4C] of a map, and what the heads read."""
        stripes = F.adaptive_max_pool2d(maps, (STRIPES, 1)).squeeze(3)  # [B,C,4]
        ordered = stripes if self.config.code_order == "channels" else stripes.transpose(1, 2)
        code = ordered.flatten(1)
        return code, code if self.config.head_input == "code" else F.adaptive_max_pool1d(stripes, 1).squeeze(
            2
        )


def build_appearance_encoder(
    config: AppearanceConfig, num_classes: int, size: tuple[int, int] | None = None
) -> AppearanceEncoder:
    """Build E_a and load the weights that the configuration of its backbone names.

    Args:
        config: Backbone, heads, code.
        num_classes: K, the number of people in the training data.
        size: Height and width of the images: some backbones have to know.

    Returns:
        A network in training mode, on the CPU, float32.

    Raises:
        ValueError: For no people, an unknown backbone, or weights that cannot be had or do not fit.
    """
    if num_classes < 1:
        msg = f"got {num_classes} classes, expected at least one person in the training data"
        raise ValueError(msg)
    backbone = build_backbone(config.backbone, size)
    return AppearanceEncoder(backbone, num_classes, config, statistics_of(config.backbone))


def combine_halves(primary: Tensor, fine: Tensor, fine_weight: float = 0.5) -> Tensor:
    """Join both halves such that the cosine of two joint features ranks as cos_primary + w * cos_fine.

    The published test weights the query's fine half alone by w = 0.5; giving both sides sqrt(w) leads to the
    same order (spec dg-net F10).

    Args:
        primary: [B,D1], of any length.
        fine: [B,D2], of any length.
        fine_weight: w >= 0.

    Returns:
        [B,D1+D2] of length 1.

    Raises:
        ValueError: If the weight is negative.
    """
    if fine_weight < 0:
        msg = f"got fine_weight {fine_weight}, expected a number >= 0; 0 leaves the primary half alone"
        raise ValueError(msg)
    halves = (F.normalize(primary), fine_weight**0.5 * F.normalize(fine))
    return F.normalize(torch.cat(halves, dim=1))
