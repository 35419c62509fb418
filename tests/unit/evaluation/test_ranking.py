"""Rankings equal the oracle's, ties and all; the protocol's rules one by one; what is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genreid.evaluation import counting, matches, ranking
from genreid.evaluation.ranking import Ranking, rank, rank_from_distances
from genreid.features.feature_set import FeatureSet
from genreid.neighbours.compiled import compile_loop
from tests.oracles.ranking_oracle import OracleRanking, mean, rank_by_definition

Ints = NDArray[np.int64]


@dataclass
class Case:
    """A small world to rank: labels and integer embeddings, whose distances are exact."""

    query_pids: Ints
    gallery_pids: Ints
    query_camids: Ints
    gallery_camids: Ints
    query: NDArray[np.float32]
    gallery: NDArray[np.float32]

    @classmethod
    def draw(cls, rng: np.random.Generator, gallery: int, people: int, queries: int = 4) -> "Case":
        """Draw junk, distractors, unknown cameras, and many equal distances."""
        return cls(
            rng.integers(rng.integers(-1, 2), people, queries),
            rng.integers(-1, people, gallery),
            rng.integers(-1, 3, queries),
            rng.integers(-1, 3, gallery),
            rng.integers(-2, 3, (queries, 3)).astype(np.float32),
            rng.integers(-2, 3, (gallery, 3)).astype(np.float32),
        )

    @property
    def labels(self) -> tuple[Ints, Ints, Ints, Ints]:
        return self.query_pids, self.gallery_pids, self.query_camids, self.gallery_camids

    @property
    def features(self) -> tuple[FeatureSet, FeatureSet]:
        return (
            FeatureSet(self.query, self.query_pids, self.query_camids),
            FeatureSet(self.gallery, self.gallery_pids, self.gallery_camids),
        )

    def distances(self) -> NDArray[np.float64]:
        differences = self.query[:, None].astype(np.float64) - self.gallery[None]
        return np.asarray((differences**2).sum(-1), np.float64)

    def oracle(self, distances: NDArray[Any] | None = None) -> OracleRanking:
        table = self.distances() if distances is None else distances
        return rank_by_definition(table.tolist(), *(labels.tolist() for labels in self.labels))


def assert_is(found: Ranking, expected: OracleRanking) -> None:
    """Everything the oracle says, query by query."""
    columns = (
        expected.average_precision,
        expected.average_precision_trapezoid,
        expected.inverse_negative_penalty,
    )
    for name, column in zip(found.scores._fields[:3], columns, strict=True):
        values = np.array([np.nan if value is None else value for value in column])
        np.testing.assert_allclose(getattr(found.scores, name), values, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.cmc, expected.cmc, atol=1e-12)
    means = (found.mAP, found.mAP_trapezoid, found.mINP)
    assert means == pytest.approx(tuple(mean(column) for column in columns), abs=1e-12)
    assert found.queries_without_match == tuple(expected.without_match)
    assert len(found.reasons_without_match) == len(expected.without_match)
    assert (found.queries, found.valid_queries) == (len(expected.average_precision), expected.valid)
    assert found.gallery == expected.gallery


def check(call: Callable[[], Ranking], expected: OracleRanking) -> None:
    """Equal to the oracle, or refused where the oracle has no valid query."""
    if expected.valid:
        assert_is(call(), expected)
    else:
        with pytest.raises(ValueError, match="no query has a correct gallery image"):
            call()


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_small_cases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(400):
        case = Case.draw(rng, gallery=int(rng.integers(1, 40)), people=int(rng.integers(2, 7)))
        check(lambda case=case: rank(*case.features), case.oracle())  # type: ignore[misc]
        distances = rng.integers(0, 6, (4, len(case.gallery))).astype(np.float32)
        expected = case.oracle(distances)
        check(
            lambda case=case, distances=distances: rank_from_distances(distances, *case.labels),  # type: ignore[misc]
            expected,
        )


@pytest.mark.parametrize("people", [3, 60, 2000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_galleries_of_many_blocks(people: int, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(people)
    case = Case.draw(rng, gallery=3 * counting.BLOCK + 100, people=people, queries=6)
    case.query_pids[:] = np.abs(case.gallery_pids[:6]) + 1
    distances = rng.integers(0, 30, (6, len(case.gallery))).astype(dtype)
    special = {29: np.inf, 28: -np.inf, 27: np.finfo(dtype).smallest_subnormal, 26: -0.0, 25: -1.0}
    for number, value in special.items():
        distances[distances == number] = value
    check(lambda: rank_from_distances(distances, *case.labels), case.oracle(distances))


@pytest.mark.parametrize("people", [3, 60, 700])
def test_features_in_many_tiles(people: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "TILE_WIDTH", 300)
    case = Case.draw(np.random.default_rng(people), gallery=2000, people=people, queries=7)
    check(lambda: rank(*case.features), case.oracle())


def test_both_ways_of_counting_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to FEW correct images all values are compared; beyond, each value is placed by a binary search."""
    rng = np.random.default_rng(5)
    for correct in (counting.FEW - 1, counting.FEW, counting.FEW + 1, 3 * counting.FEW):
        pids = rng.permutation(np.repeat([1, 2], [correct, 300]))
        labels = np.array([1]), pids, np.array([1]), np.full(len(pids), 2)
        distances = rng.integers(0, 50, (1, len(pids))).astype(np.float32)
        expected = rank_by_definition(distances.tolist(), *(each.tolist() for each in labels))
        assert_is(rank_from_distances(distances, *labels), expected)


