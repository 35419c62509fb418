"""Contrastive loss of SPGAN's Siamese network, of pairs of embeddings (spec/baselines.md B2)."""

import torch
from torch import Tensor


def attraction_loss(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of pairs that belong together, a scalar >= 0.

    Args:
        first: [B, E], of length 1.
        second: [B, E]: the partner of each.
    """
    return (first - second).square().sum(dim=1).mean()


def repulsion_loss(first: Tensor, second: Tensor, margin: float) -> Tensor:
    """Return mean(max(0, m - d)^2) with d = sqrt(squared distance + 1e-6), of pairs to be kept apart.

    Embeddings of length 1 are 2 apart at most: with m = 2 every pair is pushed.

    Args:
        first: [B, E], of length 1.
        second: [B, E]: the partner of each.
        margin: m, the distance from which on a pair is left alone.
    """
    distance = ((first - second).square().sum(dim=1) + 1e-6).sqrt()
    return torch.clamp(margin - distance, min=0).square().mean()
