"""TAUDL's two losses (Li, Zhu and Gong, ECCV 2018; spec baselines C4 to C6, C8).

A tracklet is all that one camera has of one person. Within a camera, tracklets are classes; across cameras,
nobody says which belong together: near ones are pulled together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class CctaConfig:
    """Cross-camera tracklet association."""

    spread: float = 8.0
    """2 sigma^2: distances are divided by it before the exponential."""
    detach_numerator: bool = False
    """As the release does by mistake (spec C8a): only the denominator is learnt from, so all move apart."""
    interleaved_cameras: bool = False
    """As the release does by mistake (spec C8b): camera numbers in the sampler's order, not the features'."""

    def __post_init__(self) -> None:
        """Check the range."""
        if self.spread <= 0:
            msg = f"taudl.ccta: spread must be above 0, got {self.spread:g}"
            raise ValueError(msg)


def pctd_loss(
    logits: Sequence[Tensor], labels: Sequence[Tensor], reduction: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """Per-camera tracklet discrimination: the cross entropy of each camera in its own classifier (spec C4).

    Args:
        logits: For each camera [b, M_t] scores of its M_t tracklets.
        labels: For each camera [b] int64, tracklet within the camera.
        reduction: Over the cameras: `sum`, as the release; `mean`, as the paper.

    Returns:
        A scalar >= 0.
    """
    losses = [F.cross_entropy(scores, wanted) for scores, wanted in zip(logits, labels, strict=True)]
    total = torch.stack(losses).sum()
    return total if reduction == "sum" else total / len(losses)


def ccta_loss(tracklets: Tensor, cameras: Tensor, neighbours: int, config: CctaConfig) -> Tensor:
    """Cross-camera tracklet association: mean of -log(affinity to the K nearest elsewhere / to all).

    Args:
        tracklets: s, [S, D]: mean embedding of each tracklet in the batch, not normalised.
        cameras: [S] int64 camera of each.
        neighbours: K, nearest tracklets of other cameras.
        config: Spread, and the release's mistake in the numerator.

    Returns:
        A scalar >= 0 (spec C5).
    """
    # not by way of matrix products: the slope of a root of rounding errors would be huge
    distance = torch.cdist(tracklets, tracklets, compute_mode="donot_use_mm_for_euclid_dist")
    affinity = torch.exp(-distance / config.spread)
    same = cameras[:, None] == cameras[None, :]
    nearest = distance.detach().masked_fill(same, torch.inf).topk(neighbours, largest=False).indices
    numerator = affinity.gather(1, nearest).sum(dim=1)
    if config.detach_numerator:
        numerator = numerator.detach()
    return (affinity.sum(dim=1).log() - numerator.log()).mean()
