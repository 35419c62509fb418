"""Rates of strangers taken for the same person, against plain loops, closed forms and people held out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.features.feature_set import FeatureSet
from genreid.search import rates
from genreid.search.rates import (
    BINS,
    PairScores,
    bin_of,
    compare_all,
    compare_listed,
    edge,
    people_for_false_matches,
    people_for_identification,
)
from tests.oracles import identification_oracle as oracle

KINDS = np.random.default_rng(99).normal(size=(12, 24))
"""People of a kind resemble each other, so a few raise most alarms."""


def people(seed: int, count: int, images: int = 3) -> FeatureSet:
    """Draw embeddings: kinds of people, people of each, images of each by three cameras."""
    random = np.random.default_rng(seed)
    base = random.normal(size=(count, 24)) + 1.2 * KINDS[random.integers(0, 12, count)]
    rows = np.repeat(base, images, 0) + 0.6 * random.normal(size=(count * images, 24))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    pid = np.repeat(np.arange(1, count + 1), images)
    return FeatureSet(unit, pid, np.tile(np.arange(images) % 3 + 1, count))


def exact(features: FeatureSet) -> FeatureSet:
    """Return embeddings of so few bits that a product of two is exact, in whatever order it is summed."""
    return FeatureSet(
        (np.round(features.embedding * 64) / 64).astype(np.float32), features.pid, features.camid
    )


def binned(features: FeatureSet) -> NDArray[np.float64]:
    """Return all likenesses, rounded down to the edges of their bins."""
    return bin_of(features.embedding @ features.embedding.T) / (BINS // 2) - 1


@pytest.fixture(scope="module")
def few() -> FeatureSet:
    """Seven people, with one to three images each."""
    return people(0, 7).select(np.array([0, 1, 2, 3, 4, 6, 9, 10, 12, 13, 14, 15, 18, 19]))


def test_bins_and_edges() -> None:
    assert edge(0) == -1
    assert edge(BINS) == 1
    assert bin_of(np.array([-1.0, 0.0, 0.5, 1.0, 1.001], np.float32)).tolist() == [
        0,
        8192,
        12288,
        16383,
        16383,
    ]


def test_false_match_rate_is_the_oracles(few: FeatureSet) -> None:
    scores, likeness, person = compare_all(few), binned(few), few.pid.tolist()
    for rate in (0.5, 0.2, 0.05):
        threshold = scores.threshold_for_false_matches(rate)
        expected = oracle.false_match_rate(likeness, person, edge(threshold))
        found = scores.false_match_rate(threshold)
        assert found.rate == pytest.approx(expected)
        if expected:

            def without(rows: list[int], threshold: int = threshold) -> float:
                part = likeness[np.ix_(rows, rows)]
                return oracle.false_match_rate(part, [person[row] for row in rows], edge(threshold))

            assert found[1:] == pytest.approx(oracle.jackknife(without, person, expected))


def test_identification_rate_is_the_oracles(few: FeatureSet) -> None:
    scores, likeness, person = compare_all(few), binned(few), few.pid.tolist()
    largest = scores.largest_gallery
    assert largest == len(few) - 3
    loud, rare = (scores.threshold_for_false_matches(rate) for rate in (0.2, 0.06))
    for threshold, size in ((loud, 2), (loud, 5), (rare, 5), (rare, largest), (rare, 4 * largest)):
        expected = oracle.identification_rate(likeness, person, edge(threshold), size)
        assert 0 < expected < 1
        assert scores.identification_rate(threshold, size).rate == pytest.approx(expected)
    drawn = oracle.identification_rate_by_drawing(likeness, person, edge(loud), 2)
    assert scores.identification_rate(loud, 2).rate == pytest.approx(drawn)


def test_interval_of_the_identification_rate_is_the_oracles(few: FeatureSet) -> None:
    scores, likeness, person = compare_all(few), binned(few), few.pid.tolist()
    size, threshold = 5, scores.threshold_for_false_matches(0.2)

    def without(rows: list[int]) -> float:
        part = likeness[np.ix_(rows, rows)]
        return oracle.identification_rate(part, [person[row] for row in rows], edge(threshold), size)

    found = scores.identification_rate(threshold, size)
    assert found[1:] == pytest.approx(oracle.jackknife(without, person, found.rate))


def test_thresholds_are_the_lowest_that_keep_a_rate(few: FeatureSet) -> None:
    scores = compare_all(few)
    for rate in (0.3, 0.1, 0.05):
        threshold = scores.threshold_for_false_matches(rate)
        assert scores.false_match_rate(threshold).rate <= rate < scores.false_match_rate(threshold - 1).rate
        threshold = scores.threshold_for_identification(rate, 5)
        assert (
            scores.identification_rate(threshold, 5).rate
            <= rate
            < scores.identification_rate(threshold - 1, 5).rate
        )


def test_closed_form_of_equal_strangers() -> None:
    """Of M others one is loud for every probe: n of them hold it with the chance n / M."""
    angles = np.array([0.0, 0.1, 2.0, 2.1, 4.0, 4.1])
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    scores = compare_all(FeatureSet(unit, np.arange(1, 7), np.full(6, -1)))
    threshold = int(bin_of(np.array(0.9, np.float32)))
    assert scores.false_match_rate(threshold).rate == pytest.approx(3 / 15)
    for size in range(1, 6):
        assert scores.identification_rate(threshold, size).rate == pytest.approx(size / 5)


def test_pairs_of_one_person_need_two_cameras_and_count_by_person() -> None:
    features = people(3, 4, 4)  # cameras 1, 2, 3, 1: five of six pairs
    camid = features.camid.copy()
    camid[:4] = [1, 1, -1, -1]  # all but one of the six
    scores = compare_all(FeatureSet(features.embedding, features.pid, camid))
    assert scores.same.sum() == pytest.approx(4)
    assert scores.seen_twice == 4
    assert scores.partners == pytest.approx(2 * 5 / 4)
    one = binned(features)[:4, :4]
    assert scores.same[bin_of(np.array(one[2, 3], np.float32))] >= 1 / 5


def test_many_images_are_counted_and_only_the_most_alike_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    features = exact(people(4, 60))
    all_kept = compare_all(features)
    monkeypatch.setattr(rates, "TAIL_PAIRS", 2_000)
    monkeypatch.setattr(rates, "ROWS_AT_ONCE", 7)
    some = compare_all(features)
    assert some.tail.least > 0
    assert np.array_equal(some.strangers, all_kept.strangers)
    assert some.same == pytest.approx(all_kept.same)
    threshold = all_kept.threshold_for_false_matches(0.01)
    assert some.false_match_rate(threshold) == pytest.approx(all_kept.false_match_rate(threshold))
    assert some.identification_rate(threshold, 9) == pytest.approx(all_kept.identification_rate(threshold, 9))
    below = some.false_match_rate(some.tail.least - 1)
    assert below.rate > 0
    assert np.isnan(below.low)


def test_people_that_are_needed() -> None:
    """Rule of three: of pairs of people, and of people whose galleries are measured or extended."""
    for rate in (0.1, 0.01, 1e-3):
        needed = people_for_false_matches(rate)
        assert needed * (needed - 1) / 2 >= 3 / rate > (needed - 1) * (needed - 2) / 2
    assert people_for_identification(0.01, 100, 10) == 300
    needed = people_for_identification(0.01, 100_000, 10)

    def expected_alarms(count: int) -> float:
        return float(count * (1 - 0.99 ** (10 * (count - 1) / 100_000)))

    assert expected_alarms(needed) >= 3 > expected_alarms(needed - 1)


def test_listed_pairs_are_the_same_statistics() -> None:
    """All pairs, given as a list, are all pairs."""
    features = exact(people(5, 12))
    scores = compare_all(features)
    first, second = np.triu_indices(len(features), 1)
    likeness = np.einsum("ij,ij->i", features.embedding[first], features.embedding[second])
    listed = compare_listed(
        likeness, features.pid[first] == features.pid[second], np.stack([first, second], axis=1)
    )
    assert listed.people == 12
    threshold = scores.threshold_for_false_matches(0.05)
    assert listed.false_match_rate(threshold) == pytest.approx(scores.false_match_rate(threshold))
    assert listed.true_match_rate(threshold) == pytest.approx(scores.true_match_rate(threshold))


def test_listed_pairs_that_contradict_each_other_are_named() -> None:
    images = np.array([[0, 1], [1, 2], [0, 2]])
    with pytest.raises(ValueError, match="pair 3 says strangers, and other pairs say"):
        compare_listed(np.zeros(3, np.float32), np.array([True, True, False]), images)
    with pytest.raises(ValueError, match="no pair of strangers"):
        compare_listed(np.zeros(3, np.float32), np.ones(3, bool), images)


def test_one_person_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 or more"):
        compare_all(people(0, 1))


@pytest.fixture(scope="module")
def held_out() -> PairScores:
    """Many other people, whose rates are the truth."""
    return compare_all(people(77, 500))


def test_promised_rates_lie_in_their_intervals(held_out: PairScores) -> None:
    """Thresholds of 100 people, tried on 500 others, 12 times: at most two of each kind miss."""
    kept = {"pairs": 0, "searches": 0, "larger": 0}
    true = []
    for seed in range(12):
        scores = compare_all(people(seed + 100, 100))
        threshold = scores.threshold_for_false_matches(2e-3)
        promised = scores.false_match_rate(threshold)
        true.append(held_out.false_match_rate(threshold).rate)
        kept["pairs"] += promised.low <= true[-1] <= promised.high
        for kind, size in (("searches", 100), ("larger", 500)):
            threshold = scores.threshold_for_identification(0.1, size)
            promised = scores.identification_rate(threshold, size)
            truth = held_out.identification_rate(threshold, size).rate
            kept[kind] += promised.low <= truth <= promised.high
    assert min(kept.values()) >= 10, kept
    assert np.mean(true) == pytest.approx(2e-3, rel=0.35)
