"""Likeness -> probability and thresholds: isotonic regression, odds, refusals, what makes it stale."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genreid.search.calibration import SIZES, Calibration, identification_at, likelihood_ratio
from genreid.search.rates import BINS, PairScores, bin_of, compare_all, compare_listed, edge
from tests.oracles.identification_oracle import rising_means
from tests.unit.search.test_rates import people

MADE = {"model": "abc", "pooling": "average", "run": "r"}


@pytest.fixture(scope="module")
def scores() -> PairScores:
    """A hundred people."""
    return compare_all(people(1, 100))


@pytest.fixture(scope="module")
def calibration(scores: PairScores) -> Calibration:
    """What is made of them."""
    return Calibration.measure(scores, MADE, "drawn", {"genreid": "0"})


def test_the_map_is_isotonic_regression_of_balanced_pairs(scores: PairScores) -> None:
    same, strangers = scores.same / 100, scores.strangers / scores.pairs
    same[0] += 1 / 100
    strangers[-1] += 1 / (100 * 99 / 2)
    used = np.flatnonzero(same + strangers)
    weights = (same + strangers)[used]
    shares = rising_means((same[used] / weights).tolist(), weights.tolist())
    likeness, log_odds = likelihood_ratio(scores)
    for place in range(0, len(used), 97):
        share = shares[place]
        found = np.interp((used[place] + 0.5) / (BINS // 2) - 1, likeness, log_odds)
        assert found == pytest.approx(math.log(share / (1 - share)), abs=1e-5)


def test_probability_is_bayes_rule_with_the_gallerys_size(calibration: Calibration) -> None:
    """Three images a person by three cameras: two partners, one expected in a gallery, half the queries."""
    assert calibration.partners == pytest.approx(2)
    likeness, ratio = calibration.likeness[-1], math.exp(calibration.log_odds[-1])
    for size in (10, 1000, 100_000):
        odds = ratio * 1 / (size - 1)
        assert calibration.probability(likeness, size) == pytest.approx(odds / (1 + odds))
    assert calibration.probability(1.0, 1) == pytest.approx(ratio / (1 + ratio))
    assert 0 < calibration.probability(-1, 10**7) < calibration.probability(1, 10**7) < 0.01


def test_probabilities_are_kept_by_people_held_out(calibration: Calibration) -> None:
    """Of pairs of others that get 30 to 70 %, so many are of one person; balanced: as if one of two was."""
    others = compare_all(people(55, 300))
    middles = (np.arange(BINS) + 0.5) / (BINS // 2) - 1
    share = np.array([calibration.probability(one, 2) for one in middles])  # odds as measured
    same, strangers = others.same / others.same.sum(), others.strangers / others.pairs
    for low, high in ((0.02, 0.3), (0.3, 0.9), (0.9, 1.0)):
        part = (share >= low) & (share < high)
        weight = same[part].sum() + strangers[part].sum()
        promised = (share[part] * (same + strangers)[part]).sum() / weight
        assert same[part].sum() / weight == pytest.approx(promised, abs=0.12)


def test_thresholds_are_those_of_the_rates(scores: PairScores, calibration: Calibration) -> None:
    first, second = calibration.false_matches  # one in 10,000 would need 246 people
    for one, rate in ((first, 1e-2), (second, 1e-3)):
        bin_ = scores.threshold_for_false_matches(rate)
        assert one.threshold == pytest.approx(edge(bin_), abs=1e-6)
        assert (one.false_match_rate, *one.interval) == pytest.approx(scores.false_match_rate(bin_))
        assert one.true_match_rate == pytest.approx(scores.same[bin_:].sum() / scores.same.sum())
        assert (one.pairs, one.people) == (scores.pairs, 100)
    assert calibration.threshold_at(1e-3) == second.threshold
    assert calibration.threshold_at(1e-4) is None


@pytest.mark.parametrize("count", [100, 101, 110])  # rates of 0.99 or 1.01 in 1,000 allow another number
def test_thresholds_of_cameras_are_those_of_their_pairs(count: int) -> None:
    features = people(1, count)
    calibration = Calibration.measure(compare_all(features), MADE, "drawn", {})
    assert [one.cameras for one in calibration.cameras] == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
    alike = bin_of(features.embedding @ features.embedding.T)
    for one in calibration.cameras:
        rows, columns = (features.camid == camera for camera in one.cameras)
        strangers = features.pid[rows, None] != features.pid[columns]
        bins = alike[np.ix_(rows, columns)][strangers]
        bins = np.sort(bins)[:: 2 if one.cameras[0] == one.cameras[1] else 1]  # each pair once
        assert one.pairs == len(bins)
        threshold = int(bin_of(np.array(one.threshold + 1e-6, np.float32)))
        allowed = int(1e-3 * len(bins))
        assert np.count_nonzero(bins >= threshold) <= allowed < np.count_nonzero(bins >= threshold - 1)


def test_sizes_go_as_far_as_people_are_enough() -> None:
    many = compare_all(people(2, 320, 2))
    found = Calibration.measure(many, MADE, "drawn", {}).identification
    assert [one.size for one in found] == [size for size in SIZES if size <= 464]
    for one in found:
        assert one.false_positive_identification_rate is not None
        assert 0 < one.false_positive_identification_rate <= 0.01
    assert [one.threshold for one in found] == sorted(one.threshold for one in found)
    calibration = Calibration.measure(many, MADE, "drawn", {})
    assert calibration.threshold_for(101) == found[1].threshold
    assert calibration.threshold_for(100) == found[0].threshold
    assert calibration.threshold_for(465) is None


def test_too_few_people_are_refused_with_the_number_needed(scores: PairScores) -> None:
    with pytest.raises(ValueError, match="300 are needed"):
        identification_at(scores, 100)
    with pytest.raises(ValueError, match=r"gallery of 100,000 images: 3,\d\d\d are needed"):
        identification_at(scores, 100_000)
    with pytest.raises(ValueError, match=r"20 people, 20 of them .* needs 25 people, one in 1,000 78"):
        Calibration.measure(compare_all(people(0, 20)), MADE, "drawn", {})


def test_listed_pairs_give_no_identification_rate() -> None:
    features = people(6, 40)
    first, second = np.triu_indices(len(features), 1)
    likeness = np.einsum("ij,ij->i", features.embedding[first], features.embedding[second])
    same = features.pid[first] == features.pid[second]
    scores = compare_listed(likeness, same, np.stack([first, second], axis=1))
    assert Calibration.measure(scores, MADE, "pairs.csv", {}).identification == ()
    with pytest.raises(ValueError, match="needs --data"):
        identification_at(scores, 100)


def test_a_calibration_is_of_one_network_and_its_options(
    calibration: Calibration, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Calibration.of_run(tmp_path, MADE) is None
    path = calibration.save(tmp_path)
    assert Calibration.of_run(tmp_path, {**MADE, "run": "moved", "mirror": "off"}) == calibration
    assert not caplog.records
    for other in ({"model": "def"}, {"mirror": "on"}, {"pooling": "lmp"}):
        with caplog.at_level(logging.WARNING, "genreid"):
            assert Calibration.of_run(tmp_path, {**MADE, **other}) is None
        assert "so that is stale" in caplog.text
        caplog.clear()
    path.write_text(path.read_text().replace('"likeness"', '"likenesses"'))
    with pytest.raises(ValueError, match=str(path)):
        Calibration.of_run(tmp_path, MADE)


def test_a_map_that_falls_is_refused(calibration: Calibration) -> None:
    with pytest.raises(ValueError, match="that rise"):
        replace(calibration, log_odds=calibration.log_odds[::-1])
