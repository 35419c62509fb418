"""Batch norms that look at a few images at a time, while the rest of a network reads all at once.

Where the published code calls a network on one small batch after the other, only its batch norms can tell:
the convolutions are the same sums, and faster on all images together.
"""

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _ByGroups(_BatchNorm):
    """In training mode, each `group_size` images are a batch of their own; the last one may be smaller.

    Running statistics take notice of one group after the other, as if the network were called so.
    """

    group_size: int

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        normalise = super().forward
        if not self.training or len(input) <= self.group_size:
            return normalise(input)
        return torch.cat([normalise(group) for group in torch.split(input, self.group_size)])


class _BatchNorm1dByGroups(_ByGroups, nn.BatchNorm1d):
    """The same for rows of numbers."""


class _BatchNorm2dByGroups(_ByGroups, nn.BatchNorm2d):
    """The same for maps."""


class _BatchNormAct2dByGroups(_ByGroups, BatchNormAct2d):
    """The same for timm's batch norm with an activation."""


_KINDS: dict[type[nn.Module], type[_ByGroups]] = {
    nn.BatchNorm1d: _BatchNorm1dByGroups,
    nn.BatchNorm2d: _BatchNorm2dByGroups,
    BatchNormAct2d: _BatchNormAct2dByGroups,
}


def group_batch_norms(network: nn.Module, size: int) -> None:
    """Exchange the batch norms in place; weights, statistics and names stay.

    Args:
        network: The network, just built; one that has groups gets this size.
        size: Images of a group.

    Raises:
        ValueError: If a batch norm is of a kind that cannot be exchanged.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, _BatchNorm):
            network.set_submodule(name, _grouped(module, size))


def _grouped(norm: _BatchNorm, size: int) -> _ByGroups:
    """Return the form of a batch norm that has groups, with the very same parameters and buffers."""
    kind = type(norm) if isinstance(norm, _ByGroups) else _KINDS.get(type(norm))
    if kind is None:
        known = ", ".join(each.__name__ for each in _KINDS)
        msg = (
            f"batch norms by groups: got a {type(norm).__name__}, expected one of {known}; choose another "
            "--appearance.backbone.name, or type --training.separate_forwards false"
        )
        raise ValueError(msg)
    new = kind(norm.num_features)
    new.__dict__.update(vars(norm))
    new.group_size = size
    return new
