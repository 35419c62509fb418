"""CMC, average precision in its two forms, and mINP, from the ranks of the correct images (spec G2-G3b).

For a query with n correct images at the 0-based ranks r_0 < r_1 < ... of its filtered list:

    AP (rectangular)  = 1/n sum_i p_i,               p_i = (i + 1) / (r_i + 1)
    AP (trapezoid)    = 1/n sum_i (p_i + q_i) / 2,   q_i = i / r_i, and 1 where r_i = 0
    CMC(k)            = 1 if r_0 < k else 0
    INP               = n / (r_{n-1} + 1)

The trapezoid is that of the Oxford buildings and Market-1501 evaluation code, which CR-GAN, DG-Net and SPGAN
report; the rectangular one is that of torchreid, fast-reid and scikit-learn >= 0.19. They differ by up to
2.7 points: a single correct image at the second place scores 0.5 and 0.25.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class QueryScores(NamedTuple):
    """Scores of each query; NaN (ranks: -1) where a query has no correct gallery image."""

    average_precision: NDArray[np.float64]
    """float64 [q], rectangular, 0 to 1."""
    average_precision_trapezoid: NDArray[np.float64]
    """float64 [q], 0 to 1, never above the rectangular one."""
    inverse_negative_penalty: NDArray[np.float64]
    """float64 [q], 0 to 1."""
    first_match: NDArray[np.int64]
    """int64 [q], 0-based rank of the first correct image."""


def score_queries(start: NDArray[np.int64], ranks: NDArray[np.int64]) -> QueryScores:
    """Score each query from the ranks of its correct images.

    Args:
        start: int64 [q+1]: the ranks of query i are `ranks[start[i]:start[i+1]]`.
        ranks: int64 [n], 0-based, ascending within a query.
    """
    images = np.diff(start)
    valid = images > 0
    row = np.repeat(np.arange(len(images)), images)
    hits = np.arange(len(ranks)) - start[row]  # i: correct images before this one
    precision = (hits + 1) / (ranks + 1)
    before = np.divide(hits, ranks, out=np.ones(len(ranks)), where=ranks > 0)
    trapezoid = (precision + before) / 2
    last = np.full(len(images), -1, np.int64)
    last[valid] = ranks[start[1:][valid] - 1]
    first = np.full(len(images), -1, np.int64)
    first[valid] = ranks[start[:-1][valid]]
    unscored = np.full((3, len(images)), np.nan)
    return QueryScores(
        np.divide(np.bincount(row, precision, len(images)), images, out=unscored[0], where=valid),
        np.divide(np.bincount(row, trapezoid, len(images)), images, out=unscored[1], where=valid),
        np.divide(images, last + 1, out=unscored[2], where=valid),
        first,
    )


def cumulative_match(first_match: NDArray[np.int64], ranks: int) -> NDArray[np.float64]:
    """Return the CMC: the share of valid queries whose first correct image is among the first k.

    Args:
        first_match: int64 [q], 0-based; -1 for queries without a correct image, which are left out.
        ranks: K, 1 or more: k runs from 1 to K.

    Returns:
        float64 [K], rising, 0 to 1.
    """
    found = first_match[first_match >= 0]
    within = np.bincount(found[found < ranks], minlength=ranks)
    return np.cumsum(within) / max(1, len(found))
