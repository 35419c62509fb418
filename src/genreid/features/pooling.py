"""From a feature map to one embedding of unit length: average pooling or local max pooling (LMP).

LMP (Deng et al., SPGAN, CVPR 2018; used at test time by CR-GAN, tables 5 and 6; spec/cr-gan.md A1-A5) splits
the last feature map along its height into P horizontal stripes of full width, takes the maximum of every
channel in every stripe and concatenates. It has no parameters and needs no training. One norm is taken over
the whole vector of C*P values, never one per stripe.
"""

import functools
import logging

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.features.options import Pooling

logger = logging.getLogger(__name__)


def pool(feature_map: Tensor, pooling: Pooling = "average", parts: int | None = None) -> Tensor:
    """Turn feature maps into embeddings of unit length.

    Args:
        feature_map: [B, C, h, w], the last convolution's output; any float type.
        pooling: `average` or `lmp`.
        parts: P, the stripes of `lmp`; default: the rows h of the feature map.

    Returns:
        float32 [B, C] (average) or [B, C*P] (lmp), rows of Euclidean norm 1 (a map of zeros stays zero).

    Raises:
        ValueError: If the map is not [B, C, h, w] or has fewer than `parts` rows.
    """
    if pooling == "lmp":
        return local_max_pool(feature_map, parts)
    return average_pool(feature_map)


def average_pool(feature_map: Tensor) -> Tensor:
    """Average over all positions, then take unit length.

    Args:
        feature_map: [B, C, h, w].

    Returns:
        float32 [B, C] of unit norm.

    Raises:
        ValueError: If the map is not [B, C, h, w].
    """
    _check(feature_map)
    return F.normalize(feature_map.float().mean((2, 3)), dim=1)


def local_max_pool(feature_map: Tensor, parts: int | None = None) -> Tensor:
    """Take the maximum of every channel in each of P horizontal stripes, then unit length over all values.

    Stripe p covers the rows floor(p*h/P) to ceil((p+1)*h/P) - 1, as adaptive max pooling to (P, 1) does:
    where P does not divide h, neighbouring stripes share a row (SPGAN's P = 2 on 7 rows: 0-3 and 3-6).

    Args:
        feature_map: [B, C, h, w].
        parts: P, from 1 to h; default h: one row for each stripe.

    Returns:
        float32 [B, C*P] of unit norm; the P values of one channel stand together.

    Raises:
        ValueError: If the map is not [B, C, h, w], or `parts` is not in 1..h.
    """
    _check(feature_map)
    rows = feature_map.shape[2]
    stripes = rows if parts is None else parts
    if not 1 <= stripes <= rows:
        msg = f"local max pooling: expected 1 to {rows} parts for a feature map of {rows} rows, got {stripes}"
        raise ValueError(msg)
    if rows % stripes:
        _say_that_stripes_overlap(rows, stripes)
    pooled = F.adaptive_max_pool2d(feature_map.float(), (stripes, 1))
    return F.normalize(pooled.flatten(1), dim=1)


@functools.cache
def _say_that_stripes_overlap(rows: int, stripes: int) -> None:
    """Say once for each pair of sizes that the stripes are not of clean rows."""
    logger.warning(
        "local max pooling: %d parts do not divide the %d rows of the feature map; neighbouring stripes "
        "share a row (--parts %d gives one row for each stripe)",
        stripes,
        rows,
        rows,
    )


def _check(feature_map: Tensor) -> None:
    """Refuse what is not a batch of feature maps."""
    if feature_map.ndim != 4 or 0 in feature_map.shape[1:]:
        msg = f"expected a feature map [B, C, h, w], got shape {list(feature_map.shape)}"
        raise ValueError(msg)
    if not torch.is_floating_point(feature_map):
        msg = f"expected a feature map of a float type, got {feature_map.dtype}"
        raise ValueError(msg)
