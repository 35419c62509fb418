"""False-match and false-positive identification rates, jackknife and isotonic regression, by plain loops."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def false_match_rate(likeness: NDArray[np.float64], person: Sequence[int], threshold: float) -> float:
    """Count the pairs of strangers at or above a threshold."""
    pairs = [(a, b) for a, b in itertools.combinations(range(len(person)), 2) if person[a] != person[b]]
    return sum(bool(likeness[a, b] >= threshold) for a, b in pairs) / len(pairs)


def identification_rate(
    likeness: NDArray[np.float64], person: Sequence[int], threshold: float, size: int
) -> float:
    """Average over probes the share of all galleries of `size` images of others that hold a false alarm.

    Galleries larger than the smallest set of others count as so many galleries of that size.
    """
    others = [[b for b in range(len(person)) if person[b] != person[a]] for a in range(len(person))]
    measured = min(size, *(len(one) for one in others))
    shares = []
    for probe, strangers in enumerate(others):
        loud = sum(bool(likeness[probe, b] >= threshold) for b in strangers)
        quiet = math.comb(len(strangers) - loud, measured) / math.comb(len(strangers), measured)
        shares.append(1 - quiet)
    rate = float(sum(shares) / len(shares))
    return float(1 - (1 - rate) ** (size / measured))


def identification_rate_by_drawing(
    likeness: NDArray[np.float64], person: Sequence[int], threshold: float, size: int
) -> float:
    """The same for a size that is there, by trying every gallery."""
    shares = []
    for probe in range(len(person)):
        strangers = [b for b in range(len(person)) if person[b] != person[probe]]
        galleries = list(itertools.combinations(strangers, size))
        alarms = [any(likeness[probe, b] >= threshold for b in gallery) for gallery in galleries]
        shares.append(sum(alarms) / len(alarms))
    return sum(shares) / len(shares)


def jackknife(
    rate_of: Callable[[list[int]], float], person: Sequence[int], rate: float
) -> tuple[float, float]:
    """Leave out one person after the other; 95 % interval on the logarithm."""
    people = sorted(set(person))
    without = [rate_of([row for row, who in enumerate(person) if who != one]) for one in people]
    mean = sum(without) / len(without)
    variance = (len(people) - 1) / len(people) * sum((value - mean) ** 2 for value in without)
    factor = math.exp(1.959964 * math.sqrt(variance) / rate)
    return rate / factor, min(1.0, rate * factor)


def rising_means(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Pool adjacent violators: the rising sequence with the least weighted squared distance."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, more, others = blocks.pop()
            mean = (before * more + mean * total) / (more + total)
            total, count = more + total, others + count
        blocks.append((mean, total, count))
    return [value for value, _, count in blocks for _ in range(count)]


def open_set(
    likeness: NDArray[np.float64],
    query: Sequence[tuple[int, int]],
    gallery: Sequence[tuple[int, int]],
    rate: float,
) -> tuple[float, float]:
    """Return threshold and TPIR; query and gallery are (pid, camid)."""
    wrong, right = [], []
    for q, (pid, camid) in enumerate(query):
        wrong.append(max(likeness[q, g] for g, (other, _) in enumerate(gallery) if other not in {pid, -1}))
        correct = [
            likeness[q, g]
            for g, (other, camera) in enumerate(gallery)
            if other == pid and (camera != camid or camid == -1)
        ]
        right.append(max(correct, default=None))
    for threshold in sorted({*wrong, *(value for value in right if value is not None)}):
        if sum(value >= threshold for value in wrong) / len(wrong) <= rate:
            valid = [(r, w) for r, w in zip(right, wrong, strict=True) if r is not None]
            return threshold, sum(r >= threshold and r > w for r, w in valid) / len(valid)
    return math.inf, 0.0
