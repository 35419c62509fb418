"""k-reciprocal encoding (Zhong et al., CVPR 2017, sections 3.2 to 3.4), sparse.

The list N(p, k) holds the nearest rows of p, p itself the first. Then

    R(p, k)   = {g in N(p, k): p in N(g, k)}                                   k-reciprocal neighbours
    R*(p, k1) = R(p, k1) and each R(q, k1/2), q in R(p, k1),
                more than 2/3 of which lie in R(p, k1)                         expansion by half lists
    V[p, g]   = exp(-d(p, g)) for g in R*(p, k1), else 0; each row divided by its sum
    V[p]     <- mean of V[q] over the k2 first q of N(p)                       query expansion

Where paper and published code differ this is the code, of which all published figures are:

- "more than 2/3", where the paper has "at least 2/3";
- a list of k1 others has k1 + 1 entries with p itself, and its half list round(k1 / 2) + 1 (halves to even);
- d is the squared Euclidean distance, divided in re-ranking by p's largest distance to any row, and bare in
  clustering (spec H1), where k1 counts p itself but the half list is as long as before.

A row of V holds some dozens of values, so N rows take memory as N does. This module imports numba.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from genreid.neighbours.compiled import compile_loop, squared_distance
from genreid.neighbours.nearest import Neighbours
from genreid.neighbours.sparse_rows import Rows, as_csr, longer
from genreid.neighbours.threads import in_threads, read_only


@dataclass(frozen=True, kw_only=True)
class ReciprocalConfig:
    """How the lists are cut.

    Raises:
        ValueError: If a number is below 1.
    """

    k1: int = 20
    """Neighbours in a list: 20 for re-ranking (Zhong 2017), 30 for clustering (Cluster Contrast, spec H1)."""
    k2: int = 6
    """Rows over which query expansion takes the mean, the point itself among them; 1: none."""
    counts_itself: bool = False
    """Whether the k1 neighbours contain the point itself: no for re-ranking, yes for clustering."""

    def __post_init__(self) -> None:
        """Refuse empty lists."""
        for name in ("k1", "k2"):
            if getattr(self, name) < 1:
                msg = f"{name} must be 1 or more, got {getattr(self, name)}"
                raise ValueError(msg)

    @property
    def entries(self) -> int:
        """Length of a list, the point itself among them."""
        return self.k1 if self.counts_itself else self.k1 + 1

    @property
    def half_entries(self) -> int:
        """Length of a half list, the point itself among them."""
        return round(self.k1 / 2) + 1

    @property
    def columns(self) -> int:
        """How many neighbours `encode` needs of each point."""
        return max(self.entries, self.half_entries, self.k2)


class _Lists(NamedTuple):
    """Reciprocal neighbours of each point, in the order of their distance."""

    length: NDArray[np.int32]
    """int32 [N]."""
    image: NDArray[np.int32]
    """int32 [N, longest]; the first `length` of a row are meant."""


def encode(
    embedding: NDArray[np.float32],
    neighbours: Neighbours,
    config: ReciprocalConfig,
    scale: NDArray[np.float32] | None = None,
    threads: int | None = None,
) -> csr_array:
    """Encode each point by its k-reciprocal neighbours.

    Args:
        embedding: float32 [N, D].
        neighbours: `nearest(embedding, config.columns)`, or more columns.
        config: How the lists are cut.
        scale: float32 [N], what distances from each point are divided by (`farthest` for re-ranking; 0 counts
            as 1: then all rows are equal). None: nothing.
        threads: At most so many; None: as many as the process may use.

    Returns:
        V: float32 [N, N], sparse, columns ascending; each row adds up to 1.

    Raises:
        ValueError: If the neighbours are not those of all N points, or too few columns of them.
    """
    points = len(embedding)
    expected = (points, min(config.columns, points))
    if len(neighbours.row) != points or neighbours.row.shape[1] < expected[1]:
        msg = f"neighbours: expected at least {list(expected)}, got {list(neighbours.row.shape)}"
        raise ValueError(msg)
    full = _reciprocal(neighbours.row[:, : config.entries], threads)
    half = _reciprocal(neighbours.row[:, : config.half_entries], threads)
    divisor = np.ones(points, np.float32) if scale is None else np.where(scale > 0, scale, np.float32(1))
    rows = read_only(embedding)

    def expand(first: int, last: int) -> Rows:
        return Rows(*_expand(rows, neighbours, full, half, divisor, (first, last)))

    codes = as_csr(in_threads(expand, points, threads), points)
    return _average(codes, neighbours.row[:, : config.k2])


def _average(codes: csr_array, index: NDArray[np.int32]) -> csr_array:
    """Return for each point the mean of the codes of the given rows."""
    points, rows = index.shape
    if rows == 1:
        return codes  # the point itself
    share = np.full(index.size, 1 / rows, np.float32)
    averaging = csr_array((share, index.reshape(-1), np.arange(0, index.size + 1, rows)), (points, points))
    mean = csr_array(averaging @ codes)
    mean.sort_indices()
    return mean


def _reciprocal(index: NDArray[np.int32], threads: int | None) -> _Lists:
    """Return R(p, k) of each point from the lists N(p, k), int32 [N, k]."""
    lists = np.ascontiguousarray(index)
    found = _Lists(np.empty(len(lists), np.int32), np.empty(lists.shape, np.int32))
    in_threads(lambda first, last: _keep_mutual(lists, first, last, *found), len(lists), threads)
    return found


@compile_loop
def _keep_mutual(
    lists: NDArray[np.int32], first: int, last: int, count: NDArray[np.int32], image: NDArray[np.int32]
) -> None:
    """Write those of each list in whose own list the point stands."""
    for point in range(first, last):
        size = 0
        for entry in range(lists.shape[1]):
            other = lists[point, entry]
            for back in range(lists.shape[1]):
                if lists[other, back] == point:
                    image[point, size] = other
                    size += 1
                    break
        count[point] = size


class _Marks(NamedTuple):
    """What is known of all points while one is encoded; a mark is its number, so nothing is cleared."""

    member: NDArray[np.int32]
    """int32 [N]: it is in R(p, k1)."""
    taken: NDArray[np.int32]
    """int32 [N]: it is in R*(p, k1)."""
    listed: NDArray[np.int32]
    """int32 [N]: its distance is known."""
    distance: NDArray[np.float32]
    """float32 [N]."""


@compile_loop
def _expand(
    embedding: NDArray[np.float32],
    neighbours: Neighbours,
    full: _Lists,
    half: _Lists,
    divisor: NDArray[np.float32],
    rows: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return R*(p, k1) with the weights V before query expansion, for points first to last + 1."""
    first, last = rows
    count = np.empty(last - first, np.int64)
    column, value = np.empty(1024, np.int32), np.empty(1024, np.float32)
    points = embedding.shape[0]
    none = np.full(points, -1, np.int32)
    marks = _Marks(none, none.copy(), none.copy(), np.empty(points, np.float32))
    most = full.image.shape[1] * (half.image.shape[1] + 1)
    end = 0
    for point in range(first, last):
        if column.size < end + most:
            column, value = longer(column, value, 2 * column.size + most)
        for entry in range(neighbours.row.shape[1]):
            marks.listed[neighbours.row[point, entry]] = point
            marks.distance[neighbours.row[point, entry]] = neighbours.distance[point, entry]
        size = _unite(point, full, half, marks, column[end:])
        _weigh(point, embedding, divisor[point], marks, (column[end : end + size], value[end : end + size]))
        count[point - first] = size
        end += size
    return count, column[:end].copy(), value[:end].copy()


