"""For each query the gallery images of its person, and which of them are correct by `data/protocol.py`."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genreid.data.protocol import Reason, is_junk, is_own_camera, is_person, why_lost

PAIRS_AT_ONCE = 4_000_000
"""Pairs of a query and a gallery image of its person that are listed at once: bounds memory."""


class Pairs(NamedTuple):
    """Gallery images listed for each query of a chunk."""

    start: NDArray[np.int64]
    """int64 [q+1]: the list of query i is `image[start[i]:start[i+1]]`."""
    image: NDArray[np.int64]
    """int64 [n]: gallery rows, ascending within a query."""

    @property
    def query(self) -> NDArray[np.int64]:
        """int64 [n]: the query, within the chunk, of each entry."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


class Matches(NamedTuple):
    """For a chunk of queries, the gallery images of their own people."""

    own: Pairs
    """All gallery images of the query's person: never wrong."""
    correct: Pairs
    """Those that another, or an unknown, camera has seen: right."""


class Labels:
    """Identities and cameras of queries and gallery, ready to answer who matches whom.

    Attributes:
        query_pid: int64 [Q].
        gallery_pid: int64 [G].
        junk: bool [G], the gallery images that are not ranked.
    """

    def __init__(
        self,
        query_pids: ArrayLike,
        gallery_pids: ArrayLike,
        query_camids: ArrayLike,
        gallery_camids: ArrayLike,
    ) -> None:
        """Check the labels and sort the gallery by identity.

        Args:
            query_pids: [Q] whole numbers.
            gallery_pids: [G].
            query_camids: [Q].
            gallery_camids: [G].

        Raises:
            ValueError: If a list is empty, does not hold whole numbers from -1 up, or is of another length.
        """
        self.query_pid = _labels("query_pids", query_pids)
        self.gallery_pid = _labels("gallery_pids", gallery_pids)
        self._query_camid = _labels("query_camids", query_camids, len(self.query_pid))
        self._gallery_camid = _labels("gallery_camids", gallery_camids, len(self.gallery_pid))
        self.junk = is_junk(self.gallery_pid)
        narrow = self.gallery_pid.max() <= np.iinfo(np.int16).max  # the stable sort of 16 bits is much faster
        self._by_pid = np.argsort(self.gallery_pid.astype(np.int16 if narrow else np.int64), kind="stable")
        sorted_pid = self.gallery_pid[self._by_pid]
        self._first = np.searchsorted(sorted_pid, self.query_pid, "left")
        images = np.searchsorted(sorted_pid, self.query_pid, "right") - self._first
        self._images = np.where(is_person(self.query_pid), images, 0)

    def chunks(self, rows: int) -> Iterator[slice]:
        """Cut the queries into chunks whose lists of pairs stay small.

        Args:
            rows: Queries in a chunk, at most.
        """
        rows = max(1, min(rows, PAIRS_AT_ONCE // max(1, int(self._images.max()))))
        for start in range(0, len(self.query_pid), rows):
            yield slice(start, min(start + rows, len(self.query_pid)))

    def match(self, chunk: slice) -> Matches:
        """List the gallery images of the queries' own people.

        Args:
            chunk: Consecutive queries.
        """
        start = _offsets(self._images[chunk])
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        own = Pairs(start, self._by_pid[np.arange(start[-1]) - start[row] + self._first[chunk][row]])
        right = ~is_own_camera(self._query_camid[chunk][row], self._gallery_camid[own.image])
        counts = np.bincount(row[right], minlength=len(start) - 1)
        return Matches(own, Pairs(_offsets(counts), own.image[right]))

    def reason(self, query: int) -> Reason:
        """Say why a query without a correct gallery image has none.

        Args:
            query: Its row.
        """
        reason = why_lost(int(self.query_pid[query]), int(self._images[query]), correct=0)
        assert reason is not None, query
        return reason


def _labels(name: str, values: ArrayLike, length: int | None = None) -> NDArray[np.int64]:
    """Return checked labels as int64."""
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.size == 0:
        msg = f"{name}: expected a list of whole numbers, got {labels.dtype} {list(labels.shape)}"
        raise ValueError(msg)
    if length is not None and len(labels) != length:
        msg = f"{name}: expected {length} labels, one for each identity, got {len(labels)}"
        raise ValueError(msg)
    if labels.min() < -1:
        row = int(np.argmin(labels))
        msg = f"{name}: expected -1, 0 or a positive number, got {labels[row]} in row {row}"
        raise ValueError(msg)
    return labels.astype(np.int64)


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each list starts, and where the last one ends: int64 [len(counts) + 1]."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
