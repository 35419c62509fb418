"""Scores from ranks, by hand (spec G2, G3, G3b)."""

import numpy as np
import pytest

from genreid.evaluation.metrics import cumulative_match, score_queries


def scores_of(*ranks: int) -> tuple[float, float, float]:
    """Rectangular AP, trapezoid AP and INP of one query."""
    scores = score_queries(np.array([0, len(ranks)]), np.array(ranks))
    return tuple(float(column[0]) for column in scores[:3])  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("ranks", "rectangular", "trapezoid", "inp"),
    [
        ((0,), 1.0, 1.0, 1.0),
        ((1,), 1 / 2, 1 / 4, 1 / 2),  # one correct image, second
        ((0, 2), (1 + 2 / 3) / 2, (1 + (2 / 3 + 1 / 2) / 2) / 2, 2 / 3),  # 0.833, 0.792
        ((0, 1, 2), 1.0, 1.0, 1.0),
        ((9,), 1 / 10, 1 / 20, 1 / 10),
        ((1, 2), (1 / 2 + 2 / 3) / 2, ((1 / 2 + 0) / 2 + (2 / 3 + 1 / 2) / 2) / 2, 2 / 3),
    ],
)
def test_by_hand(ranks: tuple[int, ...], rectangular: float, trapezoid: float, inp: float) -> None:
    assert scores_of(*ranks) == pytest.approx((rectangular, trapezoid, inp), abs=1e-12)


def test_the_difference_of_both_precisions() -> None:
    ranks = np.array([0, 3, 4, 11, 40])
    rectangular, trapezoid, _ = scores_of(*ranks.tolist())
    terms = [(r - i) / (r * (r + 1)) for i, r in enumerate(ranks.tolist()) if r > 0]
    assert rectangular - trapezoid == pytest.approx(sum(terms) / (2 * len(ranks)), abs=1e-12)


def test_queries_are_kept_apart() -> None:
    scores = score_queries(np.array([0, 1, 1, 3, 3]), np.array([1, 0, 2]))
    assert np.allclose(scores.average_precision, [0.5, np.nan, 5 / 6, np.nan], equal_nan=True)
    assert np.allclose(scores.average_precision_trapezoid, [0.25, np.nan, 19 / 24, np.nan], equal_nan=True)
    assert np.allclose(scores.inverse_negative_penalty, [0.5, np.nan, 2 / 3, np.nan], equal_nan=True)
    assert scores.first_match.tolist() == [1, -1, 0, -1]


def test_cmc_counts_valid_queries_only() -> None:
    cmc = cumulative_match(np.array([0, -1, 2, 0, 9, -1]), 4)
    assert cmc.tolist() == [0.5, 0.5, 0.75, 0.75]