@compile_loop
def _unite(point: int, full: _Lists, half: _Lists, marks: _Marks, column: NDArray[np.int32]) -> int:
    """Write R*(p, k1) of one point and return its size."""
    size = int(full.length[point])
    for entry in range(size):
        other = full.image[point, entry]
        marks.member[other] = point
        marks.taken[other] = point
        column[entry] = other
    for entry in range(full.length[point]):
        other = full.image[point, entry]
        inside = 0
        for each in range(half.length[other]):
            inside += marks.member[half.image[other, each]] == point
        if 3 * inside <= 2 * half.length[other]:
            continue
        for each in range(half.length[other]):
            candidate = half.image[other, each]
            if marks.taken[candidate] != point:
                marks.taken[candidate] = point
                column[size] = candidate
                size += 1
    return size


@compile_loop
def _weigh(
    point: int,
    embedding: NDArray[np.float32],
    divisor: np.float32,
    marks: _Marks,
    row: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Write the weights of one point's R*(p, k1), which add up to 1."""
    column, value = row
    total = 0.0
    for entry in range(column.size):
        other = column[entry]
        if marks.listed[other] != point:
            marks.distance[other] = squared_distance(embedding[point], embedding[other])
        value[entry] = np.exp(-marks.distance[other] / divisor)
        total += value[entry]
    for entry in range(column.size):
        value[entry] /= total
