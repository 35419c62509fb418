"""Percentile bootstrap from its definition: draw queries, average, sort, read off. Lists and loops only."""

from math import floor

import numpy as np


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the sorted values lies, straight lines between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def interval(values: list[float], resamples: int, level: float, seed: int) -> tuple[float, float]:
    """The middle `level` of the means of `resamples` draws with replacement."""
    random = np.random.default_rng(seed)
    count = len(values)
    means = []
    for _ in range(resamples):
        times = random.multinomial(count, [1 / count] * count)
        drawn = [value for value, repeated in zip(values, times, strict=True) for _ in range(repeated)]
        assert len(drawn) == count
        means.append(sum(drawn) / count)
    return percentile(means, (1 - level) / 2), percentile(means, (1 + level) / 2)
