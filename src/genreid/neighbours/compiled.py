"""How a loop is compiled, and the loop that others share.

This module imports numba; import it only where something is computed. Loops are compiled on first use and
kept in numba's cache: beside their file, or in the user's cache folder where the package is read-only. They
hold no lock of Python, so threads work on different rows at the same time (`threads`).
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


def compile_loop(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function, with a cache on disk where there is a writable place for one.

    Args:
        function: Takes and gives numbers and arrays; sums in it may be added in any order.
    """
    relaxed = {"reassoc", "contract"}  # so the loops become vector instructions
    try:
        return numba.njit(nogil=True, fastmath=relaxed, cache=True)(function)
    except RuntimeError:  # "no locator available": neither the package nor the user's cache is writable
        return numba.njit(nogil=True, fastmath=relaxed)(function)


@compile_loop
def squared_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the squared Euclidean distance of two vectors, computed in float64.

    Args:
        first: float32 [D].
        second: float32 [D].
    """
    total = 0.0
    for i in range(first.size):
        difference = np.float64(first[i]) - np.float64(second[i])
        total += difference * difference
    return total
