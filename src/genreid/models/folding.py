"""A frozen network without its batch normalisations: they are folded into the convolutions before them.

In evaluation mode a batch normalisation is a fixed scale and shift for each channel, so the convolution
before it can do both at once. Stage II of CR-GAN runs the frozen D_id forward and backward at every step;
folding takes a third off.
"""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from genreid.models.appearance import AppearanceEncoder
from genreid.models.backbone import ReidNetwork
from genreid.models.tokens import TokenBackbone

NetworkT = TypeVar("NetworkT", ReidNetwork, AppearanceEncoder)

_PROBE_SIZE = (64, 32)
_TOLERANCE = 1e-3


def fold_batch_norm(network: NetworkT) -> NetworkT:
    """Return a frozen copy, in evaluation mode, that computes the same in fewer passes over memory.

    Which convolution feeds which normalisation is seen from one probe image. A normalisation that no
    convolution feeds directly stays as it is.

    Args:
        network: The network to copy; it is left as it is.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    if isinstance(folded.backbone, TokenBackbone):
        return folded  # it has few batch norms, or none, and may not take the probe's size
    probe = torch.rand(2, 3, *_PROBE_SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    probe = probe.to(next(folded.parameters()).device)
    with torch.no_grad():
        before = folded.feature_map(probe)
        for conv, norm_name in _feeding_convolutions(folded, probe):
            norm = folded.get_submodule(norm_name)
            assert isinstance(norm, nn.BatchNorm2d)
            _fold(conv, norm)
            folded.set_submodule(norm_name, _without_normalisation(norm))
        after = folded.feature_map(probe)
    gap = (after - before).abs().max() / before.abs().max().clamp_min(1e-12)
    assert gap < _TOLERANCE, f"folding changed the network's map by {gap:.2e} of its range"
    return folded


def _feeding_convolutions(network: nn.Module, probe: Tensor) -> list[tuple[nn.Conv2d, str]]:
    """Run the probe and return each convolution that feeds a batch normalisation, with that one's name."""
    # the tensor is kept alive, or its id could be used again
    made_by: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: list[tuple[nn.Conv2d, str]] = []

    def remember(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        made_by[id(output)] = (module, output)

    def match(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if id(inputs[0]) in made_by:
                pairs.append((made_by[id(inputs[0])][0], name))

        return hook

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(remember))
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(match(name)))
    network(probe)
    for handle in handles:
        handle.remove()
    return pairs


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Scale and shift the convolution as its normalisation would."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    weight.requires_grad = bias.requires_grad = False
    conv.weight, conv.bias = weight, bias


def _without_normalisation(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what is left: timm's BatchNormAct2d holds an activation, torch's holds nothing."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()
