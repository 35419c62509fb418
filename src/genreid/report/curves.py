"""Curves made ready to be drawn: smoothed, thinned out, and their axes cut at round numbers."""

import math
from collections.abc import Sequence

from genreid.report.loss_log import Point

MOST_POINTS = 400
"""Points of a curve that are drawn."""
_SAME = 1e-12
SMOOTHED_SHARE = 0.04
"""Share of a curve's points that are averaged into one."""


def smooth(points: Sequence[Point], share: float = SMOOTHED_SHARE) -> list[Point]:
    """Return the running mean: each point with its neighbours before and after it.

    Args:
        points: By rising x.
        share: Share of the points in a full window, 0 to 1; at the ends it is cut off, down to a half.

    Returns:
        As many points, with the same x.
    """
    half = int(share * len(points) / 2)
    sums = [0.0]
    for point in points:
        sums.append(sums[-1] + point.y)
    smoothed = []
    for row, point in enumerate(points):
        first, end = max(0, row - half), min(len(points), row + half + 1)
        smoothed.append(Point(point.x, (sums[end] - sums[first]) / (end - first)) if half else point)
    return smoothed


def thin_out(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return some of the points, so that peaks stay: the least and the largest of every piece.

    Args:
        points: By rising x.
        most: How many at most, 4 or more; fewer points than that are returned as they are.

    Returns:
        The first, the last, and the extremes between them, by rising x.
    """
    if len(points) <= most:
        return list(points)
    pieces = (most - 2) // 2
    kept = {0, len(points) - 1}
    for piece in range(pieces):
        rows = range(len(points) * piece // pieces, len(points) * (piece + 1) // pieces)
        kept |= {min(rows, key=lambda row: points[row].y), max(rows, key=lambda row: points[row].y)}
    return [points[row] for row in sorted(kept)]


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten apart) that enclose a range.

    Args:
        low: Least value.
        high: Largest value, not below `low`.
        about: How many steps there shall be, roughly.

    Returns:
        Two numbers or more; the first is at most `low`, the last at least `high`.
    """
    if high - low <= _SAME * max(abs(low), abs(high), 1e-290):
        pad = abs(low) / 2 or 1.0
        low, high = low - pad, high + pad
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * about >= (high - low) * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(step * number, digits) for number in range(first, last + 1)]


def bulk_range(values: Sequence[float], share: float = 0.98) -> tuple[float, float]:
    """Return the range of most of the values, so that a few peaks do not flatten a curve.

    Args:
        values: One or more.
        share: Share of the values that lies within.

    Returns:
        Least and largest value, after the same number was dropped at both ends.
    """
    ordered = sorted(values)
    drop = int((1 - share) / 2 * len(ordered))
    return ordered[drop], ordered[-1 - drop]


def short_number(value: float) -> str:
    """Write a number in few letters: `0.25`, `1500`, `60k`, `1.5M`, `2e-5`.

    Args:
        value: Any finite number.
    """
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * (10 if letter == "k" else 1):
            return f"{value / factor:.4g}{letter}"
    text = f"{value:.4g}"
    return text.replace("e-0", "e-").replace("e+0", "e+")
