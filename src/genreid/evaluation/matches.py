"""Who is right for whom: for each query its own person's gallery images, and which of them count as correct.

Of the gallery images of a query's own person, those of the query's own camera are neither right nor wrong
(the same passage through the same camera is no feat); a camera that is unknown (-1) is nobody's own. Junk
(pid -1) is neither right nor wrong for any query. Distractors (pid 0) are always wrong.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, UNKNOWN_CAMID

PAIRS_AT_ONCE = 4_000_000
"""Pairs of a query and a gallery image of its person that are listed at once: bounds memory."""

Reason = Literal["not_a_person", "not_in_gallery", "own_camera_only"]
"""Why a query has no correct gallery image: its pid is junk or distractor; the gallery does not show its
person; or only through the query's own camera."""


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
        self.junk = self.gallery_pid == JUNK_PID
        narrow = self.gallery_pid.max() <= np.iinfo(np.int16).max  # the stable sort of 16 bits is much faster
        self._by_pid = np.argsort(self.gallery_pid.astype(np.int16 if narrow else np.int64), kind="stable")
        sorted_pid = self.gallery_pid[self._by_pid]
        self._first = np.searchsorted(sorted_pid, self.query_pid, "left")
        images = np.searchsorted(sorted_pid, self.query_pid, "right") - self._first
        self._images = np.where(np.isin(self.query_pid, (JUNK_PID, DISTRACTOR_PID)), 0, images)

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
        camid = self._query_camid[chunk][row]
        right = (camid != self._gallery_camid[own.image]) | (camid == UNKNOWN_CAMID)
        counts = np.bincount(row[right], minlength=len(start) - 1)
        return Matches(own, Pairs(_offsets(counts), own.image[right]))

    def reason(self, query: int) -> Reason:
        """Say why a query without a correct gallery image has none.

        Args:
            query: Its row.
        """
        if self.query_pid[query] in {JUNK_PID, DISTRACTOR_PID}:
            return "not_a_person"
        return "own_camera_only" if self._images[query] else "not_in_gallery"


def describe_reasons(reasons: tuple[Reason, ...]) -> str:
    """Say in words, with counts, why queries have no correct gallery image.

    Args:
        reasons: One reason for each such query.
    """
    texts: dict[Reason, str] = {
        "not_a_person": "have a pid of -1 (junk) or 0 (distractor)",
        "not_in_gallery": "show people whom the gallery does not show",
        "own_camera_only": "show people whom the gallery shows only through the query's own camera",
    }
    counts = {reason: reasons.count(reason) for reason in get_args(Reason)}
    return ", ".join(f"{counts[reason]} {text}" for reason, text in texts.items() if counts[reason])


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
