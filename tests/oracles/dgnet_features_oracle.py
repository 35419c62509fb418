"""DG-Net at test time from its definition (spec dg-net F10): one image, one number after the other, float64.

Slow and obvious; nothing is taken from the package.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = list[float]


class TwoHalves(NamedTuple):
    """What is compared of an image: either half of unit length."""

    primary: Vector
    fine: Vector


def head(feature_map: NDArray[np.float64], weights: Mapping[str, NDArray[np.float64]]) -> Vector:
    """Global maximum [C] of a map [C,h,w], linear layer, batch norm with stored statistics (eps 1e-5)."""
    pooled = [max(float(value) for value in channel.flatten()) for channel in feature_map]
    numbers = []
    for row in range(len(weights["0.bias"])):
        linear = float(weights["0.bias"][row])
        for channel, value in enumerate(pooled):
            linear += float(weights["0.weight"][row, channel]) * value
        spread = math.sqrt(float(weights["1.running_var"][row]) + 1e-5)
        centred = (linear - float(weights["1.running_mean"][row])) / spread
        numbers.append(centred * float(weights["1.weight"][row]) + float(weights["1.bias"][row]))
    return numbers


def unit(vector: Sequence[float]) -> Vector:
    """Divide by the Euclidean length."""
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def of_image_and_mirror(seen: Sequence[float], mirrored: Sequence[float]) -> Vector:
    """Each to unit length, added up, to unit length again."""
    return unit([first + second for first, second in zip(unit(seen), unit(mirrored), strict=True)])


def published_score(query: TwoHalves, gallery: TwoHalves, fine_weight: float = 0.5) -> float:
    """Inner product of the concatenated halves, the query's fine one multiplied by the weight."""
    left = [*query.primary, *(fine_weight * value for value in query.fine)]
    right = [*gallery.primary, *gallery.fine]
    return sum(first * second for first, second in zip(left, right, strict=True))
