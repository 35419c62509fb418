"""Neighbours are those of a full sort, ties by row, whatever the threads; what is refused."""

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.neighbours import nearest as nearest_module
from genreid.neighbours.nearest import farthest, nearest


def drawn(rows: int, width: int = 8, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((rows, width), np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def all_distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    differences = first[:, None].astype(np.float64) - second[None]
    return np.asarray((differences**2).sum(-1))


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_find_themselves_then_the_nearest(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(nearest_module, "QUERIES_AT_ONCE", 37)
    points = drawn(200)
    found = nearest(points, 30, threads=threads)
    distances = all_distances(points, points)
    np.fill_diagonal(distances, -1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :30]
    assert found.row.dtype == np.int32
    np.testing.assert_array_equal(found.row, order)
    expected = np.maximum(0, np.take_along_axis(distances, order, 1))
    np.testing.assert_allclose(found.distance, expected, rtol=1e-6)


def test_queries_are_other_points() -> None:
    points, queries = drawn(150), drawn(40, seed=1)
    found = nearest(points, 7, queries)
    order = np.argsort(all_distances(queries, points), axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(found.row, order)
    np.testing.assert_array_equal(nearest(points, 1, points[:5]).row[:, 0], np.arange(5))


def test_equal_rows_come_in_their_order_but_for_the_point_itself() -> None:
    points = np.repeat(drawn(3), 4, axis=0)  # rows 0 to 3 are equal, and so on
    index = nearest(points, 4).row
    assert index[:4].tolist() == [[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3], [3, 0, 1, 2]]


def test_a_point_finds_itself_among_many_equal_ones() -> None:
    found = nearest(np.ones((60, 4), np.float32), 3)
    np.testing.assert_array_equal(found.row[:, 0], np.arange(60))
    assert not found.distance.any()


def test_all_rows_if_there_are_no_more() -> None:
    found = nearest(drawn(5), 9)
    assert found.row.shape == (5, 5)
    assert [sorted(row) for row in found.row.tolist()] == [[0, 1, 2, 3, 4]] * 5


def test_lengths_count() -> None:
    points = np.array([[1, 0], [3, 0], [0, 1.5]], np.float32)
    found = nearest(points, 3)
    assert found.row.tolist() == [[0, 2, 1], [1, 0, 2], [2, 0, 1]]
    np.testing.assert_allclose(found.distance[0], [0, 3.25, 4], rtol=1e-6)


def test_farthest_is_the_largest_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "TILE", 16)
    points = drawn(75)
    np.testing.assert_allclose(farthest(points), all_distances(points, points).max(1), rtol=1e-5)


def test_faiss_has_its_threads_back() -> None:
    before = faiss.omp_get_max_threads()
    nearest(drawn(9), 2, threads=1)
    assert faiss.omp_get_max_threads() == before


def test_a_read_only_map_will_do() -> None:
    points = drawn(12)
    points.flags.writeable = False
    assert nearest(points, 2).row.shape == (12, 2)


def test_what_does_not_fit_is_refused() -> None:
    points = drawn(6)
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        nearest(points, 0)
    with pytest.raises(ValueError, match=r"expected \[N, D\] of float32, got \[6, 8\] of float64"):
        nearest(points.astype(np.float64), 2)
    with pytest.raises(ValueError, match=r"queries: expected \[N, 8\] of float32.* got \[6, 3\]"):
        nearest(points, 2, np.ascontiguousarray(points[:, :3]))
    points[4, 2] = np.nan
    with pytest.raises(ValueError, match="embedding: row 4 is not finite"):
        farthest(points)
