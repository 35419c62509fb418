"""Smoothing, thinning out and axes, against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genreid.report.curves import MOST_POINTS, bulk_range, round_ticks, short_number, smooth, thin_out
from genreid.report.loss_log import Point

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def points(values: list[float]) -> list[Point]:
    return [Point(20 * (row + 1), value) for row, value in enumerate(values)]


@settings(deadline=None)
@given(VALUES, st.floats(0, 1))
def test_the_running_mean_is_one(values: list[float], share: float) -> None:
    half = int(share * len(values) / 2)
    for row, point in enumerate(smooth(points(values), share)):
        near = [other for place, other in enumerate(values) if abs(place - row) <= half]
        assert point.x == 20 * (row + 1)
        assert point.y == pytest.approx(np.mean(near), rel=1e-6, abs=1e-6)


def test_a_straight_line_stays_one_but_at_its_ends() -> None:
    line = [0.5 * row for row in range(200)]
    assert [point.y for point in smooth(points(line), 0.1)][10:-10] == pytest.approx(line[10:-10])


def test_peaks_and_ends_survive_thinning_out() -> None:
    values = [math.sin(row / 50) for row in range(5000)]
    values[1234], values[4321] = 9.0, -9.0
    kept = thin_out(points(values))
    assert len(kept) <= MOST_POINTS
    assert (kept[0], kept[-1]) == (points(values)[0], points(values)[-1])
    assert {max(point.y for point in kept), min(point.y for point in kept)} == {9.0, -9.0}
    assert kept == sorted(kept, key=lambda point: point.x)
    assert set(kept) <= set(points(values))


@pytest.mark.parametrize("count", [1, 2, MOST_POINTS])
def test_few_points_all_stay(count: int) -> None:
    few = points([float(row % 3) for row in range(count)])
    assert thin_out(few) == few


@settings(deadline=None)
@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30), st.integers(2, 8))
def test_ticks_enclose_the_range(one: float, other: float, about: int) -> None:
    low, high = min(one, other), max(one, other)
    ticks = round_ticks(low, high, about)
    assert 2 <= len(ticks) <= about + 3
    assert ticks == sorted(ticks)
    slack = 1e-6 * max(high - low, 1e-12 * max(abs(low), abs(high)))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack


@pytest.mark.parametrize(
    ("low", "high", "about", "ticks"),
    [
        (23.4, 100, 5, [20, 40, 60, 80, 100]),
        (0, 600, 4, [0, 200, 400, 600]),
        (0.07, 0.6, 4, [0, 0.2, 0.4, 0.6]),
        (3, 3, 5, [1, 2, 3, 4, 5]),
        (0, 0, 5, [-1, -0.5, 0, 0.5, 1]),
        (1e-7, 3e-7, 4, [1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
    ],
)
def test_ticks_are_round(low: float, high: float, about: int, ticks: list[float]) -> None:
    assert round_ticks(low, high, about) == pytest.approx(ticks, abs=1e-12)


def test_a_few_peaks_do_not_count_for_the_range() -> None:
    assert bulk_range([1.0] * 98 + [1e9, -1e9]) == (1.0, 1.0)
    assert bulk_range([2.0, 1.0]) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (1500, "1500"), (60_000, "60k"), (1.5e6, "1.5M"), (2e-5, "2e-5"), (-3, "-3")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text
