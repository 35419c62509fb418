"""Compiled loops: how many wrong gallery images are nearer than each correct one.

This module imports numba; import it only where a ranking is made. The loops hold no lock of Python, so
threads work on different queries at the same time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.evaluation.matches import Pairs
from genreid.neighbours.compiled import compile_loop, squared_distance

Real = np.float32 | np.float64


BLOCK = 2048
"""Distances that are looked at together: they stay in the first-level cache while each threshold passes."""
FEW = 64
"""Up to so many correct images, comparing all with each beats a binary search (vector instructions)."""


class Correct(NamedTuple):
    """Correct gallery images of a chunk of queries, sorted by (distance, gallery index) within each query."""

    start: NDArray[np.int64]
    """int64 [q+1]."""
    image: NDArray[np.int64]
    """int64 [n], gallery rows."""
    distance: NDArray[Real]
    """[n], in the type of the distances they are compared with."""


class Tile(NamedTuple):
    """Some gallery images seen from a chunk of queries."""

    products: NDArray[np.float32]
    """float32 [q, w]: inner products, rounded as the matrix product rounds."""
    query: NDArray[np.float32]
    """float32 [q, D], read-only."""
    query_norm: NDArray[np.float64]
    """float64 [q]: squared lengths."""
    gallery: NDArray[np.float32]
    """float32 [w, D], read-only."""
    gallery_norm: NDArray[np.float64]
    """float64 [w]: squared lengths; infinite for junk."""
    first: int
    """Gallery row of the first column."""
    tolerance: float
    """How far a squared distance made of a product can be from the true one."""


class Workspace(NamedTuple):
    """Memory that the loops over one query use again and again."""

    values: NDArray[Real]
    """[BLOCK]: distances, NaN for images that cannot be wrong."""
    thresholds: NDArray[Real]
    """[FEW]."""
    counts: NDArray[np.int64]
    """int64 [FEW]."""
    low: Real
    """Minus infinity in the type of the distances."""


@compile_loop
def _copy_unless_junk(
    values: NDArray[Real], distances: NDArray[Real], mask: NDArray[Real], begin: np.uint64, size: np.uint64
) -> np.int32:
    """Copy `size` distances with NaN for junk (mask NaN, else 0; empty: no junk); return how many were NaN.

    Here and below, bounds are unsigned: the compiler need not think of indices that count from the end, and
    without slices nobody counts references.
    """
    bad = np.int32(0)  # 32 bits, as wide as a float32: the loops become vector instructions
    if mask.size == 0:
        for i in range(size):
            bad = np.int32(bad + np.int32(np.isnan(distances[begin + i])))
            values[i] = distances[begin + i]
        return bad
    for i in range(size):
        bad = np.int32(bad + np.int32(np.isnan(distances[begin + i])))
        values[i] = distances[begin + i] + mask[begin + i]
    return bad


@compile_loop
def _fill_with_nan(values: NDArray[Real], size: np.uint64) -> np.uint64:
    """Write NaN behind `size` values up to a multiple of 64: no rest for vector loops; return that."""
    whole = (size + np.uint64(63)) & ~np.uint64(63)
    for i in range(size, whole):
        values[i] = np.nan
    return whole


@compile_loop
def _count_up_to(
    values: NDArray[Real],
    size: np.uint64,
    thresholds: NDArray[Real],
    counts: NDArray[np.int64],
    four: np.uint64,
) -> None:
    """Add to four counts how many of the first `size` values are <= their thresholds; NaN never is."""
    one, two, three = four + np.uint64(1), four + np.uint64(2), four + np.uint64(3)
    a, b, c, d = thresholds[four], thresholds[one], thresholds[two], thresholds[three]
    count_a, count_b, count_c, count_d = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for i in range(size):
        count_a = np.int32(count_a + np.int32(values[i] <= a))
        count_b = np.int32(count_b + np.int32(values[i] <= b))
        count_c = np.int32(count_c + np.int32(values[i] <= c))
        count_d = np.int32(count_d + np.int32(values[i] <= d))
    counts[four] += count_a
    counts[one] += count_b
    counts[two] += count_c
    counts[three] += count_d


@compile_loop
def _count_two_up_to(
    values: NDArray[Real],
    size: np.uint64,
    thresholds: NDArray[Real],
    counts: NDArray[np.int64],
    two: np.uint64,
) -> None:
    """As `_count_up_to`, for the last one or two thresholds."""
    one = two + np.uint64(1)
    a, b = thresholds[two], thresholds[one]
    count_a, count_b = np.int32(0), np.int32(0)
    for i in range(size):
        count_a = np.int32(count_a + np.int32(values[i] <= a))
        count_b = np.int32(count_b + np.int32(values[i] <= b))
    counts[two] += count_a
    counts[one] += count_b


@compile_loop
def _count_equal(values: NDArray[Real], start: np.uint64, size: np.uint64, value: Real) -> np.int32:
    """Count how many values from `start` to `size` are equal to one."""
    count = np.int32(0)
    for i in range(start, size):
        count = np.int32(count + np.int32(values[i] == value))
    return count


@compile_loop
def _place(distance: NDArray[Real], image: NDArray[np.int64], value: Real | float, row: int) -> int:
    """Return how many entries of a sorted list come before (value, row) in the order (distance, image)."""
    low, high = 0, distance.size
    while low < high:
        middle = (low + high) // 2
        if distance[middle] < value or (distance[middle] == value and image[middle] < row):
            low = middle + 1
        else:
            high = middle
    return low


@compile_loop
def pair_distances(
    query: NDArray[np.float32], gallery: NDArray[np.float32], pairs: Pairs
) -> NDArray[np.float64]:
    """Return the squared distances of listed pairs: float64 [n].

    Args:
        query: float32 [q, D], read-only, the chunk's queries.
        gallery: float32 [G, D], read-only.
        pairs: Gallery rows for each query.
    """
    distance = np.empty(pairs.image.size, np.float64)
    for row in range(query.shape[0]):
        for entry in range(pairs.start[row], pairs.start[row + 1]):
            distance[entry] = squared_distance(query[row], gallery[pairs.image[entry]])
    return distance


@compile_loop
def _sort(counts: NDArray[np.int64]) -> None:
    """Sort a short list in place, by insertion."""
    for entry in range(1, counts.size):
        count, place = counts[entry], entry
        while place > 0 and counts[place - 1] > count:
            counts[place] = counts[place - 1]
            place -= 1
        counts[place] = count


@compile_loop
def _add_up(steps: NDArray[np.int64], nearer: NDArray[np.int64]) -> None:
    """Turn "wrong images just before each correct one" into "wrong images anywhere before it"."""
    before = 0
    for i in range(nearer.size):
        before += steps[i]
        nearer[i] += before


@compile_loop
def _just_below(value: Real, low: Real) -> Real:
    """Return the next smaller number of the same type, NaN (below which nothing is) if there is none."""
    return np.nextafter(value, low) if value > low else value * 0


@compile_loop
def _compare_row(
    distances: NDArray[Real],
    mask: NDArray[Real],
    own: NDArray[np.int64],
    image: NDArray[np.int64],
    work: Workspace,
    nearer: NDArray[np.int64],
) -> bool:
    """Write the counts of one query with few correct images, in gallery order; return whether all is well.

    Of equal distances, those that stand before the correct image in the gallery come first: a value counts if
    it is <= the correct distance there, and after the image if it is <= the next smaller number.
    """
    thresholds, counts, entry, passed = work.thresholds, work.counts, 0, 0
    for each in range(FEW):
        thresholds[each] = distances[image[each]] if each < image.size else np.nan
        counts[each] = 0
    for begin in range(0, distances.size, BLOCK):
        end = min(begin + BLOCK, distances.size)
        size = np.uint64(end - begin)
        if _copy_unless_junk(work.values, distances, mask, np.uint64(begin), size) > 0:
            return False
        while entry < own.size and own[entry] < end:
            work.values[own[entry] - begin] = np.nan
            entry += 1
        whole = _fill_with_nan(work.values, size)
        for four in range(0, image.size - 2, 4):
            _count_up_to(work.values, whole, thresholds, counts, np.uint64(four))
        if 0 < image.size % 4 <= 2:
            _count_two_up_to(work.values, whole, thresholds, counts, np.uint64(image.size // 4 * 4))
        while passed < image.size and image[passed] < end:
            counts[passed] -= _count_equal(
                work.values, np.uint64(image[passed] - begin), whole, thresholds[passed]
            )
            thresholds[passed] = _just_below(thresholds[passed], work.low)
            passed += 1
    for each in range(image.size):
        nearer[each] = counts[each]
    return True


@compile_loop
def _place_row(
    distances: NDArray[Real],
    mask: NDArray[Real],
    own: NDArray[np.int64],
    image: NDArray[np.int64],
    nearer: NDArray[np.int64],
) -> bool:
    """As `_compare_row`, for many correct images, which are sorted by (distance, gallery row)."""
    distance, steps = np.empty(image.size, distances.dtype), np.zeros(image.size + 1, np.int64)
    for each in range(image.size):
        distance[each] = distances[image[each]]
    entry = 0
    for i in range(distances.size):
        if np.isnan(distances[i]):
            return False
        if entry < own.size and own[entry] == i:
            entry += 1
        elif (mask.size == 0 or mask[i] == 0) and distances[i] <= distance[-1]:
            steps[_place(distance, image, distances[i], i)] += 1
    _add_up(steps, nearer)
    return True


@compile_loop
def count_in_distances(
    distances: NDArray[Real],
    mask: NDArray[Real],
    own: Pairs,
    correct: Pairs,
    rows: tuple[int, int],
    nearer: NDArray[np.int64],
) -> int:
    """Count the wrong gallery images that come before each correct one in the order (distance, gallery row).

    Args:
        distances: [q, G], float32 or float64.
        mask: [G], NaN for junk, else 0; empty if there is no junk.
        own: Gallery images of the query's person, which are never wrong.
        correct: Those that are right; lists of more than `FEW` sorted by (distance, gallery row).
        rows: First and last + 1 of the queries to work on.
        nearer: int64 [n], zeros; written: for each query the counts of its correct images, nearest first.

    Returns:
        The first query that has a NaN among its distances; -1: none.
    """
    values = np.empty(BLOCK + FEW + 1, distances.dtype)
    values[-1] = -np.inf
    work = Workspace(values[:BLOCK], values[BLOCK:-1], np.empty(FEW, np.int64), values[-1])
    for row in range(rows[0], rows[1]):
        image = correct.image[correct.start[row] : correct.start[row + 1]]
        counts = nearer[correct.start[row] : correct.start[row + 1]]
        persons = own.image[own.start[row] : own.start[row + 1]]
        if image.size > FEW:
            well = _place_row(distances[row], mask, persons, image, counts)
        else:
            well = _compare_row(distances[row], mask, persons, image, work, counts)
            _sort(counts)  # the farther a correct image, the more come before it
        if not well:
            return row
    return -1


@compile_loop
def _approximate(
    products: NDArray[np.float32], query_norm: float, gallery_norm: NDArray[np.float64], values: NDArray[Real]
) -> None:
    """Write the squared distances of one query that its products give; infinity for junk."""
    for i in range(values.size):
        values[i] = query_norm + gallery_norm[i] - 2.0 * np.float64(products[i])


@compile_loop
def _filled_up(distance: NDArray[Real]) -> NDArray[Real]:
    """Return a list filled up with infinity to 2^k entries, more than it has, and one."""
    size = 1
    while size <= distance.size:
        size *= 2
    filled = np.empty(size + 1, np.float64)
    for i in range(filled.size):
        filled[i] = distance[i] if i < distance.size else np.inf
    return filled


@compile_loop
def _count_sorted_below(
    distance: NDArray[Real], values: NDArray[Real], tolerance: float, places: NDArray[np.uint64]
) -> None:
    """Write for each value how many of the sorted distances are < value - tolerance.

    A binary search of all values at once, each step one loop of vector instructions without branches. The
    list is 2^k distances, filled up with infinity.
    """
    for i in range(values.size):
        places[i] = 0
    half = np.uint64(distance.size) // np.uint64(2)
    while half > np.uint64(0):
        for i in range(values.size):
            here = distance[places[i] + half - np.uint64(1)]
            places[i] += half * np.uint64(here < values[i] - tolerance)
        half //= np.uint64(2)


@compile_loop
def count_in_tile(
    tile: Tile, own: Pairs, correct: Correct, rows: tuple[int, int], nearer: NDArray[np.int64]
) -> None:
    """Add the wrong images of a tile of the gallery that come before each correct one.

    A product tells on which side of a correct image's distance a wrong image lies, unless both are nearly as
    far: then the true distance decides. So the outcome is that of exact distances, whatever order the matrix
    product adds in.

    Args:
        tile: Products of the queries with some gallery images.
        own: Gallery images of the query's person, which are never wrong.
        correct: Those that are right, sorted, with true squared distances.
        rows: First and last + 1 of the queries to work on.
        nearer: int64 [n], added to: one count for each entry of `correct`.
    """
    gallery, first, tolerance = tile.gallery, tile.first, tile.tolerance
    values, places = np.empty(gallery.shape[0], np.float64), np.empty(gallery.shape[0], np.uint64)
    for row in range(rows[0], rows[1]):
        image = correct.image[correct.start[row] : correct.start[row + 1]]
        if image.size == 0:
            continue
        _approximate(tile.products[row], tile.query_norm[row], tile.gallery_norm, values)
        for entry in range(own.start[row], own.start[row + 1]):
            if first <= own.image[entry] < first + values.size:
                values[own.image[entry] - first] = np.inf
        distance = _filled_up(correct.distance[correct.start[row] : correct.start[row + 1]])
        _count_sorted_below(distance[:-1], values, tolerance, places)
        steps, query = np.zeros(distance.size, np.int64), tile.query[row]
        for i in range(values.size):
            place = np.int64(places[i])
            if distance[place] <= values[i] + tolerance and values[i] < np.inf:
                true = squared_distance(query, gallery[i])
                place = np.int64(_place(distance[: image.size], image, true, first + i))
            steps[place] += 1
        _add_up(steps, nearer[correct.start[row] : correct.start[row + 1]])