numbers = st.floats(width=32, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_distances(data: st.DataObject) -> None:
    queries, gallery = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9))
    row = st.lists(numbers | st.sampled_from([0.0, 1.0]), min_size=gallery, max_size=gallery)
    distances = np.array(data.draw(st.lists(row, min_size=queries, max_size=queries)), np.float32)

    def labels(size: int, low: int) -> Ints:
        return np.array(data.draw(st.lists(st.integers(low, 3), min_size=size, max_size=size)), np.int64)

    lists = labels(queries, 1), labels(gallery, -1), labels(queries, -1), labels(gallery, -1)
    expected = rank_by_definition(distances.tolist(), *(each.tolist() for each in lists))
    check(lambda: rank_from_distances(distances, *lists), expected)


def test_ties_follow_the_stable_sort() -> None:
    rng = np.random.default_rng(2)
    pids, distances = rng.integers(1, 4, 60), rng.integers(0, 3, (1, 60)).astype(np.float32)
    ordered = pids[np.argsort(distances[0], kind="stable")]
    hits = np.flatnonzero(ordered == 2)
    found = rank_from_distances(distances, [2], pids, [1], np.full(60, 2))
    assert found.scores.first_match[0] == hits[0]
    assert found.average_precision[0] == pytest.approx(np.mean((np.arange(len(hits)) + 1) / (hits + 1)))


def near_copies(rng: np.random.Generator, rows: int, spread: float) -> NDArray[np.float32]:
    """Unit vectors so near to each other that float32 products cannot tell them apart."""
    vectors = rng.standard_normal(64) + spread * rng.standard_normal((rows, 64))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
def test_rounding_of_products_does_not_decide(spread: float) -> None:
    rng = np.random.default_rng(7)
    case = Case.draw(rng, gallery=700, people=20, queries=33)
    vectors = near_copies(rng, 733, spread)
    case.query, case.gallery = vectors[:33], vectors[33:]
    check(lambda: rank(*case.features), case.oracle())


def test_a_collapsed_network_is_all_ties() -> None:
    rng = np.random.default_rng(8)
    case = Case.draw(rng, gallery=1100, people=20, queries=70)
    case.query = np.repeat(near_copies(rng, 1, 1.0), 70, axis=0)
    case.gallery = np.repeat(case.query[:1], 1100, axis=0)
    assert_is(rank(*case.features), case.oracle(np.zeros((70, 1100))))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 50.0])
def test_vectors_need_not_have_unit_length(factor: float) -> None:
    rng = np.random.default_rng(9)
    case = Case.draw(rng, gallery=300, people=9, queries=12)
    case.query = (factor * rng.standard_normal((12, 40))).astype(np.float32)
    case.gallery = (factor * rng.standard_normal((300, 40)) * rng.uniform(0.1, 3, (300, 1))).astype(
        np.float32
    )
    check(lambda: rank(*case.features), case.oracle())


