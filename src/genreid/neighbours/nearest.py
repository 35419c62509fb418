"""Nearest neighbours, all of them compared: squared Euclidean distances by faiss, chunk by chunk.

For unit vectors the squared distance is 2 - 2 cos, so its order is that of the cosine. faiss finds a few
candidates more than asked for, by matrix products in float32; their distances are then computed again in
float64 and put in order, ties by row. So the order does not depend on how the products were rounded, and
equal vectors tie. (Where more than `SPARE` rows tie with the last, which of them are found is up to faiss.)

This module imports faiss and numba; import it only where neighbours are sought.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from genreid.neighbours.compiled import compile_loop, squared_distance
from genreid.neighbours.threads import allowed_threads, in_threads, read_only

QUERIES_AT_ONCE = 4096
"""Points whose neighbours are sought in one call of faiss."""
TILE = 2048
"""Rows and columns of one block of distances in `farthest`."""
SPARE = 8
"""Candidates more than asked for: rounding may have put them behind."""


class Neighbours(NamedTuple):
    """The k nearest rows for each of N points, nearest first."""

    row: NDArray[np.int32]
    """int32 [N, k]; of equal distances, the lower row comes first."""
    distance: NDArray[np.float32]
    """float32 [N, k]: squared Euclidean distances, rising."""


def nearest(
    embedding: NDArray[np.float32],
    k: int,
    queries: NDArray[np.float32] | None = None,
    threads: int | None = None,
) -> Neighbours:
    """Find the k nearest rows for each query.

    Memory: the answer and about 30 MB; nothing is copied.

    Args:
        embedding: float32 [M, D], the rows to be found; a memory map will do.
        k: 1 or more; all M rows if there are no more.
        queries: float32 [N, D]. None: the rows themselves, and each comes first in its own list, before rows
            that are equal to it.
        threads: At most so many; None: as many as the process may use.

    Returns:
        The neighbours [N, min(k, M)].

    Raises:
        ValueError: If a shape or type does not fit, k is below 1, or a row is not finite (it is named).
    """
    rows = _checked(embedding, "embedding")
    points = rows if queries is None else _checked(queries, "queries", rows.shape[1])
    if k < 1:
        msg = f"k must be 1 or more, got {k}"
        raise ValueError(msg)
    threads = threads or allowed_threads()
    width = min(k, len(rows))
    found = Neighbours(np.empty((len(points), width), np.int32), np.empty((len(points), width), np.float32))
    for first in range(0, len(points), QUERIES_AT_ONCE):
        chunk = slice(first, min(first + QUERIES_AT_ONCE, len(points)))
        with _faiss_threads(threads):
            _, candidates = faiss.knn(points[chunk], rows, min(width + SPARE, len(rows)))

        def order(
            begin: int, end: int, chunk: slice = chunk, candidates: NDArray[np.int64] = candidates
        ) -> None:
            part = slice(chunk.start + begin, chunk.start + end)
            own = part.start if queries is None else -1
            answer = found.row[part], found.distance[part]
            _put_in_order(read_only(points[part]), read_only(rows), candidates[begin:end], own, *answer)

        in_threads(order, len(candidates), threads)
    return found


def farthest(embedding: NDArray[np.float32], threads: int | None = None) -> NDArray[np.float32]:
    """Return the squared distance of each row to the row that is farthest from it.

    A distance serves both its ends: half the matrix product that `nearest` needs.

    Args:
        embedding: float32 [N, D].
        threads: At most so many; None: as many as the process may use.

    Returns:
        float32 [N], 0 or more.

    Raises:
        ValueError: If the shape or type does not fit, or a row is not finite (it is named).
    """
    rows = _checked(embedding, "embedding")
    largest = np.zeros(len(rows), np.float32)
    with _faiss_threads(threads or allowed_threads()):
        for first in range(0, len(rows), TILE):
            above = slice(first, first + TILE)
            for second in range(first, len(rows), TILE):
                beside = slice(second, second + TILE)
                tile = faiss.pairwise_distances(rows[above], rows[beside])
                np.maximum(largest[above], tile.max(1), out=largest[above])
                if second != first:
                    np.maximum(largest[beside], tile.max(0), out=largest[beside])
    return largest


@compile_loop
def _put_in_order(
    points: NDArray[np.float32],
    rows: NDArray[np.float32],
    candidates: NDArray[np.int64],
    own: int,
    index: NDArray[np.int32],
    distance: NDArray[np.float32],
) -> None:
    """Write the nearest candidates in the order (true distance, row).

    `own` is the row that the first point is, the next ones following: each comes first in its list, also
    where faiss found only others that are equal to it. -1: the points are no rows.
    """
    width = candidates.shape[1]
    keys, images = np.empty(width, np.float64), np.empty(width, np.int64)
    for point in range(points.shape[0]):
        itself = own + point if own >= 0 else -1
        missing = itself >= 0
        for entry in range(width):
            missing = missing and candidates[point, entry] != itself
        for entry in range(width):
            image = candidates[point, entry]
            if missing and entry == width - 1:
                image = itself
            key = -1.0
            if image != itself:
                key = squared_distance(points[point], rows[image])
            place = entry
            while place > 0 and (
                keys[place - 1] > key or (keys[place - 1] == key and images[place - 1] > image)
            ):
                keys[place], images[place] = keys[place - 1], images[place - 1]
                place -= 1
            keys[place], images[place] = key, image
        for entry in range(index.shape[1]):
            index[point, entry] = images[entry]
            distance[point, entry] = max(keys[entry], 0.0)


@contextmanager
def _faiss_threads(threads: int) -> Iterator[None]:
    """Let faiss use so many threads, and as many as before afterwards."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _checked(array: NDArray[np.float32], name: str, width: int | None = None) -> NDArray[np.float32]:
    """Return a contiguous float32 matrix of finite rows."""
    expected = "[N, D] of float32" if width is None else f"[N, {width}] of float32, as wide as the embedding"
    if (
        array.ndim != 2
        or array.dtype != np.float32
        or 0 in array.shape
        or width not in {None, array.shape[1]}
    ):
        msg = f"{name}: expected {expected}, got {list(array.shape)} of {array.dtype}"
        raise ValueError(msg)
    for first in range(0, len(array), QUERIES_AT_ONCE):
        part = array[first : first + QUERIES_AT_ONCE]
        good = np.isfinite(np.einsum("nd,nd->n", part, part))
        if not good.all():
            row = first + int(np.flatnonzero(~good)[0])
            msg = f"{name}: row {row} is not finite, or too long to be squared; expected numbers"
            raise ValueError(msg)
    return np.ascontiguousarray(array)
