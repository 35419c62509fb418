"""Moving colours and painting people over: what a composition needs and no network has to learn (spec D2).

Images are [B, 3, H, W] in [-1, 1], masks [B, 1, H, W] with 1 = person.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.models.layers import at_least_float32


def move_colours(source: Tensor, target: Tensor) -> Tensor:
    """Give each source image the mean and the deviation that each channel of its target image has.

    The first two moments of Reinhard's colour transfer, in RGB, over the whole image.

    Args:
        source: X_S, [B, 3, H, W] in [-1, 1].
        target: X_T, [B, 3, H, W] in [-1, 1].

    Returns:
        [B, 3, H, W], clamped to [-1, 1].
    """
    deviation, mean = torch.std_mean(at_least_float32(source), (2, 3), correction=0, keepdim=True)
    wanted, shift = torch.std_mean(at_least_float32(target), (2, 3), correction=0, keepdim=True)
    return ((source - mean) * (wanted / deviation.clamp_min(1e-3)) + shift).clamp(-1, 1)


def paint_over(images: Tensor, masks: Tensor) -> Tensor:
    """Paint the person of each image over with the average of the background around it.

    The average is taken over a square of a quarter of the height, by weights 1 - mask; where it holds no
    background at all, the paint is mid grey.

    Args:
        images: [B, 3, H, W] in [-1, 1].
        masks: [B, 1, H, W], 1 = person.

    Returns:
        [B, 3, H, W]: the background as it is, the person's place painted.
    """
    background = 1 - masks
    reach = images.shape[2] // 8  # the square's side is 2 reach + 1
    around = _box(at_least_float32(torch.cat((images * background, background), dim=1)), reach)
    paint = around[:, :3] / around[:, 3:].clamp_min(1e-3)
    return torch.lerp(images, paint.to(images.dtype), masks)


def composite(source: Tensor, source_mask: Tensor, background: Tensor) -> Tensor:
    """Paste people on backgrounds, with the hard edge of their masks.

    Args:
        source: [B, 3, H, W] in [-1, 1].
        source_mask: [B, 1, H, W], 1 = person.
        background: [B, 3, H, W] in [-1, 1].
    """
    return torch.lerp(background, source, source_mask)


def _box(maps: Tensor, reach: int) -> Tensor:
    """Average over squares of side 2 reach + 1, zeros outside; row by row, then column by column."""
    side = 2 * reach + 1
    rows = F.avg_pool2d(maps, (1, side), 1, (0, reach))
    return F.avg_pool2d(rows, (side, 1), 1, (reach, 0))