@pytest.mark.parametrize("limit", ["QUERIES_AT_ONCE", "DISTANCES_AT_ONCE", "PAIRS_AT_ONCE"])
def test_chunks_change_nothing(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.draw(np.random.default_rng(11), gallery=50, people=5, queries=23)
    expected = case.oracle()
    monkeypatch.setattr(matches if limit == "PAIRS_AT_ONCE" else ranking, limit, 7)
    assert_is(rank(*case.features), expected)
    assert_is(rank_from_distances(case.distances(), *case.labels), expected)


def test_hand_made_examples() -> None:
    second = rank_from_distances([[2.0, 1.0]], [1], [1, 2], [1], [2, 2])
    assert (second.mAP, second.mAP_trapezoid, second.mINP) == (0.5, 0.25, 0.5)
    assert second.cmc.tolist() == [0.0, 1.0]
    first_and_third = rank_from_distances([[1.0, 2.0, 3.0]], [1], [1, 2, 1], [1], [2, 2, 2])
    assert first_and_third.mAP == pytest.approx(5 / 6)
    assert first_and_third.mAP_trapezoid == pytest.approx(19 / 24)


def test_who_is_left_out() -> None:
    # nearest first: junk, own camera, distractor, unknown camera (right), stranger, other camera (right)
    pids, camids = [-1, 7, 0, 7, 3, 7], [1, 1, 1, -1, 2, 2]
    found = rank_from_distances([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]], [7], pids, [1], camids)
    assert found.scores.first_match.tolist() == [1]  # behind the distractor only
    assert found.mAP == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found.gallery == 5
    unknown = rank_from_distances([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]], [7], pids, [-1], camids)
    assert unknown.scores.first_match.tolist() == [0]  # its own camera may be another
    assert unknown.mAP == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_queries_without_a_correct_image_are_named() -> None:
    pids, camids = [1, 2, 0, -1], [1, 1, 1, 1]
    found = rank_from_distances(np.zeros((5, 4)), [1, 9, 2, 0, -1], pids, [2, 2, 1, 2, 2], camids)
    assert (found.queries, found.valid_queries) == (5, 1)
    assert found.queries_without_match == (1, 2, 3, 4)
    reasons = ("not_in_gallery", "own_camera_only", "not_a_person", "not_a_person")
    assert found.reasons_without_match == reasons
    assert np.isnan(found.average_precision[1:]).all()
    assert found.rank_at(1) == 1.0, "invalid queries are no failures"


def test_no_valid_query_is_refused_with_the_reasons() -> None:
    with pytest.raises(
        ValueError, match=r"of 2 queries 1 show people whom the gallery does not show, 1 show"
    ):
        rank_from_distances(np.zeros((2, 2)), [5, 1], [1, 2], [1, 1], [1, 2])


@pytest.mark.parametrize("pid", [1, 2**15 - 1, 2**15, 2**16 + 1, 2**40])
def test_identities_of_any_size(pid: int) -> None:
    found = rank_from_distances([[2.0, 1.0, 3.0]], [pid], [pid, 1 + pid % 2**16, 3], [1], [2, 2, 2])
    assert found.scores.first_match.tolist() == [1]


def test_a_gallery_smaller_than_the_ranks() -> None:
    found = rank_from_distances([[5.0, 4.0, 3.0]], [1], [1, 2, 3], [1], [2, 2, 2])
    assert len(found.cmc) == 3
    assert [found.rank_at(k) for k in (1, 2, 3, 5, 20)] == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert found.to_json()["rank20"] == 1.0
    with pytest.raises(ValueError, match="expected a rank from 1 to 3, got 0"):
        found.rank_at(0)


def test_ranks_beyond_the_cmc_are_refused() -> None:
    found = rank_from_distances([np.arange(60.0)], [1], [1, *[2] * 59], [1], [2] * 60)
    assert len(found.cmc) == ranking.CMC_RANKS == 50
    with pytest.raises(ValueError, match="expected a rank from 1 to 50, got 51"):
        found.rank_at(51)


