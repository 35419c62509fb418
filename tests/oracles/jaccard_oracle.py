"""k-reciprocal encoding and Jaccard distance from their definitions, dense, in float64, one pair at a time.

Slow and obvious; nothing is taken from the package. Zhong et al., CVPR 2017, sections 3.2 to 3.4, with the
published code's conventions (more than 2/3; lists with the point itself; spec H1 for clustering).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def squared_distances(features: NDArray[np.float32]) -> Matrix:
    """All pairs."""
    points = features.astype(np.float64)
    result = np.zeros((len(points), len(points)))
    for p, first in enumerate(points):
        for g, second in enumerate(points):
            result[p, g] = float(((first - second) ** 2).sum())
    return result


def neighbour_lists(distances: Matrix) -> list[list[int]]:
    """All rows for each point, nearest first: itself, then by (distance, row)."""
    everyone = range(len(distances))
    return [sorted(everyone, key=lambda g: (g != p, distances[p, g], g)) for p in everyone]


def reciprocal(lists: Sequence[Sequence[int]], p: int, entries: int) -> set[int]:
    """Those in whose list p stands as they stand in p's: R(p, k)."""
    return {g for g in lists[p][:entries] if p in lists[g][:entries]}


def expanded(lists: Sequence[Sequence[int]], p: int, entries: int, half_entries: int) -> set[int]:
    """R*(p, k1): with the half lists of which more than two thirds lie in R(p, k1)."""
    own = reciprocal(lists, p, entries)
    result = set(own)
    for q in own:
        half = reciprocal(lists, q, half_entries)
        if len(half & own) / len(half) > 2 / 3 + 1e-9:
            result |= half
    return result


def encoding(distances: Matrix, entries: int, half_entries: int, k2: int) -> Matrix:
    """V after query expansion; the distances are those in the exponent."""
    lists = neighbour_lists(distances)
    points = len(distances)
    weights = np.zeros((points, points))
    for p in range(points):
        for g in expanded(lists, p, entries, half_entries):
            weights[p, g] = math.exp(-distances[p, g])
        weights[p] /= weights[p].sum()
    return np.stack([weights[lists[p][:k2]].mean(0) for p in range(points)])


def jaccard(codes: Matrix) -> Matrix:
    """1 - sum of minima / sum of maxima, all pairs."""
    rows = [1 - np.minimum(code, codes).sum(1) / np.maximum(code, codes).sum(1) for code in codes]
    return np.stack(rows)


def clustering_distances(features: NDArray[np.float32], k1: int, k2: int) -> Matrix:
    """Cluster Contrast's: k1 counts the point itself, the half list is one longer than k1 / 2."""
    half = int(np.around(k1 / 2)) + 1
    return jaccard(encoding(squared_distances(features), k1, half, k2))
