"""Random views of a batch, with gradients: what an identity loss may see instead of the rendering itself.

A frozen classifier that sees the same pixels at every step can be pleased by a pattern that no person has; a
pattern rarely survives another scale, place and side, and a piece cut out. Not of the paper (spec D4).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SCALE = 0.15
"""A view is enlarged or reduced by up to this share."""
SHIFT = 0.1
"""It is shifted by up to this share of each side."""
CUT = (0.02, 0.2)
"""Share of the area of the rectangle that is set to 0."""


class Views(NamedTuple):
    """How each image of a batch is looked at.

    Attributes:
        scale: [B] factor by which the image is enlarged, about 1.
        side: [B] 1 as it is, -1 turned over.
        shift: [B, 2] share of the height and width by which it is moved down and right.
        top_left: [B, 2] upper left corner of the rectangle, shares of height and width.
        size: [B, 2] its height and width, shares of height and width.
    """

    scale: Tensor
    side: Tensor
    shift: Tensor
    top_left: Tensor
    size: Tensor


def draw_views(count: int, device: torch.device) -> Views:
    """Draw views of a batch from torch's global generator, which each step seeds.

    Args:
        count: B.
        device: Where they are wanted.
    """
    draws = torch.rand(count, 8)
    area = CUT[0] + (CUT[1] - CUT[0]) * draws[:, 4]
    aspect = (math.log(2) * (2 * draws[:, 5] - 1)).exp()  # half to twice as high as wide
    size = torch.stack(((area * aspect).sqrt(), (area / aspect).sqrt()), dim=1)
    views = Views(
        1 + SCALE * (2 * draws[:, 0] - 1),
        torch.where(draws[:, 1] < 0.5, -1.0, 1.0),
        SHIFT * (2 * draws[:, 2:4] - 1),
        draws[:, 6:] * (1 - size),
        size,
    )
    return Views(*(part.to(device) for part in views))


def look_at(images: Tensor, views: Views) -> Tensor:
    """Scale, turn and shift each image about its centre, bilinearly, then set its rectangle to 0.

    Args:
        images: [B, 3, H, W]; gradients flow through them. What a shift brings in is 0: mid grey.
        views: How.
    """
    batch, _, height, width = images.shape
    theta = images.new_zeros(batch, 2, 3)
    theta[:, 0, 0] = views.side / views.scale
    theta[:, 1, 1] = 1 / views.scale
    theta[:, 0, 2] = -2 * views.shift[:, 1] * theta[:, 0, 0]
    theta[:, 1, 2] = -2 * views.shift[:, 0] * theta[:, 1, 1]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, align_corners=False)
    rows = _within(height, views.top_left[:, :1], views.size[:, :1])
    columns = _within(width, views.top_left[:, 1:], views.size[:, 1:])
    return seen * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _within(length: int, start: Tensor, size: Tensor) -> Tensor:
    """Tell of each pixel of an axis whether its centre lies in a span: [B, length] of truth values."""
    centres = (torch.arange(length, device=start.device) + 0.5) / length
    return (centres >= start) & (centres < start + size)
