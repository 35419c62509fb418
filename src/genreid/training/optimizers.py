"""Optimisers of the methods, and their learning rates."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from genreid.models.backbone import ReidNetwork
from genreid.models.dgnet import AppearanceEncoder
from genreid.models.tokens import TokenBackbone
from genreid.training.update import parameters_of


@dataclass(frozen=True, kw_only=True)
class SgdConfig:
    """Stochastic gradient descent of a re-id network: one rate for the backbone, one for the classifier."""

    backbone_rate: float = 0.01
    """Learning rate of the backbone."""
    classifier_rate: float = 0.01
    """Learning rate of the classifier, and of the bottleneck if there is one."""
    momentum: float = 0.9
    """Nesterov momentum."""
    weight_decay: float = 5e-4
    """L2 penalty on all weights."""
    drop_at: tuple[float, ...] = (0.5,)
    """Fractions of the stage at which both rates are divided by ten."""
    layer_decay: float = 1.0
    """Rate of each layer of the backbone, times that of the layer behind it: below 1, as transformers like it
    (0.65 to 0.9), early layers learn less."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.layer_decay <= 1:
            msg = f"sgd: layer_decay must be in (0, 1], got {self.layer_decay}; 1 is off"
            raise ValueError(msg)
        if min(self.backbone_rate, self.classifier_rate, self.weight_decay) < 0 or not 0 <= self.momentum < 1:
            msg = f"sgd: rates and weight_decay must be >= 0 and momentum in [0, 1), got {self}"
            raise ValueError(msg)


def make_sgd(network: ReidNetwork | AppearanceEncoder, config: SgdConfig) -> torch.optim.SGD:
    """Make Nesterov SGD with two groups: the backbone, and what is behind it (classifier, bottleneck, heads).

    Args:
        network: The network to train.
        config: Rates, momentum, weight decay.
    """
    known = {id(parameter) for parameter in network.backbone.parameters()}
    head = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [
        *_backbone_groups(network.backbone, config),
        {"params": head, "base_lr": config.classifier_rate},
    ]
    optimizer = torch.optim.SGD(
        groups,
        lr=config.backbone_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=True,
    )
    # torch's fused SGD fails where some parameters get their first gradient later than others, as DG-Net's
    # fine head does; a momentum of zero is what it would start from
    for parameter in parameters_of(optimizer) if config.momentum > 0 else ():
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def _backbone_groups(backbone: nn.Module, config: SgdConfig) -> list[dict[str, Any]]:
    """Return the backbone as one group, or one for each layer, whose rate is a fraction of the next one's."""
    if config.layer_decay == 1:
        return [{"params": list(backbone.parameters()), "base_lr": config.backbone_rate}]
    from timm.models import group_parameters  # noqa: PLC0415 - seconds that only a network needs

    network = backbone.network if isinstance(backbone, TokenBackbone) else backbone
    matcher = network.group_matcher(coarse=False)  # type: ignore[operator]
    layers: dict[int, list[str]] = group_parameters(network, matcher)
    last = max(layers)
    return [
        {
            "params": [network.get_parameter(name) for name in names],
            "base_lr": config.backbone_rate * config.layer_decay ** (last - layer),
        }
        for layer, names in sorted(layers.items())
    ]


def make_adam(
    network: nn.Module, rate: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> torch.optim.Adam:
    """Make Adam.

    Args:
        network: The network to train.
        rate: Learning rate.
        betas: Decays of the two moments.
        weight_decay: L2 penalty on all weights, added to their gradient.
    """
    groups = [{"params": list(network.parameters()), "base_lr": rate}]
    return torch.optim.Adam(groups, lr=rate, betas=betas, weight_decay=weight_decay, fused=True)
