"""Rows of a sparse matrix as compiled loops write them, piece by piece."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from genreid.neighbours.compiled import compile_loop


class Rows(NamedTuple):
    """Rows of a sparse matrix, one after the other."""

    length: NDArray[np.int64]
    """int64 [rows]."""
    column: NDArray[np.int32]
    """int32 [n]."""
    value: NDArray[np.float32]
    """float32 [n]."""


def as_csr(pieces: list[Rows], columns: int) -> csr_array:
    """Put pieces of a sparse matrix together, columns ascending in each row.

    Args:
        pieces: Of consecutive rows. They are let go one by one: the list is empty afterwards.
        columns: Width of the matrix.
    """
    lengths = np.concatenate([piece.length for piece in pieces])
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    column, value = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    end = int(starts[-1])
    while pieces:  # so nearly nothing is held twice
        piece = pieces.pop()
        part = slice(end - len(piece.column), end)
        column[part], value[part] = piece.column, piece.value
        end = part.start
    narrow = starts[-1] <= np.iinfo(np.int32).max
    matrix = csr_array(
        (value, column, starts.astype(np.int32) if narrow else starts), (len(lengths), columns)
    )
    matrix.sort_indices()
    return matrix


@compile_loop
def longer(
    column: NDArray[np.int32], value: NDArray[np.float32], size: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return longer arrays with the same beginning.

    Args:
        column: int32 [n].
        value: float32 [n].
        size: n or more.
    """
    columns, values = np.empty(size, np.int32), np.empty(size, np.float32)
    columns[: column.size] = column
    values[: value.size] = value
    return columns, values
