"""Re-id networks that learn from a target's own images: GeM or average pooling, a neck, no classifier.

Cluster Contrast (spec baselines H1) puts one batch norm behind the pooling, and its memory classifies; TAUDL
(spec baselines C3) a linear layer, a batch norm and a ReLU, and has a classifier for each camera.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, ReidOutput, build_backbone, statistics_of
from genreid.models.layers import at_least_float32

_SMALLEST = 1e-6
"""GeM: features below are lifted to it, for a root of zero has no slope."""


@dataclass(frozen=True, kw_only=True)
class NeckConfig:
    """From the last feature map to the embedding."""

    pooling: Literal["gem", "average"] = "gem"
    """`gem`: the p-th root of the mean of p-th powers, p learnt from 3; `average`: the mean."""
    kind: Literal["norm", "linear", "none"] = "norm"
    """`norm`: batch norm with a frozen bias; `linear`: linear layer, batch norm, ReLU; `none`: nothing."""
    width: int = 2048
    """Width of the embedding; `linear` only, else it is the backbone's own."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.pooling not in {"gem", "average"} or self.kind not in {"norm", "linear", "none"}:
            msg = (
                "neck: pooling is gem or average, kind is norm, linear or none, "
                f"got {self.pooling!r} and {self.kind!r}"
            )
            raise ValueError(msg)
        if self.width < 1:
            msg = f"neck: width must be 1 or more, got {self.width}"
            raise ValueError(msg)


class GemPooling(nn.Module):
    """Generalised-mean pooling: (mean of x^p)^(1/p); p = 1 is the average, a large p the maximum.

    Args:
        power: p at the start.

    Attributes:
        power: p, learnt: [1].
    """

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor([power]))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool a feature map in float32 or better.

        Args:
            feature_map: [B,C,h,w].

        Returns:
            [B,C].
        """
        # not in bfloat16, whose powers and roots are off by a percent
        with torch.autocast(feature_map.device.type, enabled=False):
            lifted = at_least_float32(feature_map).clamp_min(_SMALLEST)
            return lifted.pow(self.power).mean((2, 3)).pow(1 / self.power)


class NeckNetwork(ReidNetwork):
    """A re-id network whose classifier lies elsewhere, such as in a memory of cluster centres.

    Use `build_neck_network`.

    Args:
        backbone: A timm network whose `forward_features` gives [B,C,h,w].
        config: Name of the backbone, which tells what its weights expect.
        neck: Pooling and neck.

    Attributes:
        gem: GeM pooling; None: average pooling.
        bottleneck: What lies behind the pooling; the identity where there is nothing.
        width: D, width of the embedding.
    """

    def __init__(self, backbone: nn.Module, config: BackboneConfig, neck: NeckConfig) -> None:
        super().__init__(backbone, 1, BackboneConfig(name=config.name), statistics_of(config))
        del self.classifier
        self.num_classes = 0
        self.gem = GemPooling() if neck.pooling == "gem" else None
        self.bottleneck = _make_neck(self.feature_channels, neck)
        self.width = neck.width if neck.kind == "linear" else self.feature_channels

    def pool(self, feature_map: Tensor) -> Tensor:
        """Pool a feature map.

        Args:
            feature_map: [B,C,h,w].

        Returns:
            [B,C].
        """
        return super().pool(feature_map) if self.gem is None else self.gem(feature_map)

    def forward(self, images: Tensor) -> ReidOutput:
        """Return the embedding, not normalised.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            `ReidOutput` with logits [B,0].
        """
        embedding = self.embed(images)
        return ReidOutput(embedding, embedding[:, :0])


def build_neck_network(
    config: BackboneConfig, neck: NeckConfig, size: tuple[int, int] | None = None
) -> NeckNetwork:
    """Build the network and load the weights that the configuration names.

    Args:
        config: Backbone, weights, last stride; dropout and bottleneck must be off.
        neck: Pooling and neck.
        size: Height and width of the images: some backbones have to know.

    Returns:
        A network in training mode, on the CPU, float32.

    Raises:
        ValueError: For a backbone or weights that cannot be had, or dropout or a bottleneck in `config`.
    """
    if config.dropout or config.bottleneck:
        msg = (
            f"got backbone.dropout {config.dropout:g} and backbone.bottleneck {config.bottleneck}: this "
            "network has a neck of its own and no classifier; leave both at 0"
        )
        raise ValueError(msg)
    return NeckNetwork(build_backbone(config, size), config, neck)


def _make_neck(channels: int, config: NeckConfig) -> nn.Sequential:
    """Return what lies behind the pooling."""
    if config.kind == "none":
        return nn.Sequential()
    norm = nn.BatchNorm1d(config.width if config.kind == "linear" else channels)
    if config.kind == "norm":
        norm.bias.requires_grad = False  # spec H1; a shift would move all clusters alike
        return nn.Sequential(norm)
    linear = nn.Linear(channels, config.width)
    nn.init.kaiming_normal_(linear.weight, mode="fan_out")
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, norm, nn.ReLU())
