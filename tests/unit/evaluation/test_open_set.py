"""Open-set identification against plain loops and closed forms."""

import numpy as np
import pytest

from genreid.evaluation.open_set import BestLikeness, at_rate, best_likeness, open_set, threshold_at
from genreid.features.feature_set import FeatureSet
from tests.oracles import identification_oracle as oracle


def draw(seed: int, pids: list[int], camids: list[int]) -> FeatureSet:
    """Return embeddings near one point for each person."""
    random = np.random.default_rng(seed)
    points = np.random.default_rng(5).normal(size=(100, 6))
    rows = np.array([points[pid] for pid in pids]) + 0.7 * random.normal(size=(len(pids), 6))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return FeatureSet(unit, np.array(pids), np.array(camids))


@pytest.fixture
def sides() -> tuple[FeatureSet, FeatureSet]:
    """40 queries, some without a correct image; a gallery with junk, distractors and an unknown camera."""
    random = np.random.default_rng(3)
    asked = [*random.integers(1, 15, 38).tolist(), 0, 20]
    ranked = [*random.integers(1, 15, 60).tolist(), *[-1] * 5, *[0] * 5]
    cameras = random.integers(1, 4, 110).tolist()
    cameras[50] = cameras[3] = -1
    return draw(1, asked, cameras[:40]), draw(2, ranked, cameras[40:])


def test_it_is_the_oracles(sides: tuple[FeatureSet, FeatureSet]) -> None:
    query, gallery = sides
    likeness = (query.embedding @ gallery.embedding.T).astype(np.float64)
    keep = query.pid > 0
    labels = [list(zip(side.pid.tolist(), side.camid.tolist(), strict=True)) for side in sides]
    asked = [label for label in labels[0] if label[0] > 0]
    best = best_likeness(query, gallery)
    assert (len(best.person), best.gallery) == (39, 65)
    for rate in (0.05, 0.1, 0.3, 0.8):
        threshold, found = oracle.open_set(likeness[keep], asked, labels[1], rate)
        assert threshold_at(best, rate) == pytest.approx(threshold, abs=1e-6)
        if rate >= 0.1:
            result = at_rate(best, rate)
            assert result.true_positive_identification_rate == pytest.approx(found)
            assert result.threshold == pytest.approx(threshold, abs=1e-6)
    assert [one.true_positive_identification_rate is None for one in open_set(query, gallery)] == [
        True,
        True,
        False,
    ]


def test_closed_form() -> None:
    """Alarms at 0.1 to 1.0, every known person at 0.75: at 30 % of alarms from 0.75 on (0.8, 0.9, 1.0)."""
    wrong = np.arange(1, 31) / 30
    right = np.where(np.arange(30) < 20, 0.75, -np.inf)
    best = BestLikeness(np.arange(30) // 2, right, wrong, 100)
    found = at_rate(best, 8 / 30)
    assert found.threshold == 0.75
    assert found.true_positive_identification_rate == pytest.approx(20 / 20)  # their own alarms are lower
    assert found.interval == (1.0, 1.0)
    assert at_rate(best, 7 / 30).threshold == pytest.approx(24 / 30)
    assert at_rate(best, 7 / 30).true_positive_identification_rate == 0
    assert at_rate(best, 0.05).queries_needed == 60
    assert at_rate(best, 0.05).threshold is None


def test_an_equal_stranger_counts_as_the_nearer() -> None:
    best = BestLikeness(np.arange(20), np.full(20, 0.5), np.r_[np.full(10, 0.5), np.full(10, 0.1)], 20)
    assert at_rate(best, 0.5).true_positive_identification_rate == 0.5


def test_interval_leaves_out_people() -> None:
    """Ten people of two queries, four of them found: sqrt(9/10 sum of squares) by hand."""
    person = np.repeat(np.arange(10), 2)
    right = np.where(person < 4, 0.9, 0.2)
    found = at_rate(BestLikeness(person, right, np.full(20, 0.3), 9), 0.5)
    assert found.threshold == 0.9
    assert found.true_positive_identification_rate == pytest.approx(0.4)
    without = np.array([6 / 18] * 4 + [8 / 18] * 6)
    spread = np.sqrt(0.9 * ((without - without.mean()) ** 2).sum())
    assert found.interval == pytest.approx((0.4 - 1.959964 * spread, 0.4 + 1.959964 * spread))


def test_nobody_else_is_refused() -> None:
    with pytest.raises(ValueError, match="images of other people"):
        open_set(draw(0, [1, 1], [1, 2]), draw(1, [1, 1], [1, 2]))
