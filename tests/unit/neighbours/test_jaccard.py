"""Encodings and Jaccard distances equal the dense oracle's; only pairs that share a neighbour are stored."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from genreid.neighbours.jaccard import jaccard_distances
from genreid.neighbours.nearest import Neighbours, farthest, nearest
from genreid.neighbours.reciprocal import ReciprocalConfig, encode
from tests.oracles import jaccard_oracle

CLUSTERING = ReciprocalConfig(k1=30, k2=6, counts_itself=True)


def people(rows: int, persons: int, seed: int = 0, scatter: float = 0.7) -> NDArray[np.float32]:
    """Draw unit vectors of 16 dimensions scattered around their person's, so that lists overlap."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((persons, 16))
    points = centres[rng.integers(0, persons, rows)] + scatter * rng.standard_normal((rows, 16))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def codes_of(
    points: NDArray[np.float32], config: ReciprocalConfig, scale: NDArray[np.float32] | None = None
) -> csr_array:
    return encode(points, nearest(points, config.columns), config, scale)


def dense(distances: csr_array) -> NDArray[np.float64]:
    """What is not stored is 1; what is stored may be 0."""
    full = np.ones(distances.shape)
    full[np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr)), distances.indices] = (
        distances.data
    )
    return full


@pytest.mark.parametrize(("k1", "k2"), [(30, 6), (15, 4), (8, 1), (5, 9), (1, 1)])
@pytest.mark.parametrize("counts_itself", [False, True])
def test_encoding_is_the_oracles(k1: int, k2: int, counts_itself: bool) -> None:
    points = people(160, 14, seed=k1)
    config = ReciprocalConfig(k1=k1, k2=k2, counts_itself=counts_itself)
    entries, half = k1 + (not counts_itself), int(np.around(k1 / 2)) + 1
    distances = jaccard_oracle.squared_distances(points)
    expected = jaccard_oracle.encoding(distances, entries, half, k2)
    found = codes_of(points, config)
    np.testing.assert_allclose(found.toarray(), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    assert found.has_sorted_indices


def test_scaled_encoding_is_the_oracles() -> None:
    points = 3 * people(120, 9)  # of no unit length
    distances = jaccard_oracle.squared_distances(points)
    distances /= distances.max(1, keepdims=True)
    expected = jaccard_oracle.encoding(distances, 21, 11, 6)
    found = codes_of(points, ReciprocalConfig(), farthest(points))
    np.testing.assert_allclose(found.toarray(), expected, rtol=0, atol=1e-6)


def test_expansion_takes_more_than_two_thirds() -> None:
    """Points on a line: with half lists of three, of which two lie inside, nothing is added."""
    line = np.cumsum(np.full(40, 1.0) + 0.001 * np.arange(40))[:, None].astype(np.float32)
    distances = jaccard_oracle.squared_distances(line)
    config = ReciprocalConfig(k1=4, k2=1)
    lists = jaccard_oracle.neighbour_lists(distances)
    expected = [len(jaccard_oracle.expanded(lists, p, 5, 3)) for p in range(40)]
    assert np.diff(codes_of(line, config).indptr).tolist() == expected
    own = [jaccard_oracle.reciprocal(lists, p, 5) for p in range(40)]
    halves = [jaccard_oracle.reciprocal(lists, p, 3) for p in range(40)]
    exactly = [2 * len(halves[q]) == 3 * len(halves[q] & own[p]) for p in range(40) for q in own[p]]
    assert any(exactly)  # the border case is among them


@pytest.mark.parametrize("threads", [1, 3])
def test_distances_are_the_oracles(threads: int) -> None:
    points = people(220, 6, scatter=0.4)
    expected = jaccard_oracle.clustering_distances(points, 30, 6)
    found = jaccard_distances(codes_of(points, CLUSTERING), threads=threads)
    assert found.dtype == np.float32
    assert found.nnz < 0.9 * 220**2  # some pairs share nothing
    np.testing.assert_allclose(dense(found), expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(found.toarray(), found.toarray().T)


def test_only_near_pairs_are_stored() -> None:
    codes = codes_of(people(150, 12), CLUSTERING)
    everything, near = dense(jaccard_distances(codes)), jaccard_distances(codes, largest=0.6)
    assert near.nnz == np.count_nonzero(everything <= 0.6)
    np.testing.assert_array_equal(dense(near), np.where(everything <= 0.6, everything, 1))


def test_some_rows_against_others() -> None:
    codes = codes_of(people(150, 12), CLUSTERING)
    whole = dense(jaccard_distances(codes))
    for others in (codes[40:], codes[40:].tocsc()):
        np.testing.assert_array_equal(dense(jaccard_distances(codes[3:30], others)), whole[3:30, 40:])


def test_equal_images_are_at_distance_nothing() -> None:
    codes = codes_of(
        np.ones((8, 3), np.float32), ReciprocalConfig(k1=20), farthest(np.ones((8, 3), np.float32))
    )
    found = jaccard_distances(codes)
    assert found.nnz == 64
    np.testing.assert_allclose(found.data, 0, atol=1e-6)


def test_a_collapsed_network_is_told_early() -> None:
    codes = codes_of(np.ones((300, 3), np.float32), CLUSTERING)
    with pytest.raises(
        ValueError, match=r"more than 100 others each.*Jaccard distance of 0.6 or less.*collapsed"
    ):
        jaccard_distances(codes, largest=0.6, most_per_row=100)
    assert jaccard_distances(codes, largest=0.6).nnz > 300 * 100
    usual = codes_of(people(150, 12), CLUSTERING)
    free, limited = (
        jaccard_distances(usual, largest=0.6),
        jaccard_distances(usual, largest=0.6, most_per_row=150),
    )
    np.testing.assert_array_equal(free.toarray(), limited.toarray())


def test_weights_of_nothing_share_nothing() -> None:
    points = np.array([[0.0], [40], [90], [150]], np.float32)  # exp(-1600) is 0
    found = jaccard_distances(codes_of(points, ReciprocalConfig(k1=3, k2=1)))
    assert found.indices.tolist() == [0, 1, 2, 3]
    assert found.data.tolist() == [0, 0, 0, 0]


def test_long_rows_need_longer_arrays() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((3, 1500), np.float32)
    weights[:, 0] = 300
    codes = csr_array(np.repeat(weights / weights.sum(1, keepdims=True), 1000, axis=0))
    assert jaccard_distances(codes[:40], codes, threads=1).nnz == 40 * 3000


def test_what_does_not_fit_is_refused() -> None:
    points = people(30, 3)
    with pytest.raises(ValueError, match="k1 must be 1 or more, got 0"):
        ReciprocalConfig(k1=0)
    with pytest.raises(ValueError, match=r"neighbours: expected at least \[30, 21\], got \[30, 4\]"):
        encode(points, nearest(points, 4), ReciprocalConfig())
    codes = codes_of(points, CLUSTERING)
    with pytest.raises(ValueError, match="codes have 30 columns, others 20"):
        jaccard_distances(codes, codes[:20, :20])
    with pytest.raises(ValueError, match="largest must be from 0 to 1, got 2"):
        jaccard_distances(codes, largest=2)


def test_dbscan_takes_the_distances() -> None:
    from sklearn.cluster import DBSCAN  # noqa: PLC0415
    from sklearn.neighbors import sort_graph_by_row_values  # noqa: PLC0415

    rng = np.random.default_rng(0)
    person = np.arange(120) % 6
    points = rng.standard_normal((6, 16))[person] + 0.15 * rng.standard_normal((120, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    distances = jaccard_distances(codes_of(points, CLUSTERING), largest=0.6)
    graph = sort_graph_by_row_values(distances, warn_when_not_sorted=False)
    cluster = DBSCAN(eps=0.6, min_samples=4, metric="precomputed").fit_predict(graph)
    assert len({(int(a), int(b)) for a, b in zip(person, cluster, strict=True)}) == 6
    assert cluster.min() == 0


def test_more_columns_than_needed_change_nothing() -> None:
    points = people(90, 6)
    exact = codes_of(points, ReciprocalConfig(k1=5, k2=3))
    more = encode(points, nearest(points, 40), ReciprocalConfig(k1=5, k2=3))
    assert isinstance(nearest(points, 40), Neighbours)
    np.testing.assert_array_equal(exact.toarray(), more.toarray())
