"""The bootstrap against loops, against closed forms, and whether it covers the truth as often as it says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.evaluation.bootstrap import (
    FIGURES,
    BootstrapConfig,
    bootstrap,
    bootstrap_gain,
    query_figures,
)
from genreid.evaluation.metrics import QueryScores
from tests.oracles.bootstrap_oracle import interval


def figures(queries: int, seed: int = 0) -> NDArray[np.float64]:
    """Figures of each query by chance."""
    return np.random.default_rng(seed).uniform(size=(queries, len(FIGURES)))


@pytest.mark.parametrize(("level", "seed"), [(0.95, 0), (0.8, 3)])
def test_intervals_are_those_of_the_loops(level: float, seed: int) -> None:
    values = figures(17)
    found = bootstrap(values, BootstrapConfig(resamples=101, level=level, seed=seed))
    for column, name in enumerate(FIGURES):
        low, high = interval(values[:, column].tolist(), 101, level, seed)
        assert found[name] == pytest.approx((low, high), rel=1e-12)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(figures(9), BootstrapConfig(resamples=50))
    monkeypatch.setattr("genreid.evaluation.bootstrap._COUNTS_AT_ONCE", 9 * 7)
    in_parts = bootstrap(figures(9), BootstrapConfig(resamples=50))
    for name in FIGURES:  # a matrix product of another shape may add in another order
        assert in_parts[name] == pytest.approx(whole[name], rel=1e-12)


def test_what_a_query_contributes() -> None:
    scores = QueryScores(
        np.array([1.0, np.nan, 0.25]),
        np.array([1.0, np.nan, 0.2]),
        np.array([0.5, np.nan, 0.1]),
        np.array([0, -1, 3]),
    )
    assert query_figures(scores).tolist() == [[1, 1, 1, 0.5], [0, 0.25, 0.2, 0.1]]


def test_equal_queries_leave_no_doubt() -> None:
    found = bootstrap(np.full((30, len(FIGURES)), 0.25))
    assert all(ends == pytest.approx((0.25, 0.25)) for ends in found.values())


def test_the_width_is_that_of_the_normal_law() -> None:
    values = figures(1_000, seed=4)
    low, high = bootstrap(values)["mAP"]
    width = 2 * 1.96 * values[:, 1].std() / np.sqrt(1_000)
    assert high - low == pytest.approx(width, rel=0.05)
    assert low < values[:, 1].mean() < high


def test_the_truth_is_covered_as_often_as_it_says() -> None:
    """200 test sets of 150 queries with a true rank-1 of 0.3 and a true mAP of 1/3: 95 % within 4 points."""
    random, covered = np.random.default_rng(7), np.zeros(2)
    for trial in range(200):
        values = np.zeros((150, len(FIGURES)))
        values[:, 0] = random.uniform(size=150) < 0.3
        values[:, 1] = random.beta(1, 2, size=150)
        found = bootstrap(values, BootstrapConfig(resamples=400, seed=trial))
        for column, (name, truth) in enumerate((("rank1", 0.3), ("mAP", 1 / 3))):
            covered[column] += found[name].low <= truth <= found[name].high
    assert covered / 200 == pytest.approx([0.95, 0.95], abs=0.04)


def test_a_gain_is_drawn_in_pairs() -> None:
    """Both hard for the same queries: the same gain on each leaves no doubt, whatever the figures are."""
    control = figures(40) / 2
    found = bootstrap_gain(control + 0.1, control)
    assert all(ends == pytest.approx((0.1, 0.1)) for ends in found.values())
    lone = bootstrap(control + 0.1)
    assert all(lone[name].high - lone[name].low > 0.05 for name in FIGURES)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="a query at least"):
        bootstrap(np.zeros((0, 4)))
    with pytest.raises(ValueError, match="40 queries against 39 of the control"):
        bootstrap_gain(figures(40), figures(39))
    with pytest.raises(ValueError, match=r"level between 0 and 1 are needed, got 2000 and 1\.2"):
        BootstrapConfig(level=1.2)