def test_json_has_the_keys_of_the_contract() -> None:
    found = rank_from_distances([[2.0, 1.0]], [1], [1, 2], [1], [2, 2]).to_json()
    expected = "rank1 rank5 rank10 rank20 mAP mAP_trapezoid mINP queries valid_queries gallery"
    assert list(found) == expected.split()
    assert [type(value) for value in found.values()] == [float] * 7 + [int] * 3
    assert found["rank1"] == 0.0
    assert found["gallery"] == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda matrix: matrix.astype(np.int32),
        lambda matrix: matrix.astype(np.float16),
        lambda matrix: matrix.astype(np.uint8),
        lambda matrix: matrix.astype(">f4"),
        np.asfortranarray,
        lambda matrix: np.repeat(matrix, 2, axis=1)[:, ::2],
        lambda matrix: matrix.tolist(),
    ],
)
def test_distances_of_any_kind(change: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(3)
    case = Case.draw(rng, gallery=30, people=4)
    case.query_pids[:] = 1
    matrix = rng.integers(0, 9, (4, 30)).astype(np.float32)
    assert_is(rank_from_distances(change(matrix), *case.labels), case.oracle(matrix))


def test_distances_stay_as_they_were(tmp_path: Path) -> None:
    case = Case.draw(np.random.default_rng(4), gallery=500, people=3)  # more correct images than FEW
    np.save(tmp_path / "d.npy", case.distances().astype(np.float32))
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    assert_is(rank_from_distances(mapped, *case.labels), case.oracle())
    own = case.distances()
    rank_from_distances(own, *case.labels)
    assert np.array_equal(own, case.distances())


@pytest.mark.parametrize("correct", [1, 100])
@pytest.mark.parametrize("column", [0, 299])
def test_nan_distances_are_named(correct: int, column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "DISTANCES_AT_ONCE", 600)  # two queries in a chunk
    pids = [1] * correct + [2] * (299 - correct) + [-1]  # the last one is junk: it is looked at, too
    distances = np.zeros((5, 300), np.float32)
    distances[3, column] = np.nan
    with pytest.raises(ValueError, match=rf"NaN in row 3 \(query\), column {column} \(gallery\)"):
        rank_from_distances(distances, [1] * 5, pids, [1] * 5, [2] * 300)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_named(value: float) -> None:
    case = Case.draw(np.random.default_rng(1), gallery=20, people=3)
    query, gallery = case.features
    gallery.embedding[17, 2] = value
    with pytest.raises(ValueError, match=r"gallery: 1 of 20 embeddings .* row 17"):
        rank(query, gallery)
    with pytest.raises(ValueError, match="query: 1 of 20 embeddings"):
        rank(gallery, query)


def test_widths_must_agree() -> None:
    query = FeatureSet(np.ones((2, 8), np.float32), np.ones(2, np.int64), np.ones(2, np.int64))
    gallery = FeatureSet(np.ones((2, 4), np.float32), np.ones(2, np.int64), np.ones(2, np.int64))
    with pytest.raises(ValueError, match="queries have 8 dimensions, the gallery 4"):
        rank(query, gallery)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [1], [1, 1], [1], [2, 2]), r"expected numbers \[Q, G\] = \[1, 2\], got float64 \[1, 1\]"),
        (([["a", "b"]], [1], [1, 1], [1], [2, 2]), r"distances: expected numbers"),
        (([[1.0]], [1.0], [1], [1], [2]), "query_pids: expected a list of whole numbers, got float64"),
        (
            ([[1.0]], [1], [[1]], [1], [2]),
            r"gallery_pids: expected a list of whole numbers, got int64 \[1, 1\]",
        ),
        (([[1.0]], [1], [1], [], [2]), "query_camids: expected a list"),
        (([[1.0]], [1], [1], [1], [2, 2]), "gallery_camids: expected 1 labels, one for each identity, got 2"),
        (([[1.0, 1.0]], [1], [1, -2], [1], [2, 2]), "gallery_pids: expected -1, 0 or .* got -2 in row 1"),
        ((np.zeros((0, 1)), [], [1], [], [1]), "query_pids: expected a list"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank_from_distances(*arguments)


def test_memory_does_not_grow_with_the_gallery() -> None:
    import tracemalloc  # noqa: PLC0415

    people, size = 500, 100_000
    rng = np.random.default_rng(0)
    query = FeatureSet(rng.random((100, 4), np.float32), np.arange(100) + 1, np.ones(100, np.int64))
    pids = np.arange(size) % people
    gallery = FeatureSet(rng.random((size, 4), np.float32), pids, np.full(size, 2))
    few = FeatureSet(gallery.embedding[:people], pids[:people], np.full(people, 2))
    rank(query, few)  # compiles: in a fresh clone that takes memory of its own
    tracemalloc.start()
    rank(query, gallery)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * size * 4 / 2, "half of the distance matrix"


def test_no_place_for_the_compiler_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a read-only package of a user without a home the loops are compiled each time, and work."""
    import numba  # noqa: PLC0415

    original = numba.njit

    def njit(**options: Any) -> Any:
        if options.pop("cache", False):
            msg = "cannot cache function: no locator available for file"
            raise RuntimeError(msg)
        return original(**options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compile_loop(lambda number: number + 1)(2) == 3
