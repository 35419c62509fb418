"""Jaccard distances of encodings (Zhong et al., CVPR 2017, section 3.3), sparse.

    d_J(p, g) = 1 - sum_i min(V[p, i], V[g, i]) / sum_i max(V[p, i], V[g, i])

The rows of V add up to 1, so with m the sum of minima the sum of maxima is 2 - m. Only pairs that share a
neighbour have a distance below 1, and only these are looked at and stored: what is not stored is 1.

This module imports numba.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from genreid.neighbours.compiled import compile_loop
from genreid.neighbours.sparse_rows import Rows, as_csr, longer
from genreid.neighbours.threads import in_threads


def jaccard_distances(
    codes: csr_array,
    others: csr_array | csc_array | None = None,
    largest: float = 1.0,
    most_per_row: int | None = None,
    threads: int | None = None,
) -> csr_array:
    """Return the Jaccard distances of all pairs that share a neighbour.

    Memory: the stored pairs, 8 bytes each, three times at most while the rows are joined. Where all points
    are much alike these are all pairs; `most_per_row` ends that early.

    Args:
        codes: float32 [N, M], of `encode`: rows that add up to 1.
        others: float32 [K, M], the same; None: `codes` itself. A `csc_array` is used as it is: it saves
            time where it is used again and again.
        largest: Pairs that are farther are not stored (DBSCAN's eps: it needs no others); 0 to 1.
        most_per_row: How many stored pairs a row may have, on average over the rows that one thread does in
            one go; None: any number.
        threads: At most so many; None: as many as the process may use.

    Returns:
        float32 [N, K], 0 to 1, columns ascending; a distance of 0 is stored, a distance of 1 is not.

    Raises:
        ValueError: If the widths differ, `largest` is not from 0 to 1, or there are more pairs than allowed.
    """
    columns = (codes if others is None else others).tocsc()
    if columns.shape[1] != codes.shape[1]:
        msg = f"codes have {codes.shape[1]} columns, others {columns.shape[1]}; expected the same"
        raise ValueError(msg)
    if not 0 <= largest <= 1:
        msg = f"largest must be from 0 to 1, got {largest}"
        raise ValueError(msg)
    left = codes.indptr, codes.indices, codes.data
    right = columns.indptr, columns.indices, columns.data

    def compare(first: int, last: int) -> Rows:
        most = np.iinfo(np.int64).max if most_per_row is None else most_per_row * (last - first)
        found = Rows(*_compare(left, right, (columns.shape[0], most), largest, (first, last)))
        if found.length.min(initial=0) < 0:
            msg = (
                f"rows {first} to {last - 1} have more than {most_per_row} others each, on average, at a "
                f"Jaccard distance of {largest:g} or less: nearly all embeddings are alike. Has the network "
                "collapsed?"
            )
            raise ValueError(msg)
        return found

    return as_csr(in_threads(compare, codes.shape[0], threads), columns.shape[0])


@compile_loop
def _compare(
    left: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    right: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    limits: tuple[int, int],
    largest: float,
    rows: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return the distances of rows first to last + 1 of `left` (CSR) to all of `right` (CSC).

    `limits` are how many points `right` has, and how many distances may be stored; lengths of -1: there are
    more.
    """
    first, last = rows
    width, most = limits
    starts, images, weights = left
    other_starts, other_images, other_weights = right
    count = np.empty(last - first, np.int64)
    column, value = np.empty(1024, np.int32), np.empty(1024, np.float32)
    shared, touched = np.zeros(width, np.float32), np.empty(width, np.int32)
    end = 0
    for row in range(first, last):
        size, begin = 0, end
        for entry in range(starts[row], starts[row + 1]):
            weight = weights[entry]
            for each in range(other_starts[images[entry]], other_starts[images[entry] + 1]):
                other, smaller = other_images[each], min(weight, other_weights[each])
                if smaller <= 0:  # of a neighbour so far that its weight is 0: nothing is shared
                    continue
                if shared[other] == 0:
                    touched[size] = other
                    size += 1
                shared[other] += smaller
        if column.size < end + size:
            column, value = longer(column, value, 2 * column.size + size)
        for each in range(size):
            other = touched[each]
            minima = shared[other]
            shared[other] = 0
            distance = max(np.float32(0), 1 - minima / (2 - minima))
            if distance <= largest and distance < 1:
                column[end] = other
                value[end] = distance
                end += 1
        count[row - first] = end - begin
        if end > most:
            return np.full(last - first, -1, np.int64), column[:0].copy(), value[:0].copy()
    return count, column[:end].copy(), value[:end].copy()
