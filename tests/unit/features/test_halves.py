"""Halves of DG-Net's embeddings: taken alone, weighted anew, and what does not fit is refused."""

import numpy as np
import pytest

from genreid.features.feature_set import FeatureSet
from genreid.features.halves import describe_halves, halves_in, take_half, weight_fine_half
from tests.oracles.dgnet_features_oracle import TwoHalves, published_score, unit

PRIMARY, FINE = 5, 3


def drawn_halves(count: int, seed: int = 0) -> list[TwoHalves]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, PRIMARY + FINE)).tolist()
    return [TwoHalves(unit(vector[:PRIMARY]), unit(vector[PRIMARY:])) for vector in vectors]


def joined(halves: list[TwoHalves], weight: float = 0.5) -> FeatureSet:
    rows = [unit([*each.primary, *(weight**0.5 * value for value in each.fine)]) for each in halves]
    metadata = {"run": "d", **describe_halves(PRIMARY, FINE, weight)}
    paths = tuple(f"{row}.jpg" for row in range(len(rows)))
    numbers = np.arange(len(rows))
    return FeatureSet(np.array(rows, np.float32), numbers, numbers % 3, paths, metadata)


def test_either_half_comes_back() -> None:
    halves = drawn_halves(7)
    features = joined(halves)
    assert halves_in(features) == {"primary": slice(0, 5), "fine": slice(5, 8)}
    primary, fine = take_half(features, "primary"), take_half(features, "fine")
    np.testing.assert_allclose(primary.embedding, [each.primary for each in halves], atol=1e-6)
    np.testing.assert_allclose(fine.embedding, [each.fine for each in halves], atol=1e-6)
    assert primary.embedding.dtype == np.float32
    assert primary.metadata == {"run": "d", "half": "primary"}
    assert not halves_in(fine)
    np.testing.assert_array_equal(fine.pid, features.pid)
    np.testing.assert_array_equal(fine.camid, features.camid)
    assert fine.paths == features.paths


@pytest.mark.parametrize("weight", [0.1, 0.5, 2.0])
def test_another_weight_ranks_as_the_published_score_with_it(weight: float) -> None:
    halves = drawn_halves(9)
    found = weight_fine_half(joined(halves), weight)
    np.testing.assert_allclose(found.embedding, joined(halves, weight).embedding, atol=1e-6)
    cosines = found.embedding @ found.embedding.T
    scores = [[published_score(left, right, weight) for right in halves] for left in halves]
    np.testing.assert_allclose((1 + weight) * cosines, scores, atol=3e-6)
    assert found.metadata == {"run": "d", "halves": "primary:5,fine:3", "fine_weight": f"{weight:g}"}


def test_without_the_fine_half() -> None:
    halves = drawn_halves(4)
    found = weight_fine_half(joined(halves), 0)
    np.testing.assert_allclose(found.embedding, [each.primary for each in halves], atol=1e-6)
    assert found.metadata == {"run": "d", "fine_weight": "0"}
    with pytest.raises(ValueError, match="no primary and fine half"):
        weight_fine_half(found, 0.5)


def test_a_half_of_zeros_stays_so() -> None:
    features = joined(drawn_halves(2))
    features.embedding[1, 5:] = 0
    assert not take_half(features, "fine").embedding[1].any()
    assert take_half(features, "fine").embedding[0].any()


def test_embeddings_of_one_piece_have_no_halves() -> None:
    plain = FeatureSet(np.ones((2, 4), np.float32), np.arange(2), np.arange(2))
    assert halves_in(plain) == {}
    with pytest.raises(ValueError, match=r"no primary and fine half .*genreid extract RUN"):
        take_half(plain, "primary")


@pytest.mark.parametrize("text", ["primary:5,fine:4", "primary:8,fine:0", "left:4,right:4", ""])
def test_metadata_that_do_not_fit_are_named(text: str) -> None:
    features = FeatureSet(np.ones((2, 8), np.float32), np.arange(2), np.arange(2), metadata={"halves": text})
    with pytest.raises(ValueError, match=r"embeddings of 8 numbers, expected primary:P,fine:F"):
        halves_in(features)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_that_cannot_be_meant(weight: float) -> None:
    with pytest.raises(ValueError, match="--fine-weight must be a number from 0"):
        weight_fine_half(joined(drawn_halves(2)), weight)
