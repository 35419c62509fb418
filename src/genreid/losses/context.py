"""Context loss of CR-GAN (equation 6): keep the source person, take the target's background."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor


class ContextTargets(NamedTuple):
    """What a rendering is compared with.

    Attributes:
        source: X_S, [B, 3, H, W] in [-1, 1].
        target: X_T, [B, 3, H, W] in [-1, 1].
        foreground: M_F, the person of X_S, [B, 1, H, W], 1 = person.
        background: M_B, where the rendering shall look like X_T, [B, 1, H, W].
    """

    source: Tensor
    target: Tensor
    foreground: Tensor
    background: Tensor


def context_loss(
    rendering: Tensor, targets: ContextTargets, norm: Literal["mse", "l2norm"] = "mse"
) -> Tensor:
    """Return ||(X_G - X_S) o M_F|| + ||(X_G - X_T) o M_B||, a scalar >= 0 (equation 6).

    The paper leaves the norm open (spec/cr-gan.md E9). `mse` is the mean over batch, channels and all pixels
    of the squared masked difference; `l2norm` is the mean over the batch of each image's root of that mean.

    Args:
        rendering: X_G, [B, 3, H, W] in [-1, 1].
        targets: The images and masks to compare with.
        norm: The reading of the norm.
    """
    kept = ((rendering - targets.source) * targets.foreground).square().mean((1, 2, 3))
    taken = ((rendering - targets.target) * targets.background).square().mean((1, 2, 3))
    if norm == "mse":
        return (kept + taken).mean()
    tiny = torch.finfo(kept.dtype).tiny  # the root's slope at zero is infinite
    return (kept.clamp_min(tiny).sqrt() + taken.clamp_min(tiny).sqrt()).mean()
