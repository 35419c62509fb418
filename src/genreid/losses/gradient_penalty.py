"""R1: the penalty on the discriminator's gradient at real images (Mescheder 2018; DG-Net section 4.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def gradient_penalty(scores: Sequence[Tensor], images: Tensor) -> Tensor:
    """Return the sum over scales of mean_batch(sum_pixels((d sum(D_s(x)) / dx)^2)) (spec dg-net F5).

    Each scale has weights of its own, so the squares are of each scale's gradient, not of their sum's.

    Args:
        scores: One score map of the images for each scale, with their graph.
        images: x, [B, 3, H, W] real images that ask for a gradient.

    Returns:
        A scalar >= 0 with a graph, to be weighted with 0.01.
    """
    penalties = []
    for score in scores:
        (slope,) = torch.autograd.grad(score.sum(), images, create_graph=True)
        precise = slope.to(torch.promote_types(slope.dtype, torch.float32))
        penalties.append(precise.square().sum((1, 2, 3)).mean())
    return torch.stack(penalties).sum()
