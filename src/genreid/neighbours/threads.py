"""Rows shared out among threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

R = TypeVar("R")
ScalarT = TypeVar("ScalarT", bound=np.generic)

PIECES = 4
"""Pieces of work for each thread: one that is done early takes another."""


def allowed_threads() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(work: Callable[[int, int], R], rows: int, threads: int | None = None) -> list[R]:
    """Do `work(first, last)` on pieces of the rows and return the answers in the rows' order.

    Args:
        work: A compiled loop, which holds no lock of Python.
        rows: How many there are.
        threads: At most so many at a time; None: as many as the process may use.
    """
    threads = threads or allowed_threads()
    pieces = min(rows, PIECES * threads) if threads > 1 else 1
    cuts = [rows * piece // pieces for piece in range(pieces + 1)] if rows else [0, 0]
    if len(cuts) == 2:
        return [work(0, rows)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda cut: work(*cut), pairwise(cuts)))


def read_only(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
    """Return a contiguous read-only view: a memory map is read-only, and so the loops are compiled once.

    Args:
        array: It is copied if it is not contiguous.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
